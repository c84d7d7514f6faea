"""The whole product asked to call what nobody may call: whoever names the address, no socket is opened."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from tieline import Hub
from tieline.egress import AddressPolicy, Egress
from tieline.errors import PathRefused, ProviderUnavailable, TielineError
from tieline.settings import load_settings
from tieline.testing import practice_document, practice_key_document

from .spellings import LITERALS, NAMES

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)]
INNER = ("127.0.0.1", "::1", "169.254.169.254")
SOME_AND_ALL = pytest.mark.parametrize("step", [9, pytest.param(1, marks=pytest.mark.slow)])
REDIRECTS = (301, 302, 303, 307, 308)


class Recording:
    """Every name but those of `known` is at an inner address."""

    def __init__(self, **known: Sequence[str]) -> None:
        self.known = {name.replace("_", "."): addresses for name, addresses in known.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        return self.known.get(host, INNER)


@pytest.fixture
async def victim() -> AsyncIterator[list[Any]]:
    """Who was connected to on a port of this machine; the port is the first member."""
    connected: list[Any] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.append(writer.get_extra_info("peername"))
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    connected.append(server.sockets[0].getsockname()[1])
    yield connected
    server.close()


@asynccontextmanager
async def opened(database_url: str, egress: Egress, tmp_path) -> AsyncIterator[Any]:
    settings = load_settings({}, database_url=database_url, data=str(tmp_path))
    async with Hub.open(settings=settings, egress=egress) as hub:
        yield hub.organization("acme")


def spelled(port: int, step: int = 1) -> list[str]:
    """Authorities; a port behind whatever may have one. `step`: only each so manieth."""
    return [host if host.endswith(":80") else f"{host}:{port}" for host in [*LITERALS, *NAMES][::step]]


async def typed_provider(acme: Any) -> str:
    """One whose base URL is what the user types."""
    document = practice_key_document("https://api.example", api={"baseUrl": "{{ where }}/v1"})
    return (await acme.providers.register(document | {"inputs": {"where": {"type": "url", "from": "user"}}})).id


async def refused(doing: Any) -> bool:
    """With an error of Tieline's own, which is no accident."""
    try:
        await doing
    except TielineError as error:
        return error.status < 500 or error.code == "provider-unavailable"
    return False


@SOME_AND_ALL
@pytest.mark.parametrize("scheme", ["https", "http"])
async def test_no_base_url_reaches_an_inner_address(database_url, tmp_path, sockets, victim, scheme, step):
    async def called(authority: str, number: int) -> None:
        document = practice_key_document(f"{scheme}://{authority}", id=f"p{number}")
        provider = await acme.providers.register(document)
        made = await acme.connections.create(
            provider=provider.id, end_user="ada", inputs={"apiKey": "canary"}, check=False
        )
        async with acme.http(made.id) as http:
            await http.post("/me")

    async with opened(database_url, Egress(AddressPolicy(), lookup=Recording()), tmp_path) as acme:
        with sockets() as noted:
            reached = [
                each for number, each in enumerate(spelled(victim[0], step)) if not await refused(called(each, number))
            ]

    assert (reached, noted, victim[1:]) == ([], [], [])


async def test_no_address_that_a_user_types_is_an_inner_one(database_url, tmp_path, sockets, victim):
    async def called(authority: str) -> None:
        given = {"apiKey": "canary", "where": f"https://{authority}/"}
        made = await acme.connections.create(provider=provider, end_user=authority, inputs=given, check=False)
        async with acme.http(made.id) as http:
            await http.post("/me")

    async with opened(database_url, Egress(AddressPolicy(), lookup=Recording()), tmp_path) as acme:
        provider = await typed_provider(acme)
        with sockets() as noted:
            reached = [each for each in spelled(victim[0]) if not await refused(called(each))]

    assert (reached, noted, victim[1:]) == ([], [], [])


@SOME_AND_ALL
async def test_no_token_url_reaches_an_inner_address(database_url, tmp_path, sockets, victim, step):
    async def refreshed(authority: str, number: int) -> None:
        changes = {"tokenUrl": f"https://{authority}/token"}
        document = practice_document("https://api.acme.example", id=f"p{number}", oauth2=changes)
        provider = await acme.providers.register(document)
        await acme.integrations.put(provider.id, client_id="c", client_secret="canary")
        over = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
        tokens = {"accessToken": "canary", "refreshToken": "canary", "expiresAt": over, "scopes": "profile items"}
        made = await acme.connections.create(provider=provider.id, end_user="ada", credentials=tokens, check=False)
        await acme.connections.refresh(made.id)

    async with opened(database_url, Egress(AddressPolicy(), lookup=Recording()), tmp_path) as acme:
        with sockets() as noted:
            reached = [
                each
                for number, each in enumerate(spelled(victim[0], step))
                if not await refused(refreshed(each, number))
            ]

    assert (reached, noted, victim[1:]) == ([], [], [])


