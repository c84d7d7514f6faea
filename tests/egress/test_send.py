import asyncio
import gzip
import logging
import traceback
import zlib

import pytest

from tieline.egress import AddressPolicy, Egress
from tieline.errors import InvalidRequest, ProviderUnavailable, ProviderUnreadable
from tieline.protocols.http import HttpRequest

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def answer(body: bytes, *headers: bytes) -> bytes:
    lines = (b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *headers)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            head += await reader.readexactly(int(line.split(b":")[1]))
    return head


async def test_a_request_arrives_exactly_as_it_was_built(egress, anywhere, serve) -> None:
    arrived: list[bytes] = []

    async def handle(reader, writer) -> None:
        arrived.append(await read_request(reader))
        writer.write(OK)

    port = await serve(handle)
    headers = (("X-Two", "1"), ("x-two", "2"), ("Authorization", "Bearer a"), ("Cookie", "a=b;c"), ("User-Agent", "me"))
    request = HttpRequest("POST", f"http://127.0.0.1:{port}/a%2Fb/../c?x=%20&y=+", headers, b"body")

    await egress.send(request, to=anywhere)

    head, _, body = arrived[0].partition(b"\r\n\r\n")
    first, host, *lines = head.split(b"\r\n")
    assert first == b"POST /a%2Fb/../c?x=%20&y=+ HTTP/1.1"
    assert host == b"Host: 127.0.0.1:%d" % port
    assert [line for line in lines if line != b"Connection: close"] == [
        b"X-Two: 1",
        b"X-Two: 2",
        b"Authorization: Bearer a",
        b"Cookie: a=b;c",
        b"User-Agent: me",
        b"Accept-Encoding: gzip, deflate",
        b"Content-Length: 4",
    ]
    assert body == b"body"


async def test_headers_of_the_connection_are_never_the_callers(egress, anywhere, serve) -> None:
    arrived: list[bytes] = []

    async def handle(reader, writer) -> None:
        arrived.append(await read_request(reader))
        writer.write(OK)

    port = await serve(handle)
    names = (
        "Host",
        "Expect",
        "Transfer-Encoding",
        "Content-Length",
        "Connection",
        "Upgrade",
        "TE",
        "Proxy-Authorization",
    )

    await egress.send(
        HttpRequest("GET", f"http://127.0.0.1:{port}/", tuple((name, "1") for name in names)), to=anywhere
    )

    assert arrived[0].split(b"\r\n")[1:-2] == [
        b"Host: 127.0.0.1:%d" % port,
        b"User-Agent: tieline/0.1.0",
        b"Accept-Encoding: gzip, deflate",
    ]


@pytest.mark.parametrize(
    "pair",
    [
        ("X-A", "a\r\nX-Evil: 1"),
        ("X-A", "a\nb"),
        ("X-A", "a\rb"),
        ("X-A", "a\0b"),
        ("X-A\r\nX-Evil", "1"),
        ("X A", "1"),
        ("X-A:", "1"),
        ("", "1"),
    ],
)
async def test_a_header_that_would_end_its_line_is_refused(egress, anywhere, sockets, pair: tuple[str, str]) -> None:
    with sockets() as opened, pytest.raises(InvalidRequest) as refused:
        await egress.send(HttpRequest("GET", "http://127.0.0.1:9/", (pair,)), to=anywhere)

    assert opened == []
    assert "Evil" not in refused.value.detail


@pytest.mark.parametrize("method", ["CONNECT", "trace", "GET /x HTTP/1.1\r\nA: b\r\n\r\nGET", "", "GÉT"])
async def test_methods_that_make_tunnels_or_break_lines_are_refused(egress, anywhere, method: str) -> None:
    with pytest.raises(InvalidRequest):
        await egress.send(HttpRequest(method, "http://127.0.0.1:9/"), to=anywhere)


