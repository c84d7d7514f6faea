import asyncio
import gzip
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tieline.errors import InvalidRequest, ProviderUnavailable, ProviderUnreadable
from tieline.protocols.http import HttpRequest

pytestmark = pytest.mark.anyio

PIECE = b"x" * 65536


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def whole(streamed) -> bytes:
    return b"".join([piece async for piece in streamed.chunks])


def resident() -> int:
    """Bytes of memory that this process holds right now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def read_chunked(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return body


async def test_a_body_passes_undecoded(egress, anywhere, serve) -> None:
    packed = gzip.compress(b"text")
    port = await serve(
        b"HTTP/1.1 206 Part\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed
    )

    async with egress.stream(HttpRequest("GET", f"http://127.0.0.1:{port}/"), to=anywhere) as streamed:
        body = await whole(streamed)

    assert (streamed.status, body) == (206, packed)
    assert ("Content-Encoding", "gzip") in streamed.headers


async def test_nothing_packed_is_asked_for_unless_the_caller_does(egress, anywhere, serve) -> None:
    arrived: list[bytes] = []

    async def handle(reader, writer) -> None:
        arrived.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No\r\n\r\n")

    port = await serve(handle)
    for headers in ((), (("accept-encoding", "br"),)):
        async with egress.stream(HttpRequest("GET", f"http://127.0.0.1:{port}/", headers), to=anywhere):
            pass

    assert b"Accept-Encoding: identity" in arrived[0]
    assert b"accept-encoding: br" in arrived[1]
    assert b"identity" not in arrived[1]


async def test_a_streamed_request_body_is_chunked(egress, anywhere, serve) -> None:
    arrived: list[bytes] = []

    async def handle(reader, writer) -> None:
        arrived.append(await reader.readuntil(b"\r\n\r\n"))
        arrived.append(await read_chunked(reader))
        writer.write(b"HTTP/1.1 204 No\r\n\r\n")

    port = await serve(handle)

    async with egress.stream(
        HttpRequest("POST", f"http://127.0.0.1:{port}/"), to=anywhere, body=pieces(b"one", b"", b"two")
    ):
        pass

    assert b"Transfer-Encoding: chunked" in arrived[0]
    assert b"Content-Length" not in arrived[0]
    assert arrived[1] == b"onetwo"


async def test_a_streamed_request_body_of_known_length_says_so(egress, anywhere, serve) -> None:
    arrived: list[bytes] = []

    async def handle(reader, writer) -> None:
        arrived.append(await reader.readuntil(b"\r\n\r\n"))
        arrived.append(await reader.readexactly(6))
        writer.write(b"HTTP/1.1 204 No\r\n\r\n")

    port = await serve(handle)
    request = HttpRequest("PUT", f"http://127.0.0.1:{port}/", (("content-length", "6"),))

    async with egress.stream(request, to=anywhere, body=pieces(b"one", b"two")):
        pass

    assert b"Content-Length: 6" in arrived[0]
    assert b"chunked" not in arrived[0]
    assert arrived[1] == b"onetwo"


@pytest.mark.parametrize("length", ["5", "7", "-6", "6, 6", "six", "٦"])
async def test_a_body_that_does_not_fill_its_length_is_the_callers_fault(egress, anywhere, serve, length: str) -> None:
    async def handle(reader, writer) -> None:
        await reader.read()

    port = await serve(handle)
    request = HttpRequest("PUT", f"http://127.0.0.1:{port}/", (("Content-Length", length),))

    with pytest.raises(InvalidRequest):
        async with egress.stream(request, to=anywhere, body=pieces(b"one", b"two"), deadline=2):
            pass


async def test_a_failure_of_the_callers_own_body_is_raised_as_it_is(egress, anywhere, serve) -> None:
    class WentAway(Exception):
        pass

    async def broken() -> AsyncIterator[bytes]:
        yield b"one"
        raise WentAway

    async def handle(reader, writer) -> None:
        await reader.read()

    port = await serve(handle)

    with pytest.raises(WentAway):
        async with egress.stream(HttpRequest("POST", f"http://127.0.0.1:{port}/"), to=anywhere, body=broken()):
            pass


async def test_a_body_that_fails_after_the_headers_ends_the_answer(egress, anywhere, serve) -> None:
    class WentAway(Exception):
        pass

    async def broken() -> AsyncIterator[bytes]:
        yield b"one"
        await asyncio.sleep(0.1)
        raise WentAway

    async def handle(reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n")
        await reader.read()

    port = await serve(handle)

    with pytest.raises(WentAway):
        async with egress.stream(
            HttpRequest("POST", f"http://127.0.0.1:{port}/"), to=anywhere, body=broken(), idle=2
        ) as streamed:
            await whole(streamed)


async def test_an_answer_before_the_body_is_sent_is_passed_on(egress, anywhere, serve) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"one"
        await asyncio.sleep(60)
        yield b"two"

    async def handle(reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Large\r\nContent-Length: 3\r\n\r\nbig")
        await writer.drain()

    port = await serve(handle)

    async with egress.stream(HttpRequest("POST", f"http://127.0.0.1:{port}/"), to=anywhere, body=slow()) as streamed:
        assert (streamed.status, await whole(streamed)) == (413, b"big")


async def test_a_slow_upload_may_outlast_the_deadline_while_it_makes_progress(egress, anywhere, serve) -> None:
    async def slow() -> AsyncIterator[bytes]:
        for _ in range(8):
            yield b"piece"
            await asyncio.sleep(0.1)

    async def handle(reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await read_chunked(reader)
        writer.write(b"HTTP/1.1 204 No\r\n\r\n")

    port = await serve(handle)
    request = HttpRequest("POST", f"http://127.0.0.1:{port}/")

    async with egress.stream(request, to=anywhere, body=slow(), deadline=0.4) as streamed:
        assert streamed.status == 204


async def test_an_upload_that_stands_still_ends_at_the_deadline(egress, anywhere, serve) -> None:
    async def stuck() -> AsyncIterator[bytes]:
        yield b"piece"
        await asyncio.sleep(60)

    async def handle(reader, writer) -> None:
        await reader.read()

    port = await serve(handle)

    with pytest.raises(ProviderUnavailable) as away:
        async with egress.stream(
            HttpRequest("POST", f"http://127.0.0.1:{port}/"), to=anywhere, body=stuck(), deadline=0.2
        ):
            pass

    assert away.value.facts["reason"] == "timeout"


async def test_an_answer_that_stands_still_ends_at_the_idle_deadline(egress, anywhere, serve) -> None:
    async def handle(reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        for _ in range(6):
            writer.write(b"piece")
            await asyncio.sleep(0.1)
        await reader.read()

    port = await serve(handle)
    request = HttpRequest("GET", f"http://127.0.0.1:{port}/")
    got: list[bytes] = []

    async def read() -> None:
        async with egress.stream(request, to=anywhere, deadline=0.3, idle=0.3) as streamed:
            async for piece in streamed.chunks:
                got.append(piece)

    with pytest.raises(ProviderUnavailable) as away:
        await read()

    assert b"".join(got) == b"piece" * 6
    assert away.value.facts["reason"] == "timeout"


@pytest.mark.parametrize(
    ("rest", "error"),
    [(b"5\r\nab", ProviderUnavailable), (b"zz\r\nab\r\n", ProviderUnreadable), (b"2\r\nabcd", ProviderUnreadable)],
)
async def test_an_answer_that_ends_wrongly_does_not_look_complete(egress, anywhere, serve, rest, error) -> None:
    async def handle(reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(rest)

    port = await serve(handle)

    with pytest.raises(error):
        async with egress.stream(HttpRequest("GET", f"http://127.0.0.1:{port}/"), to=anywhere) as streamed:
            await whole(streamed)


async def test_leaving_early_closes_the_connection(egress, anywhere, serve) -> None:
    closed = asyncio.Event()

    async def handle(reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + PIECE)
        await reader.read()
        closed.set()

    port = await serve(handle)

    async with egress.stream(HttpRequest("GET", f"http://127.0.0.1:{port}/"), to=anywhere) as streamed:
        async for _ in streamed.chunks:
            break

    await asyncio.wait_for(closed.wait(), 1)


async def test_a_connection_is_used_again_after_a_whole_answer(egress, anywhere, serve) -> None:
    connections = 0

    async def handle(reader, writer) -> None:
        nonlocal connections
        connections += 1
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    port = await serve(handle)
    for _ in range(3):
        async with egress.stream(HttpRequest("GET", f"http://127.0.0.1:{port}/"), to=anywhere) as streamed:
            await whole(streamed)

    assert connections == 1


async def test_a_slow_reader_slows_the_provider_down(egress, anywhere, serve) -> None:
    written = 0

    async def handle(reader, writer) -> None:
        nonlocal written
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while written < 200 << 20:
            writer.write(PIECE)
            await writer.drain()
            written += len(PIECE)

    port = await serve(handle)

    async with egress.stream(HttpRequest("GET", f"http://127.0.0.1:{port}/"), to=anywhere) as streamed:
        await anext(streamed.chunks)
        await asyncio.sleep(0.5)
        assert written < 20 << 20


async def test_streaming_50_mb_down_stays_under_20_mb_of_growth(egress, anywhere, serve) -> None:
    async def handle(reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (800 * len(PIECE)))
        for _ in range(800):
            writer.write(PIECE)
            await writer.drain()

    port = await serve(handle)
    before, most, got = resident(), 0, 0

    async with egress.stream(HttpRequest("GET", f"http://127.0.0.1:{port}/"), to=anywhere) as streamed:
        async for piece in streamed.chunks:
            got += len(piece)
            most = max(most, resident())

    assert got == 800 * len(PIECE)
    assert most - before < 20 << 20


async def test_streaming_50_mb_up_stays_under_20_mb_of_growth(egress, anywhere, serve) -> None:
    got = 0
    before, most = resident(), 0

    async def large() -> AsyncIterator[bytes]:
        nonlocal most
        for _ in range(800):
            yield PIECE
            most = max(most, resident())

    async def handle(reader, writer) -> None:
        nonlocal got
        await reader.readuntil(b"\r\n\r\n")
        while got < 800 * len(PIECE):
            got += len(await reader.read(65536))
        writer.write(b"HTTP/1.1 204 No\r\n\r\n")

    port = await serve(handle)
    request = HttpRequest("PUT", f"http://127.0.0.1:{port}/", (("Content-Length", str(800 * len(PIECE))),))

    async with egress.stream(request, to=anywhere, body=large()) as streamed:
        assert streamed.status == 204

    assert got == 800 * len(PIECE)
    assert most - before < 20 << 20