@pytest.mark.parametrize("location", ["header", "query"])
async def test_no_redirect_takes_a_key_along(database_url, tmp_path, serve, victim, location):
    """Every address of this machine is open to the operator's own provider, so that only we are left to refuse."""
    targets = [f"{scheme}://{each}/" for scheme in ("http", "https") for each in spelled(victim[0], 5)]
    sent: list[bytes] = []

    async def redirecting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            where = targets[len(sent) % len(targets)].encode("ascii", "replace")
            status = REDIRECTS[len(sent) % len(REDIRECTS)]
            sent.append(head)
            writer.write(b"HTTP/1.1 %d Go\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % (status, where))

    names = Recording()
    egress = Egress(AddressPolicy([ip_network("127.0.0.0/8"), ip_network("::1/128")]), lookup=names)
    async with opened(database_url, egress, tmp_path) as acme:
        document = practice_key_document(f"http://127.0.0.1:{await serve(redirecting)}", location=location)
        provider = await acme.providers.register(document)
        made = await acme.connections.create(
            provider=provider.id, end_user="ada", inputs={"apiKey": "canary"}, check=False
        )
        async with acme.http(made.id) as http:
            answers = [await http.get("/me") for _ in targets]

    assert {answer.status_code for answer in answers} == set(REDIRECTS)
    assert len(sent) == len(targets)
    assert all(b"canary" in head for head in sent)
    assert (names.asked, victim[1:]) == ([], [])


@pytest.mark.parametrize("status", REDIRECTS)
@pytest.mark.parametrize("location", ["header", "query"])
async def test_a_caller_that_follows_stays_inside_the_origin(database_url, tmp_path, serve, victim, location, status):
    """The caller's own client follows here: every hop goes through the proxy, and is confined anew."""
    sent: list[bytes] = []

    async def redirecting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            sent.append(head)
            if b"/there" in head:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                continue
            to = f"http://127.0.0.1:{port}/v1/there" if b"/inside" in head else f"http://127.0.0.1:{victim[0]}/there"
            where = to.encode()
            writer.write(b"HTTP/1.1 %d Go\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % (status, where))

    port = await serve(redirecting)
    async with opened(database_url, Egress(AddressPolicy([ip_network("127.0.0.0/8")])), tmp_path) as acme:
        provider = await acme.providers.register(practice_key_document(f"http://127.0.0.1:{port}", location=location))
        made = await acme.connections.create(
            provider=provider.id, end_user="ada", inputs={"apiKey": "canary"}, check=False
        )
        async with acme.http(made.id) as http:
            http.follow_redirects = True
            inside = await http.get("/inside")
            with pytest.raises(PathRefused):
                await http.get("/outside")

    assert inside.text == "ok"
    assert [b"canary" in head for head in sent] == [True, True, True]
    assert victim[1:] == []


async def test_a_name_that_moves_inside_between_two_calls_is_not_followed_there(database_url, tmp_path, serve, victim):
    """DNS rebinding: the first answer is where the provider is, the later ones are mixed, or inside only."""
    sent: list[bytes] = []

    async def provider_(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

    port = await serve(provider_)
    inner = await asyncio.start_server(lambda _, writer: victim.append(writer.close()), "127.0.0.2", port)
    names = Recording(api_acme_example=["127.0.0.1"])
    egress = Egress(AddressPolicy([ip_network("127.0.0.1/32")]), lookup=names)
    async with opened(database_url, egress, tmp_path) as acme:
        provider = await typed_provider(acme)
        given = {"apiKey": "canary", "where": f"http://api.acme.example:{port}"}
        made = await acme.connections.create(provider=provider, end_user="ada", inputs=given, check=False)
        async with acme.http(made.id) as http:
            await http.post("/first")
            names.known["api.acme.example"] = ["127.0.0.2", "127.0.0.1", "::1"]
            await http.post("/mixed")
            names.known["api.acme.example"] = ["127.0.0.2"]
            with pytest.raises(ProviderUnavailable):
                await http.post("/moved")
    inner.close()

    assert [head.split(b" ")[1] for head in sent] == [b"/v1/first", b"/v1/mixed"]
    assert victim[1:] == []
    assert len(names.asked) == 3
