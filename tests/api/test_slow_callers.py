"""Callers that send or read a byte now and then, or what nobody reads, hold no place for long."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tieline.api import caller, protocol
from tieline.api.caller import Caller
from tieline.errors import RequestTimeout

from .wire import statuses

pytestmark = pytest.mark.anyio


async def dripped(wire, head: str, piece: bytes, *, times: int, pause: float) -> tuple[bytes, float]:
    """What comes back, and the seconds until the connection is over."""
    began = asyncio.get_running_loop().time()
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)

    async def drip() -> None:
        writer.write(f"{head}\r\n{wire.headers}\r\n".encode())
        for _ in range(times):
            await asyncio.sleep(pause)
            writer.write(piece)

    dripping = asyncio.create_task(drip())
    try:
        async with asyncio.timeout(10):
            answer = await reader.read()
    except ConnectionError:
        answer = b""
    dripping.cancel()
    writer.close()
    return answer, asyncio.get_running_loop().time() - began


@pytest.mark.parametrize(
    ("framing", "piece"),
    [("Content-Length: 4000", b"x"), ("Transfer-Encoding: chunked", b"1\r\nx\r\n")],
)
async def test_a_body_that_drips_through_the_proxy_is_given_up(wire, monkeypatch, framing, piece):
    monkeypatch.setattr(caller, "IDLE", 0.5)
    head = f"POST {wire.proxy}/a HTTP/1.1\r\nConnection: close\r\n{framing}"

    answer, seconds = await dripped(wire, head, piece, times=80, pause=0.05)

    assert statuses(answer) == [408]
    assert seconds < 2
    assert wire.provider.asked == []


async def test_a_steady_body_may_take_longer_than_a_caller_may_stand_still(wire, monkeypatch):
    monkeypatch.setattr(caller, "IDLE", 0.5)
    head = f"POST {wire.proxy}/a HTTP/1.1\r\nConnection: close\r\nContent-Length: 4000"

    answer, seconds = await dripped(wire, head, b"x" * 200, times=20, pause=0.06)

    assert statuses(answer) == [200]
    assert seconds > 1
    assert wire.provider.asked[0].endswith(b"x" * 4000)


async def test_what_the_provider_makes_a_caller_wait_does_not_count(monkeypatch):
    monkeypatch.setattr(caller, "IDLE", 0.1)
    bodies = [*[b"x"] * 4, b""]

    async def receive():
        return {"type": "http.request", "body": bodies.pop(0), "more_body": bool(bodies)}

    async def send(_):
        pass

    taken = []
    async for piece in Caller({"type": "http", "headers": [(b"content-length", b"4")]}, receive, send).body():
        await asyncio.sleep(0.05)
        taken.append(piece)

    assert taken == [b"x"] * 4


async def test_waiting_that_is_spread_over_many_pieces_counts(monkeypatch):
    monkeypatch.setattr(caller, "IDLE", 0.1)

    async def receive():
        await asyncio.sleep(0.03)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def send(_):
        pass

    with pytest.raises(RequestTimeout):
        async for _ in Caller({"type": "http", "headers": [(b"content-length", b"99")]}, receive, send).body():
            pass


async def test_the_rest_of_a_body_that_nobody_reads_ends_soon(wire, monkeypatch):
    monkeypatch.setattr(protocol, "REST_DEADLINE", 0.4)
    head = "POST /v1/connections/none/proxy/a HTTP/1.1\r\nContent-Length: 4000"

    answer, seconds = await dripped(wire, head, b"x", times=80, pause=0.05)

    assert statuses(answer) == [404]
    assert seconds < 2


async def test_who_sends_a_large_body_for_nothing_still_gets_the_answer(wire):
    head = f"POST /v1/connections/none/proxy/a HTTP/1.1\r\n{wire.headers}Content-Length: 3000000\r\n\r\n"

    reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
    writer.write(head.encode())
    for _ in range(30):
        writer.write(b"x" * 100_000)
        await writer.drain()
        await asyncio.sleep(0.01)
    writer.write(f"GET /healthz HTTP/1.1\r\nConnection: close\r\n{wire.headers}\r\n".encode())
    answer = await reader.read()
    writer.close()

    assert statuses(answer) == [404, 200]


ENDLESS = {
    "a trailer": (b"5\r\nhello\r\n0\r\nX-T: ", b"a" * 65536),
    "trailers": (b"5\r\nhello\r\n0\r\n", b"X-T: aaaa\r\n" * 6000),
    "an extension": (b"5;a=", b"a" * 65536),
}


@pytest.mark.parametrize("answered", [True, False], ids=["after the answer", "before the answer"])
@pytest.mark.parametrize(("start", "more"), ENDLESS.values(), ids=ENDLESS.keys())
async def test_what_has_no_end_is_not_kept(wire, start, more, answered):
    path = "/v1/connections/none/proxy" if answered else wire.proxy
    head = f"POST {path}/a HTTP/1.1\r\n{wire.headers}Transfer-Encoding: chunked\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
    writer.write(head.encode() + start)
    sent = 0

    async with asyncio.timeout(10):
        try:
            while sent < 64 << 20:
                writer.write(more)
                sent += len(more)
                await writer.drain()
                await asyncio.sleep(0)
        except ConnectionError:
            pass
    writer.close()

    assert sent < 16 << 20
    del reader


@asynccontextmanager
async def asking(wire) -> AsyncIterator[tuple[socket.socket, int]]:
    """A caller with little room of its own that asks for 8 MiB of answers, and how many bytes they are."""
    close = "Connection: close\r\n"
    last = f"GET /openapi.json HTTP/1.1\r\n{close}{wire.headers}\r\n"
    one = len(await wire.send(last))
    many = (8 << 20) // one
    loop = asyncio.get_running_loop()
    with socket.socket() as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        opened.setblocking(False)
        await loop.sock_connect(opened, ("127.0.0.1", wire.port))
        await loop.sock_sendall(opened, (last.replace(close, "") * (many - 1) + last).encode())
        yield opened, many * one


async def test_a_caller_that_does_not_read_is_cut_off(wire, monkeypatch):
    monkeypatch.setattr(protocol, "SLOWEST_READER", (0.2, 1 << 10))
    lose, lost, ended = protocol.Protocol.connection_lost, list[int](), asyncio.Event()

    def noted(connection: protocol.Protocol, error: Exception | None) -> None:
        lost.append(connection.client[1])
        ended.set()
        lose(connection, error)

    async with asking(wire) as (opened, _):
        monkeypatch.setattr(protocol.Protocol, "connection_lost", noted)
        async with asyncio.timeout(10):
            while opened.getsockname()[1] not in lost:
                ended.clear()
                await ended.wait()


async def test_a_caller_that_reads_slowly_gets_everything(wire, monkeypatch):
    monkeypatch.setattr(protocol, "SLOWEST_READER", (0.5, 1 << 10))
    taken = 0

    async with asking(wire) as (opened, size):
        while piece := await asyncio.get_running_loop().sock_recv(opened, 65536):
            taken += len(piece)
            await asyncio.sleep(0.01)

    assert taken > 0.99 * size
