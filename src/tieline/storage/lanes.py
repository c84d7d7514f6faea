"""Connections of the PostgreSQL driver itself, each with one query at a time, and a line of those who wait for one.

A pool costs as much as the query here: this one takes and gives back in a few microseconds.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Values = tuple[Any, ...]
"""A row as the driver gives or takes it."""


class Lane(Protocol):
    """What is used of a connection of asyncpg."""

    async def fetch(self, query: str, *arguments: object, timeout: float) -> Sequence[Values]: ...

    async def executemany(self, command: str, args: Sequence[Values], *, timeout: float) -> None:
        """In one transaction of its own."""

    def is_closed(self) -> bool: ...

    def terminate(self) -> None: ...


class Lanes:
    """`connect` opens one; at most `size` are open, and nobody stands in line for more than `patience` seconds.

    A lane that failed or was left in the middle is closed.
    """

    def __init__(self, connect: Callable[[], Awaitable[Lane]], size: int, patience: float) -> None:
        self._patience = patience
        self._connect = connect
        self._size = size
        self._open = 0
        self._idle: list[Lane] = []
        self._line: deque[asyncio.Future[Lane | None]] = deque()

    async def run(self, work: Callable[[Lane], Awaitable[T]]) -> T:
        """Raises what the driver raises, and TimeoutError."""
        lane = await self._take()
        try:
            result = await work(lane)
        except BaseException:
            # Also when its caller went away: an answer that nobody took would meet the next question.
            self._drop(lane)
            raise
        self._give(lane)
        return result

    async def close(self) -> None:
        for lane in self._idle:
            self._open -= 1
            lane.terminate()
        self._idle.clear()

    async def _take(self) -> Lane:
        while True:
            if self._idle:
                lane = self._idle.pop()
                if not lane.is_closed():
                    return lane
                self._open -= 1
            elif self._open < self._size:
                return await self._opened()
            else:
                place = asyncio.get_running_loop().create_future()
                self._line.append(place)
                lane = await self._wait(place)
                if lane is not None:
                    return lane

    async def _wait(self, place: "asyncio.Future[Lane | None]") -> Lane | None:
        try:
            async with asyncio.timeout(self._patience):
                return await place
        except (asyncio.CancelledError, TimeoutError):
            # It may have been its turn already.
            if place.done() and not place.cancelled() and (lane := place.result()) is not None:
                self._give(lane)
            raise

    async def _opened(self) -> Lane:
        self._open += 1
        try:
            return await self._connect()
        except BaseException:
            self._open -= 1
            self._call(None)
            raise

    def _give(self, lane: Lane) -> None:
        if not self._call(lane):
            self._idle.append(lane)

    def _drop(self, lane: Lane) -> None:
        self._open -= 1
        lane.terminate()
        self._call(None)

    def _call(self, lane: Lane | None) -> bool:
        """The next in line gets it; with None it may open one."""
        while self._line:
            place = self._line.popleft()
            if not place.done():
                place.set_result(lane)
                return True
        return False
