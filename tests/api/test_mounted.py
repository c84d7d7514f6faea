"""The hub inside another application: its paths, its user, its lifespan."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from tieline import Hub
from tieline.errors import Misconfigured
from tieline.settings import load_settings
from tieline.testing import Browser, PracticeProvider, practice_document, serve

from .stage import free_port, fresh, problem

pytestmark = pytest.mark.anyio


@dataclass
class Host:
    """An application whose logged-in user is whoever the header says; Tieline is at /connections."""

    url: str
    hub: Hub
    practice: PracticeProvider
    http: httpx2.AsyncClient


@pytest.fixture(params=["sync", "async"])
def current_user(request):
    async def later(asking):
        return asking.headers.get("x-user")

    return later if request.param == "async" else lambda asking: asking.headers.get("x-user")


@pytest.fixture
async def host(tmp_path, migrated_file, current_user) -> AsyncIterator[Host]:
    port, practice = free_port(), PracticeProvider()
    url = f"http://127.0.0.1:{port}"
    settings = load_settings(
        {}, data=str(fresh(migrated_file, tmp_path / "d")), public_url=f"{url}/connections", egress_allow="127.0.0.0/8"
    )
    opening = Hub.open(settings=settings)
    application = Starlette(
        routes=[
            Route("/welcome", lambda _: PlainTextResponse("welcome")),
            Mount("/connections", opening.asgi(current_user=current_user)),
        ],
        lifespan=opening.lifespan,
    )
    async with (
        serve(practice.app) as practice_url,
        serve(application, port=port),
        httpx2.AsyncClient(base_url=url) as http,
    ):
        acme = opening.hub.organization("acme")
        await acme.providers.register(practice_document(practice_url))
        await acme.integrations.put("practice", client_id="practice-client", client_secret="practice-secret")
        yield Host(url, opening.hub, practice, http)


async def _returned(host: Host, *, onward: str | None = "/welcome") -> str:
    """The address that ada's browser comes back to."""
    session = await host.hub.organization("acme").connect.start(
        provider="practice",
        end_user="ada",
        return_to=f"{host.url}/connections/connect/complete",
        context=None if onward is None else {"next": onward},
    )
    async with Browser() as browser:
        page = await browser.open(session.url.reveal())
        return await browser.submit_until(page.form("connect"), f"{host.url}/connections/connect/complete")


async def test_the_user_of_the_application_completes_here_and_goes_on(host):
    address = await _returned(host)

    response = await host.http.get(address, headers={"X-User": "ada"})

    assert (response.status_code, response.headers["location"]) == (303, "/welcome")
    listed = await host.hub.organization("acme").connections.list()
    assert [(each.end_user, each.binding) for each in listed.items] == [("ada", "app")]


@pytest.mark.parametrize(
    "onward", [None, "//evil.example", "/\\evil.example", "javascript:alert(1)", "http://evil.example", 5]
)
async def test_without_a_place_to_go_on_to_it_shows_what_came_of_it(host, onward):
    address = await _returned(host, onward=onward)

    response = await host.http.get(address, headers={"X-User": "ada"})

    assert response.status_code == 200
    assert response.json()["result"] == "connected"


async def test_another_user_connects_nothing(host):
    address = await _returned(host)

    assert problem(await host.http.get(address, headers={"X-User": "mallory"})) == (403, "end-user-mismatch")
    assert problem(await host.http.get(address, headers={"X-User": "ada"})) == (410, "session-ended")


async def test_nobody_has_to_log_in_first(host):
    address = await _returned(host)

    assert problem(await host.http.get(address)) == (401, "unauthorized")
    assert (await host.http.get(address, headers={"X-User": "ada"})).status_code == 303


async def test_every_kind_of_route_answers_under_the_path_it_is_mounted_at(host):
    key = (await host.hub.create_first_key()).key.reveal()
    headers = {"Authorization": f"Bearer {key}", "Tieline-Organization": "acme"}
    tokens = host.practice.issue_tokens()
    imported = await host.hub.organization("acme").connections.create(
        provider="practice", end_user="a/b", credentials={"accessToken": tokens["access_token"]}
    )

    base = f"/connections/v1/connections/{imported.id}"
    assert (await host.http.get(base, headers=headers)).json()["id"] == imported.id
    for path in (base, "/connections/v1/end-users/a%2Fb/connections/practice"):
        proxied = await host.http.get(f"{path}/proxy/me", headers=headers)
        assert proxied.headers["tieline-connection"] == imported.id
        assert proxied.headers["cache-control"] == "no-store"
    assert (await host.http.get("/connections/docs")).status_code == 200
    assert (await host.http.get("/welcome")).text == "welcome"
    assert problem(await host.http.get("/connections/nothing")) == (404, "not-found")


async def test_before_the_hub_is_open_it_says_how_to_open_it(tmp_path):
    closed = Hub.open(data=str(tmp_path / "d"))

    with pytest.raises(Misconfigured, match="lifespan"):
        _ = closed.hub


async def test_served_by_itself_it_opens_the_hub(tmp_path, migrated_file):
    opening = Hub.open(data=str(fresh(migrated_file, tmp_path / "d")))

    async with serve(opening.asgi()) as url, httpx2.AsyncClient(base_url=url) as http:
        assert (await http.get("/readyz")).json() == {"status": "ok"}
        assert opening.hub
        assert (await http.get("/connect/complete")).status_code != 401

    with pytest.raises(Misconfigured):
        _ = opening.hub


async def test_an_opening_opens_again(tmp_path, migrated_file):
    opening = Hub.open(data=str(fresh(migrated_file, tmp_path / "d")))

    for _ in range(2):
        async with opening as hub:
            assert await hub.organization("acme").providers.list()
