"""The caller's side of a streamed call: the body as it comes, whether it went away, and a deadline for its idleness."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from tieline.errors import RequestTimeout

IDLE = 60.0
"""Seconds between two pieces of a body, in either direction."""


class Gone(Exception):
    """The caller went away: nobody is left to answer."""


class Caller:
    """`body` is read by one reader at most; `send` waits for a slow caller, but not for ever."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, idle: float = IDLE) -> None:
        headers = Headers(scope=scope)
        self.has_body = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
        self._receive = receive
        self._send = send
        self._idle = idle
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
                yield piece
        self._read.set()

    async def send(self, message: Message) -> None:
        """Raises Gone when the caller takes nothing for too long."""
        try:
            async with asyncio.timeout(self._idle):
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
        try:
            async with asyncio.timeout(self._idle):
                return await self._receive()
        except TimeoutError:
            raise RequestTimeout(f"No piece of the body came for {self._idle:g} seconds.") from None
