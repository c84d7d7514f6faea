from collections.abc import AsyncIterator, Sequence
from ipaddress import ip_network

import pytest
from aiohttp import ClientSession, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult

from tieline.egress import AddressPolicy, Egress
from tieline.egress.calls import call
from tieline.egress.dial import Dial, current
from tieline.egress.failures import translated
from tieline.egress.sockets import DialRefused, checked_socket
from tieline.egress.target import read_target
from tieline.errors import AddressRefused, ProviderUnavailable
from tieline.protocols.http import HttpRequest

from .spellings import LITERALS

pytestmark = pytest.mark.anyio


class Names:
    """A name server whose answers are a script: one entry per question, the last one for good."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)

    async def __call__(self, host: str) -> Sequence[str]:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@pytest.fixture
async def fetch(anywhere) -> AsyncIterator:
    opened: list[Egress] = []

    async def make(url: str, names: Names, policy: AddressPolicy | None = None, *, method: str = "GET") -> object:
        egress = Egress(policy or AddressPolicy(), lookup=names, connect_timeout=1)
        opened.append(egress)
        return await egress.send(HttpRequest(method, url), to=anywhere, deadline=2)

    yield make
    for egress in opened:
        await egress.close()


@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("spelling", LITERALS)
async def test_each_spelling_of_a_forbidden_address_is_refused_without_a_socket(
    public_egress, anywhere, sockets, scheme: str, spelling: str
) -> None:
    request = HttpRequest("GET", f"{scheme}://{spelling}/latest/meta-data/")

    with sockets() as opened:
        with pytest.raises(AddressRefused):
            await public_egress.send(request, to=anywhere)
        with pytest.raises(AddressRefused):
            async with public_egress.stream(request, to=anywhere):
                pass

    assert opened == []


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "fe80::1%2"])
@pytest.mark.parametrize("scheme", ["https", "http"])
async def test_a_name_at_a_forbidden_address_is_like_one_that_does_not_exist(
    fetch, sockets, caplog, scheme: str, address: str
) -> None:
    with sockets() as opened, pytest.raises(ProviderUnavailable) as refused:
        await fetch(f"{scheme}://inner.example/", Names([address]))
    with pytest.raises(ProviderUnavailable) as unknown:
        await fetch(f"{scheme}://inner.example/", Names([]))

    assert opened == []
    assert (refused.value.detail, refused.value.facts) == (unknown.value.detail, unknown.value.facts)
    assert caplog.text.count("inner.example is not at a public address") == 1


async def test_of_a_name_with_both_kinds_only_permitted_addresses_are_dialled(fetch, serve) -> None:
    port = await serve(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    policy = AddressPolicy(networks=[ip_network("127.0.0.1/32")])

    answer = await fetch(f"http://mixed.example:{port}/", Names(["127.0.0.2", "::1", "127.0.0.1"]), policy)

    assert answer.body == b"ok"


async def test_a_name_that_is_bound_anew_to_a_forbidden_address_is_refused(anywhere, serve) -> None:
    port = await serve(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    egress = Egress(AddressPolicy(networks=[ip_network("127.0.0.1/32")]), lookup=names)
    request = HttpRequest("GET", f"http://rebound.example:{port}/")

    first = await egress.send(request, to=anywhere)
    with pytest.raises(ProviderUnavailable):
        await egress.send(request, to=anywhere)

    assert first.body == b"ok"
    await egress.close()


async def test_the_socket_refuses_what_a_wrong_resolver_let_pass(sockets) -> None:
    token = current.set(Dial(AddressPolicy(), "api.example", named=False, plain=False))

    with sockets() as opened, pytest.raises(DialRefused):
        checked_socket((2, 1, 6, "", ("10.0.0.1", 443)))

    assert opened == []
    current.reset(token)


async def test_a_socket_outside_a_call_is_refused() -> None:
    with pytest.raises(DialRefused):
        checked_socket((2, 1, 6, "", ("8.8.8.8", 443)))


class Lying(AbstractResolver):
    """What passed the check once, and is another address by now."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=text, port=port, family=10 if ":" in text else 2, proto=0, flags=0)
            for text in self._addresses
        ]

    async def close(self) -> None:
        pass


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["10.0.0.1", "192.168.0.1", "fd12::1"]])
async def test_a_refusal_by_the_socket_reaches_the_caller_as_one(addresses: list[str], sockets) -> None:
    target = read_target("https://rebound.example/")
    dial = Dial(AddressPolicy(), target.host, named=False, plain=False)

    connector = TCPConnector(resolver=Lying(addresses), socket_factory=checked_socket)
    async with ClientSession(connector=connector) as session:
        with sockets() as opened, pytest.raises(ProviderUnavailable) as refused, translated(dial):
            await call(session, "GET", target, (), None, dial)

    assert opened == []
    assert refused.value.facts["reason"] == "dns"


async def test_plain_http_to_a_public_address_is_refused(fetch, sockets) -> None:
    with sockets() as opened, pytest.raises(AddressRefused) as named:
        await fetch("http://api.example/", Names(["8.8.8.8"]))
    with pytest.raises(AddressRefused) as literal:
        await fetch("http://8.8.8.8/", Names([]))

    assert opened == []
    assert named.value.facts["reason"] == literal.value.facts["reason"] == "plain"


async def test_a_listed_host_is_called_wherever_it_is(fetch, serve) -> None:
    port = await serve(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    answer = await fetch(f"http://inner.example:{port}/", Names(["127.0.0.1"]), AddressPolicy(hosts=["inner.example"]))

    assert answer.body == b"ok"


async def test_what_a_listed_host_may_another_host_at_the_same_address_may_not(anywhere, serve) -> None:
    port = await serve(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    egress = Egress(AddressPolicy(hosts=["inner.example"]), lookup=Names(["127.0.0.1"]))

    await egress.send(HttpRequest("GET", f"http://inner.example:{port}/"), to=anywhere)
    for url in (f"http://other.example:{port}/", f"http://127.0.0.1:{port}/"):
        with pytest.raises((AddressRefused, ProviderUnavailable)):
            await egress.send(HttpRequest("GET", url), to=anywhere)

    await egress.close()


async def test_a_host_outside_the_reach_is_refused_without_a_socket(egress, sockets) -> None:
    class OnlyAcme:
        def allows(self, url: str) -> bool:
            return url.startswith("https://api.acme.example/")

    urls = ["https://evil.example/", "https://API.acme.example:444/", "https://api.acme.example.evil.example/"]
    with sockets() as opened:
        for url in urls:
            with pytest.raises(AddressRefused) as refused:
                await egress.send(HttpRequest("GET", url), to=OnlyAcme())
            assert refused.value.facts["reason"] == "origin"

    assert opened == []


async def test_a_name_that_does_not_exist_is_the_provider_being_away(fetch) -> None:
    with pytest.raises(ProviderUnavailable) as away:
        await fetch("https://nowhere.example/", Names([]))

    assert away.value.facts == {"reason": "dns", "host": "nowhere.example", "sent": False}


async def test_a_proxy_in_the_environment_is_ignored(egress, anywhere, serve, monkeypatch) -> None:
    port = await serve(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    proxy = await serve(b"HTTP/1.1 502 Proxy\r\nContent-Length: 0\r\n\r\n")
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy}")

    answer = await egress.send(HttpRequest("GET", f"http://127.0.0.1:{port}/"), to=anywhere)

    assert answer.status == 200