async def test_a_redirect_is_an_answer_and_not_followed(egress, anywhere, serve) -> None:
    followed: list[str] = []

    async def trap(reader, writer) -> None:
        followed.append("here")

    trap_port = await serve(trap)
    for location in (f"http://127.0.0.1:{trap_port}/", "http://169.254.169.254/latest/meta-data/"):
        port = await serve(b"HTTP/1.1 307 Go\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % location.encode())

        response = await egress.send(HttpRequest("GET", f"http://127.0.0.1:{port}/"), to=anywhere)

        assert (response.status, response.header("location")) == (307, location)
    assert followed == []


async def test_cookies_are_not_kept(anywhere, serve) -> None:
    arrived: list[bytes] = []

    async def handle(reader, writer) -> None:
        arrived.append(await read_request(reader))
        writer.write(answer(b"", b"Set-Cookie: a=b"))

    async def names(host: str) -> list[str]:
        return ["127.0.0.1"]

    port = await serve(handle)
    egress = Egress(AddressPolicy(hosts=["api.example"]), lookup=names)
    for _ in range(2):
        response = await egress.send(HttpRequest("GET", f"http://api.example:{port}/"), to=anywhere)

    assert response.header("set-cookie") == "a=b"
    assert b"ookie" not in arrived[1]
    await egress.close()


@pytest.mark.parametrize(
    ("packed", "encoding"),
    [(gzip.compress(b"text", mtime=0), b"gzip"), (zlib.compress(b"text"), b"deflate"), (b"text", b"identity")],
)
async def test_a_packed_answer_is_unpacked_and_no_longer_says_so(egress, anywhere, serve, packed, encoding) -> None:
    port = await serve(answer(packed, b"Content-Encoding: " + encoding, b"X-Rate: 1"))

    response = await egress.send(HttpRequest("GET", f"http://127.0.0.1:{port}/"), to=anywhere)

    assert response.body == b"text"
    assert response.headers == (("X-Rate", "1"),)


@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_an_answer_without_a_body_may_say_that_it_is_packed(egress, anywhere, serve, method: str) -> None:
    status = b"200 OK" if method == "HEAD" else b"304 Not Modified"
    port = await serve(b"HTTP/1.1 %s\r\nContent-Encoding: gzip\r\nContent-Length: 9999999\r\n\r\n" % status)

    response = await egress.send(HttpRequest(method, f"http://127.0.0.1:{port}/"), to=anywhere, deadline=2)

    assert response.body == b""


async def test_an_endless_answer_is_given_up_at_the_limit(egress, anywhere, serve) -> None:
    written = 0

    async def handle(reader, writer) -> None:
        nonlocal written
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while written < 1 << 28:
            writer.write(b"x" * 65536)
            await writer.drain()
            written += 65536

    port = await serve(handle)

    with pytest.raises(ProviderUnreadable) as unreadable:
        await egress.send(HttpRequest("GET", f"http://127.0.0.1:{port}/"), to=anywhere, limit=100_000)

    assert unreadable.value.facts == {"reason": "size", "limit": 100_000}
    await asyncio.sleep(0.05)
    assert written < 20 << 20


async def test_a_gzip_bomb_is_stopped(egress, anywhere, serve) -> None:
    port = await serve(answer(gzip.compress(bytes(1 << 26)), b"Content-Encoding: gzip"))

    with pytest.raises(ProviderUnreadable) as by_size:
        await egress.send(HttpRequest("GET", f"http://127.0.0.1:{port}/"), to=anywhere)
    with pytest.raises(ProviderUnreadable) as by_ratio:
        await egress.send(HttpRequest("GET", f"http://127.0.0.1:{port}/"), to=anywhere, limit=1 << 30)

    assert by_size.value.facts["reason"] in ("size", "ratio")
    assert by_ratio.value.facts["reason"] == "ratio"


FRAMES = {
    "not http": b"hello\r\n\r\n",
    "length and chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc",
    "length with a space": b"HTTP/1.1 200 OK\r\nContent-Length : 3\r\n\r\nabc",
    "unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\nabc",
    "stacked coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "bad chunk size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n",
    "chunk longer than said": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdefg\r\n0\r\n\r\n",
    "endless header": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    "switching protocols": b"HTTP/1.1 101 Switch\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nabc",
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES.keys())
async def test_bad_framing_is_unreadable(egress, anywhere, serve, frame: bytes) -> None:
    port = await serve(frame)

    with pytest.raises(ProviderUnreadable) as unreadable:
        await egress.send(HttpRequest("GET", f"http://127.0.0.1:{port}/"), to=anywhere, deadline=3)

    assert unreadable.value.facts["reason"] == "framing"


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
)
async def test_a_connection_that_breaks_off_is_a_reset(egress, anywhere, serve, frame: bytes) -> None:
    port = await serve(frame)

    with pytest.raises(ProviderUnavailable) as away:
        await egress.send(HttpRequest("POST", f"http://127.0.0.1:{port}/"), to=anywhere, deadline=3)

    assert away.value.facts == {"reason": "reset", "host": "127.0.0.1", "sent": True}


