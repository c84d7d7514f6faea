"""Follow the canary: whatever a provider answers and whatever a caller asks for, no credential goes elsewhere."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest

from tieline.client import AsyncClient
from tieline.errors import TielineError
from tieline.testing import practice_document, serve

from .recorder import Recorder
from .scene import Scene

pytestmark = pytest.mark.anyio
REDIRECTS = [301, 302, 303, 307, 308]


@dataclass
class Turned:
    """The practice provider behind a door that answers some paths in its place: status, location and body."""

    practice: Any
    answers: dict[str, tuple[int, str, object]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """Of the paths that it answers."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        answer = self.answers.get(scope["path"]) if scope["type"] == "http" else None
        if answer is None:
            await self.practice(scope, receive, send)
            return
        self.asked.append(scope["path"])
        status, location, body = answer
        headers = [(b"content-type", b"application/json")]
        headers += [(b"location", location.encode()), (b"link", f'<{location}>; rel="next"'.encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})


@dataclass
class Trap:
    scene: Scene
    door: Turned
    recorder: Recorder
    connection: str
    key: str

    @property
    def heard(self) -> list[str]:
        """In which encodings the recorder was sent a secret; our own key is one as well."""
        practice = self.scene.practice
        tokens = [*practice.ledger.access_tokens, *practice.ledger.refresh_tokens]
        return self.recorder.found([practice.client_secret, self.key, *tokens])

    def turn(self, path: str, status: int, body: object = None) -> None:
        """From now on the provider sends everybody elsewhere who asks for this path."""
        self.door.answers[path] = (status, f"{self.recorder.url}{path}", body or {})


@pytest.fixture
async def trap(scene: Scene) -> AsyncIterator[Trap]:
    door = Turned(scene.practice.app)
    async with Recorder() as recorder, serve(door) as url:
        await scene.acme.providers.register(practice_document(url))
        client = {"client_id": scene.practice.client_id, "client_secret": scene.practice.client_secret}
        await scene.acme.integrations.put("practice", **client)
        granted = scene.practice.issue_tokens()
        tokens = {"accessToken": granted["access_token"], "refreshToken": granted["refresh_token"]}
        made = await scene.acme.connections.create(provider="practice", end_user="ada", credentials=tokens)
        scene.practice.switches.revoke_fails = True
        key = (await scene.hub.api_keys.create(await scene.hub.organization("acme").actor(), name="any")).key
        yield Trap(scene, door, recorder, made.id, key.reveal())


