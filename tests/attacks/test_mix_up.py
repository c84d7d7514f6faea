"""Two authorization servers in one organization, an honest one and Mallory's: no code of the first reaches the second
(RFC 9700, section 4.4; RFC 9207)."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlencode

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tieline.testing import practice_document, serve

from .scene import Scene

pytestmark = pytest.mark.anyio


@dataclass
class Impostor:
    """Mallory's server: it sends every browser on to the honest one, as the honest client, and waits for the code."""

    honest: str
    client_id: str
    callback: str | None = None
    """Where the honest server is to send the code; None: where it was asked to itself."""
    heard: list[str] = field(default_factory=list)

    @property
    def app(self) -> Starlette:
        routes = [Route("/authorize", self._authorize), Route("/token", self._token, methods=["POST"])]
        return Starlette(routes=routes)

    async def _authorize(self, request: Request) -> Response:
        asked = {**request.query_params, "client_id": self.client_id}
        return RedirectResponse(f"{self.honest}/authorize?{urlencode({**asked, **self._instead()})}")

    def _instead(self) -> dict[str, str]:
        return {} if self.callback is None else {"redirect_uri": self.callback}

    async def _token(self, request: Request) -> Response:
        self.heard.append((await request.body()).decode())
        return JSONResponse({"error": "invalid_grant"}, status_code=400)


@pytest.fixture
async def impostor(scene: Scene) -> AsyncIterator[Impostor]:
    """Beside the honest provider, which takes the redirect URI of its own client only."""
    await scene.register("silent")
    honest = (await scene.acme.integrations.get("practice")).redirect_uri
    scene.practice.redirect_uris = frozenset({honest})
    impostor = Impostor(scene.practice_url, scene.practice.client_id, honest)
    async with serve(impostor.app) as url:
        await scene.acme.providers.register(practice_document(url, id="evil"))
        await scene.acme.integrations.put("evil", client_id="of-mallory", client_secret="of-mallory")
        yield impostor


async def test_a_code_that_comes_to_the_honest_callback_with_the_state_of_another_is_refused(
    scene: Scene, impostor: Impostor
):
    page = await scene.connect(scene.ada, await scene.link("evil", "ada"))

    assert page.url.startswith(f"{impostor.callback}?code=")
    assert (page.status, page.title) == (400, "This did not start here")
    assert impostor.heard == []
    assert scene.application.outcomes == []
    assert await scene.nothing_was_connected()
    assert "connectSession.astray" in await scene.audited()


async def test_a_code_is_not_sent_to_the_callback_of_another_client(scene: Scene, impostor: Impostor):
    """Each client has an address of its own, so the honest server does not know Mallory's."""
    impostor.callback = None

    page = await scene.connect(scene.ada, await scene.link("evil", "ada"))

    assert page.url.startswith(scene.practice_url)
    assert (page.status, impostor.heard) == (400, [])
    assert await scene.nothing_was_connected()


async def test_where_an_honest_server_sends_codes_anywhere_its_name_in_the_answer_still_tells(
    scene: Scene, impostor: Impostor
):
    scene.practice.redirect_uris, impostor.callback = None, None
    document = (await scene.acme.providers.get("evil")).document
    oauth2 = {**document["oauth2"], "issuer": "https://evil.example"}
    await scene.acme.providers.publish("evil", {**document, "oauth2": oauth2, "version": "2.0.0"})

    page = await scene.connect(scene.ada, await scene.link("evil", "ada"))

    assert (page.status, page.title) == (400, "This did not start here")
    assert impostor.heard == []
    assert await scene.nothing_was_connected()


@pytest.mark.parametrize(
    ("said", "outcome"),
    [("&iss={issuer}", [("ada", "connected")]), ("&iss=https://evil.example", []), ("", []), ("&iss=", [])],
    ids=["right", "wrong", "missing", "empty"],
)
async def test_an_answer_is_of_the_issuer_that_the_document_names(
    scene: Scene, said: str, outcome: list[tuple[str, str]]
):
    issuer = scene.practice_url
    provider = await scene.register("silent", oauth2={"issuer": issuer, "callback": {"requireIssuer": True}})
    callback = await scene.callback(scene.ada, await scene.link(provider, "ada"))
    plain = callback.partition("&iss=")[0]

    await scene.ada.open(plain + said.format(issuer=issuer))

    assert scene.application.outcomes == outcome
    assert scene.practice.codes_exchanged == len(outcome)


@pytest.mark.parametrize("whose", ["another provider's", "another organization's", "nobody's"])
async def test_a_code_is_taken_at_the_address_of_its_own_client_only(scene: Scene, whose: str):
    link = await scene.link(await scene.register("silent"), "ada")
    await scene.register("silent", id="other")
    rival = scene.hub.organization("rival")
    await rival.providers.register(practice_document(scene.practice_url))
    addresses = {
        "another provider's": (await scene.acme.integrations.get("other")).redirect_uri,
        "another organization's": (await rival.integrations.get("practice")).redirect_uri,
        "nobody's": f"{scene.url}/oauth/callback/cli_nobody",
    }
    callback = await scene.callback(scene.ada, link)

    page = await scene.ada.open(f"{addresses[whose]}?{callback.partition('?')[2]}")
    late = await scene.ada.open(callback)

    assert (page.status, late.status) == (400, 404)
    assert scene.application.outcomes == []
    assert await scene.nothing_was_connected()
