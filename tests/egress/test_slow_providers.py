"""Providers that give a byte now and then: a whole answer has one deadline, whatever comes meanwhile."""

import asyncio
import resource

import pytest

from tieline.errors import ProviderUnavailable, TielineError
from tieline.protocols.http import HttpRequest

pytestmark = pytest.mark.anyio

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
DRIPS = {
    "status line": (b"HTTP/1.1 200 ", b"O"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"),
    "early answers": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
    "body": (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x"),
    "body without a length": (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
    "chunks": (CHUNKED, b"1\r\nx\r\n"),
    "an extension": (CHUNKED + b"1;a=", b"x"),
    "trailers": (CHUNKED + b"1\r\nx\r\n0\r\n", b"X-A: b\r\n"),
}


def dripping(start: bytes, more: bytes, *, pause: float):
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(start)
        while True:
            writer.write(more)
            await writer.drain()
            await asyncio.sleep(pause)

    return handle


@pytest.mark.parametrize(("start", "more"), DRIPS.values(), ids=DRIPS.keys())
async def test_an_answer_that_drips_ends_at_the_deadline(egress, anywhere, serve, start, more) -> None:
    port = await serve(dripping(start, more, pause=0.03))
    began = asyncio.get_running_loop().time()

    with pytest.raises(ProviderUnavailable) as away:
        await egress.send(HttpRequest("POST", f"http://127.0.0.1:{port}/token"), to=anywhere, deadline=0.3)

    assert away.value.facts["reason"] == "timeout"
    assert asyncio.get_running_loop().time() - began < 1


@pytest.mark.parametrize("name", ["status line", "headers", "early answers"])
async def test_the_headers_of_a_streamed_answer_have_a_deadline_too(egress, anywhere, serve, name) -> None:
    port = await serve(dripping(*DRIPS[name], pause=0.03))

    with pytest.raises(ProviderUnavailable) as away:
        async with egress.stream(HttpRequest("GET", f"http://127.0.0.1:{port}/"), to=anywhere, deadline=0.3):
            pass

    assert away.value.facts["reason"] == "timeout"


@pytest.mark.parametrize("name", ["headers", "early answers", "an extension", "trailers"])
async def test_what_has_no_end_is_not_kept(egress, anywhere, serve, name) -> None:
    start, more = DRIPS[name]
    port = await serve(dripping(start, more * 8000, pause=0))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(TielineError):
        await egress.send(HttpRequest("POST", f"http://127.0.0.1:{port}/token"), to=anywhere, deadline=0.6)

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 24 << 10
