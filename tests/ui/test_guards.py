"""What comes in is limited, what goes out is headed: forms of other sites, floods, cookies, frames, caches."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import structlog
from sqlalchemy import update
from starlette.applications import Starlette

from tieline import Hub
from tieline.connections.tables import connect_sessions
from tieline.settings import load_settings
from tieline.testing import Browser, practice_key_document
from tieline.ui import routes

from .stage import RETURN_TO, Stage

pytestmark = pytest.mark.anyio

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "unheard-of"},
        {"Origin": "http://127.0.0.1"},
    ],
)
async def test_a_form_of_another_site_changes_nothing(stage: Stage, headers: dict[str, str]) -> None:
    link = await stage.link(await stage.key(), return_to=RETURN_TO)
    browser = await stage.browser()

    for path in ("", "/cancel"):
        answer = await browser.client.post(link + path, content="apiKey=practice-key", headers={**FORM, **headers})
        assert answer.status_code == 403
    for name in ("confirm", "decline"):
        answer = await browser.client.post(
            f"{stage.url}/connect/{name}", content="nonce=x", headers={**FORM, **headers}
        )
        assert answer.status_code == 403

    page = await browser.open(link)
    assert (await browser.submit(page.form("connect"), until=RETURN_TO, apiKey="practice-key")).status == 303


@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}])
async def test_our_own_form_is_taken(stage: Stage, headers: dict[str, str]) -> None:
    link = await stage.link(await stage.key(), return_to=RETURN_TO)

    async with httpx2.AsyncClient() as client:
        answer = await client.post(
            link, content="apiKey=practice-key", headers={**FORM, "Origin": stage.url, **headers}
        )

    assert answer.status_code == 303


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", {"Content-Type": "application/json"}, 415),
        (b"apiKey=x", {"Content-Type": "text/plain"}, 415),
        (b"apiKey=" + b"x" * 65_536, FORM, 413),
        (b"&".join(b"a%d=1" % number for number in range(200)), FORM, 400),
        (b"apiKey=1&apiKey=2", FORM, 400),
        (b"apiKey=%ff", FORM, 400),
        (b"apiKey=\xff", FORM, 400),
    ],
)
async def test_what_is_no_form_of_ours_is_refused_with_a_page(
    stage: Stage, body: bytes, headers: dict[str, str], status: int
) -> None:
    link = await stage.link(await stage.key(), return_to=RETURN_TO)

    async with httpx2.AsyncClient() as client:
        answer = await client.post(link, content=body, headers=headers)

    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")


async def test_a_long_callback_is_refused_with_a_page(stage: Stage) -> None:
    async with httpx2.AsyncClient() as client:
        answer = await client.get(f"{stage.url}/oauth/callback/x?code={'x' * 20_000}")

    assert (answer.status_code, answer.headers["content-type"]) == (414, "text/html; charset=utf-8")


async def test_a_database_that_is_held_is_a_page_with_retry_after(stage: Stage) -> None:
    link = await stage.link(await stage.key(), return_to=RETURN_TO)
    holder = sqlite3.connect(stage.hub.settings.data_folder / "tieline.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    async with httpx2.AsyncClient() as client:
        answer = await client.post(f"{link}/cancel", content=b"", headers=FORM)
    holder.close()

    assert (answer.status_code, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize(("broken", "status"), [({"sealed": b"garbage"}, 409), ({"scopes": 5}, 500)])
async def test_trouble_that_nobody_foresaw_is_a_page_and_no_log_holds_the_token(
    stage: Stage, broken: dict[str, object], status: int
) -> None:
    link = await stage.link(await stage.oauth(), return_to=RETURN_TO)
    change = update(connect_sessions).values(**broken)
    await stage.hub.db.write(lambda connection: connection.execute(change))

    async with httpx2.AsyncClient() as client:
        with structlog.testing.capture_logs() as logs:
            answer = await client.get(link)

    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert link.rpartition("/")[2] not in str(logs)


async def test_the_headers_of_a_page(stage: Stage) -> None:
    page = await (await stage.browser()).open(await stage.link(await stage.key()))

    assert page.headers["content-security-policy"].split("; ") == [
        "default-src 'none'",
        "style-src 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
    assert page.headers["referrer-policy"] == "same-origin"
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["x-frame-options"] == "DENY"


async def test_a_page_at_the_end_sends_no_forms(stage: Stage) -> None:
    page = await (await stage.browser()).open(f"{stage.url}/connect/tlc_nobody")

    assert "form-action 'none'" in page.headers["content-security-policy"]


async def test_the_stylesheet_may_be_kept_and_has_an_address_of_its_own(stage: Stage) -> None:
    browser = await stage.browser()
    page = await browser.open(await stage.link(await stage.key()))
    (sheet,) = [each.attributes["href"] for each in page.document.all("link")]

    answer = await browser.client.get(stage.url + sheet)

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert "immutable" in answer.headers["cache-control"]


@pytest.fixture
async def secure(tmp_path: Path) -> AsyncIterator[tuple[Hub, Browser]]:
    """A hub whose public address is https and has a path, and a browser that reaches it there."""
    settings = load_settings({}, data=str(tmp_path), public_url="https://connect.example/tieline")
    async with Hub.open(settings=settings) as hub:
        inner = Starlette(routes=routes(hub))
        outer = Starlette()
        outer.mount("/tieline", inner)
        transport = httpx2.ASGITransport(app=outer)
        async with httpx2.AsyncClient(transport=transport) as client:
            yield hub, Browser(client)


async def test_on_https_the_cookie_is_bound_to_the_host_and_kept(secure: tuple[Hub, Browser]) -> None:
    hub, browser = secure
    acme = hub.organization("acme")
    provider = await acme.providers.register(practice_key_document("https://provider.example"))
    link = (await acme.connect.start(provider=provider.id, end_user="ada", return_to=RETURN_TO)).url.reveal()

    first, second = await browser.client.get(link), await browser.client.get(link)
    cancelled = await browser.submit((await browser.open(link)).form("cancel"), until=RETURN_TO)

    name, _, rest = first.headers["set-cookie"].partition("=")
    assert name == "__Host-tieline_browser"
    assert {each.strip().lower() for each in rest.split(";")[1:]} == {"httponly", "path=/", "samesite=lax", "secure"}
    assert "set-cookie" not in second.headers
    assert cancelled.status == 303


async def test_a_cookie_that_is_none_of_ours_is_replaced(stage: Stage) -> None:
    link = await stage.link(await stage.key())

    async with httpx2.AsyncClient() as client:
        answer = await client.get(link, headers={"Cookie": "tieline_browser=chosen-by-somebody"})

    assert answer.headers["set-cookie"].startswith("tieline_browser=")


async def test_a_body_that_does_not_come_is_given_up(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tieline.ui.incoming.BODY_DEADLINE", 0.2)
    address = httpx2.URL(await stage.link(await stage.key()))
    reader, writer = await asyncio.open_connection(address.host, address.port)
    head = (
        f"POST {address.path} HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM['Content-Type']}\r\nContent-Length: 9\r\n\r\n"
    )

    writer.write(head.encode() + b"a")
    status = await asyncio.wait_for(reader.readline(), 5)
    writer.close()

    assert status.split()[1] == b"408"
