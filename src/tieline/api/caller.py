"""The caller's side of a streamed call: the body as it comes, whether it went away, and an end to its slowness."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from tieline.errors import RequestTimeout

IDLE = 60.0
"""Seconds that a caller may stand still, in either direction."""
SLOWEST = 1024
"""Bytes of its body in a second, by which a caller earns that time anew: a byte now and then does not hold a place."""


class Gone(Exception):
    """The caller went away: nobody is left to answer."""


class Caller:
    """`body` is read by one reader at most; `send` waits for a slow caller, but not for ever."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        self.has_body = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
        self._receive = receive
        self._send = send
        self._patience = IDLE
        self._read = asyncio.Event()
        if not self.has_body:
            self._read.set()

    async def body(self) -> AsyncIterator[bytes]:
        """Raises RequestTimeout, and Gone when the caller leaves before the end."""
        more = True
        while more:
            message = await self._next()
            if message["type"] == "http.disconnect":
                raise Gone
            more = message.get("more_body", False)
            if piece := message.get("body", b""):
                self._patience = min(IDLE, self._patience + len(piece) / SLOWEST)
                yield piece
        self._read.set()

    async def send(self, message: Message) -> None:
        """Raises Gone when the caller takes nothing for too long."""
        try:
            async with asyncio.timeout(IDLE):
                await self._send(message)
        except TimeoutError:
            raise Gone from None

    async def while_there(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs the work, and cancels it when the caller goes away: then the provider is not asked for more."""
        tasks = asyncio.create_task(work), asyncio.create_task(self._left())
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if not tasks[0].cancelled() and (error := tasks[0].exception()) and not isinstance(error, Gone):
            raise error

    async def _left(self) -> None:
        await self._read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _next(self) -> Message:
        """Only what is waited for the caller counts, and not what the provider makes it wait."""
        now = asyncio.get_running_loop().time
        started = now()
        try:
            async with asyncio.timeout(self._patience):
                return await self._receive()
        except TimeoutError:
            raise RequestTimeout("The body comes too slowly. Send it again, faster.") from None
        finally:
            self._patience -= now() - started