@pytest.mark.parametrize(
    "first", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", b"HTTP/1.1 100 C\r\n\r\n"]
)
async def test_a_server_that_goes_silent_ends_at_the_deadline(egress, anywhere, serve, first: bytes) -> None:
    async def handle(reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(first)
        await reader.read()

    port = await serve(handle)
    began = asyncio.get_running_loop().time()

    with pytest.raises(ProviderUnavailable) as away:
        await egress.send(HttpRequest("GET", f"http://127.0.0.1:{port}/"), to=anywhere, deadline=0.2)

    assert away.value.facts == {"reason": "timeout", "host": "127.0.0.1", "sent": True}
    assert asyncio.get_running_loop().time() - began < 1


async def test_a_port_where_nobody_listens_is_no_connection(egress, anywhere) -> None:
    with pytest.raises(ProviderUnavailable) as away:
        await egress.send(HttpRequest("POST", "http://127.0.0.1:1/"), to=anywhere)

    assert away.value.facts == {"reason": "connect", "host": "127.0.0.1", "sent": False}


async def test_a_slow_name_server_ends_at_the_deadline(anywhere) -> None:
    async def never(host: str) -> list[str]:
        await asyncio.sleep(60)
        return []

    egress = Egress(AddressPolicy(), lookup=never)

    with pytest.raises(ProviderUnavailable) as away:
        await egress.send(HttpRequest("POST", "https://api.example/"), to=anywhere, deadline=0.1)

    assert away.value.facts == {"reason": "timeout", "host": "api.example", "sent": False}
    await egress.close()


async def test_no_error_shows_what_was_sent(egress, anywhere, serve, caplog) -> None:
    port = await serve(b"hello\r\n\r\n")
    secret = "c4n4ry"
    request = HttpRequest(
        "POST", f"http://127.0.0.1:{port}/{secret}?key={secret}", (("Authorization", secret),), secret.encode()
    )
    caplog.set_level(logging.DEBUG)

    with pytest.raises(ProviderUnreadable) as unreadable:
        await egress.send(request, to=anywhere)

    assert secret not in "".join(traceback.format_exception(unreadable.value))
    assert secret not in caplog.text
    assert f"'port': {port}" in caplog.text


async def test_what_may_not_be_repeated_gets_a_connection_of_its_own(egress, anywhere, serve) -> None:
    connections = 0

    async def handle(reader, writer) -> None:
        nonlocal connections
        connections += 1
        while await read_request(reader):
            writer.write(OK)

    port = await serve(handle)
    for method in ("GET", "GET", "GET"):
        await egress.send(HttpRequest(method, f"http://127.0.0.1:{port}/"), to=anywhere)
    assert connections == 1

    for _ in range(2):
        await egress.send(HttpRequest("POST", f"http://127.0.0.1:{port}/"), to=anywhere)
    assert connections == 3


async def test_a_post_is_never_sent_twice(egress, anywhere, serve) -> None:
    posts = 0

    async def handle(reader, writer) -> None:
        nonlocal posts
        await read_request(reader)
        posts += 1

    port = await serve(handle)

    with pytest.raises(ProviderUnavailable):
        await egress.send(
            HttpRequest("POST", f"http://127.0.0.1:{port}/", (), b"grant_type=refresh_token"), to=anywhere
        )

    assert posts == 1


async def test_many_calls_at_once_do_not_mix(egress, anywhere, serve) -> None:
    async def handle(reader, writer) -> None:
        while line := (await read_request(reader)).split(b" ")[1]:
            await asyncio.sleep(0.01)
            writer.write(answer(line))

    port = await serve(handle)

    responses = await asyncio.gather(
        *(egress.send(HttpRequest("GET", f"http://127.0.0.1:{port}/{n}"), to=anywhere) for n in range(150))
    )

    assert [response.body for response in responses] == [b"/%d" % n for n in range(150)]


async def test_header_values_come_back_byte_for_byte(egress, anywhere, serve) -> None:
    port = await serve(answer(b"", b"X-Name: \xe9\xff", b"Link: <a>", b"Link: <b>"))

    response = await egress.send(HttpRequest("GET", f"http://127.0.0.1:{port}/"), to=anywhere)

    assert response.header("x-name") == "\xe9\xff"
    assert [value for name, value in response.headers if name == "Link"] == ["<a>", "<b>"]