@pytest.fixture(params=["process", "http"])
async def nouns(trap: Trap, request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """Of the organization: in process, or by the client over HTTP."""
    if request.param == "process":
        yield trap.scene.hub.organization("acme")
        return
    async with httpx2.AsyncHTTPTransport(verify=False) as transport:
        yield AsyncClient(trap.scene.url, trap.key, transport=transport)


@pytest.mark.parametrize("code", REDIRECTS)
async def test_no_redirect_of_a_call_is_followed_elsewhere(trap: Trap, nouns: Any, code: int):
    trap.turn("/v1/me", code)

    async with nouns.http(trap.connection) as http:
        answer = await http.request("POST" if code in (307, 308) else "GET", "/me")
        with pytest.raises(TielineError) as caught:
            await http.get("/me", follow_redirects=True)

    assert answer.status_code == code
    assert caught.value.code == "path-refused"
    assert trap.recorder.heard == b""


@pytest.mark.parametrize("code", REDIRECTS)
async def test_no_redirect_of_our_own_calls_is_followed(trap: Trap, code: int):
    """The check, the refresh, and the revocation of a deletion."""
    connections, asked = trap.scene.acme.connections, []
    attempts = {"/v1/me": connections.check, "/token": connections.refresh, "/revoke": connections.delete}

    for path, attempt in attempts.items():
        trap.turn(path, code)
        with suppress(TielineError):
            await attempt(trap.connection)
        asked.append(path in trap.door.asked)

    assert asked == [True, True, True]
    assert trap.recorder.heard == b""


async def test_no_next_link_leads_elsewhere(trap: Trap, nouns: Any):
    trap.turn("/v1/items", 200, {"next": f"{trap.recorder.url}/v1/items?page=2"})

    async with nouns.http(trap.connection) as http:
        page = await http.get("/items")
        for link in (page.json()["next"], page.links["next"]["url"]):
            with pytest.raises(TielineError) as caught:
                await http.get(link)
            assert caught.value.code == "path-refused"

    assert trap.recorder.heard == b""


async def test_a_metadata_document_that_was_swapped_leads_nowhere(trap: Trap):
    issuer = trap.scene.practice_url
    document = practice_document(issuer, id="issued", oauth2={"issuer": issuer})
    await trap.scene.acme.providers.register(document)
    swapped = dict.fromkeys(("token_endpoint", "revocation_endpoint"), f"{trap.recorder.url}/token")
    for name in ("oauth-authorization-server", "openid-configuration"):
        trap.door.answers[f"/.well-known/{name}"] = (200, "", {"issuer": issuer, **swapped})
    connections = trap.scene.acme.connections

    await connections.refresh(trap.connection)
    await connections.delete(trap.connection)

    assert trap.recorder.heard == b""


PATHS = [
    "//{host}/v1/me",
    "///{host}/v1/me",
    "/%2F{host}/v1/me",
    "/%2f%2f{host}/v1/me",
    "/%252f%252f{host}/v1/me",
    "/\\{host}/v1/me",
    "/%5c{host}/v1/me",
    "/http://{host}/v1/me",
    "/http:%2f%2f{host}/v1/me",
    "/..//{host}/v1/me",
    "/../../{host}/v1/me",
    "/%2e%2e/%2e%2e//{host}/v1/me",
    "/%252e%252e%252f%252e%252e%252f{host}/v1/me",
    "/..;/..;//{host}/v1/me",
    "/@{host}/v1/me",
    "/:80@{host}/v1/me",
    "/me%0d%0aHost:%20{host}",
    "/me%00@{host}",
    "/me?next=http://{host}/v1/me",
    "/me#@{host}",
]


async def test_no_path_leads_elsewhere(trap: Trap):
    host = trap.recorder.url.removeprefix("http://")

    for path in PATHS:
        await _raw(trap, f"GET /v1/connections/{trap.connection}/proxy{path.format(host=host)} HTTP/1.1")
        async with trap.scene.hub.organization("acme").http(trap.connection) as http:
            with suppress(TielineError, httpx2.InvalidURL):
                await http.get(path.format(host=host))

    assert trap.recorder.heard == b""


ADDRESSES = ["{url}/v1/me", "{base}@{host}/v1/me", "{base}.{host}/", "//{host}/v1/me", "{host}/x", "{base}#@{host}/"]


async def test_no_whole_address_leads_elsewhere(trap: Trap):
    host = trap.recorder.url.removeprefix("http://")
    named = [each.format(url=trap.recorder.url, base=trap.scene.practice_url, host=host) for each in ADDRESSES]

    answers = [await _raw(trap, f"GET {_proxy(trap)} HTTP/1.1", f"Tieline-Url: {each}") for each in named]

    assert all(b"path-refused" in answer for answer in answers)
    assert trap.recorder.heard == b""


HEADERS = [
    "Forwarded: host={host};proto=http",
    "X-Forwarded-Host: {host}",
    "X-Forwarded-Server: {host}",
    "X-Forwarded-Proto: http\r\nX-Forwarded-Port: 1",
    "X-Original-URL: {url}/v1/me",
    "X-Rewrite-URL: {url}/v1/me",
    "X-Host: {host}",
    "Tieline-Server: {url}",
    "Location: {url}/v1/me",
    "Proxy: {url}",
]


async def test_no_header_leads_elsewhere(trap: Trap):
    host, url = trap.recorder.url.removeprefix("http://"), trap.recorder.url

    for header in HEADERS:
        await _raw(trap, f"GET {_proxy(trap)} HTTP/1.1", header.format(host=host, url=url))
    answers = [
        await _raw(trap, f"GET {_proxy(trap)} HTTP/1.1", host=host),
        await _raw(trap, f"GET {url}{_proxy(trap)} HTTP/1.1", host=host),
        await _raw(trap, f"CONNECT {host} HTTP/1.1", host=host),
    ]

    assert trap.recorder.heard == b""
    assert b"person-1" in answers[0]


async def test_what_is_kept_from_elsewhere_arrives_where_it_belongs(trap: Trap):
    """The other side of all of these: with the recorder as its provider, a key is heard."""
    document = practice_document(trap.recorder.url, id="theirs", check=None)
    await trap.scene.acme.providers.register(document)
    tokens = {"accessToken": trap.scene.practice.issue_tokens()["access_token"]}
    made = await trap.scene.acme.connections.create(
        provider="theirs", end_user="mallory", credentials=tokens, check=False
    )

    await _raw(trap, f"GET /v1/connections/{made.id}/proxy/me HTTP/1.1")

    assert "raw" in trap.heard


def _proxy(trap: Trap) -> str:
    return f"/v1/connections/{trap.connection}/proxy/me"


async def _raw(trap: Trap, line: str, *headers: str, host: str = "tieline") -> bytes:
    """The whole answer to a request as it is written here."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(trap.scene.url.rpartition(":")[2]))
    sent = [line, f"Host: {host}", f"Authorization: Bearer {trap.key}", *headers, "Connection: close", "", ""]
    writer.write("\r\n".join(sent).encode())
    answer = await reader.read()
    writer.close()
    return answer
