"""Callers that do nothing but call: one request after the other on each connection, as fast as the server answers."""

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle
from time import perf_counter
from typing import cast

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Round:
    """`seconds` is how long it took, `slowest` and `median` are of single calls, in seconds."""

    calls: int
    seconds: float
    median: float
    p99: float


async def calls(port: int, requests: list[bytes], *, callers: int, seconds: float) -> Round:
    """As many as there are answers within `seconds`. Raises RuntimeError when one is not a 200."""
    loop = asyncio.get_running_loop()
    todo, took = cycle(requests), list[float]()
    over = asyncio.Event()
    made = [await loop.create_connection(lambda: _Caller(todo, took, over), "127.0.0.1", port) for _ in range(callers)]
    started = perf_counter()
    for _, caller in made:
        caller.next()
    with suppress(TimeoutError):
        await asyncio.wait_for(over.wait(), seconds)
    lasted, done = perf_counter() - started, list(took)
    for transport, caller in made:
        caller.ended = True
        transport.close()
    if fault := next((caller.fault for _, caller in made if caller.fault), None):
        raise RuntimeError(fault.decode("latin-1"))
    if not done:
        raise RuntimeError(f"no answer within {seconds:g} seconds")
    done.sort()
    return Round(len(done), lasted, done[len(done) // 2], done[len(done) * 99 // 100])


class _Caller(asyncio.Protocol):
    def __init__(self, todo: "cycle[bytes]", took: list[float], over: asyncio.Event) -> None:
        self._todo, self._took, self._over = todo, took, over
        self.ended, self.fault = False, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def next(self) -> None:
        self._read, self._left = b"", -1
        self._began = perf_counter()
        self._transport.write(next(self._todo))

    def data_received(self, data: bytes) -> None:
        if self.ended:
            return
        if self._left < 0:
            self._read += data
            end = self._read.find(b"\r\n\r\n")
            if end < 0:
                return
            length = _LENGTH.search(self._read, 0, end)
            if length is None or not self._read.startswith(b"HTTP/1.1 200"):
                self.fault = self._read[:2000]
                self._over.set()
                return
            self._left = int(length[1]) - (len(self._read) - end - 4)
        else:
            self._left -= len(data)
        if self._left == 0:
            self._took.append(perf_counter() - self._began)
            self.next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended:
            self.fault = self.fault or b"the server closed the connection"
            self._over.set()
