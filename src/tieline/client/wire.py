"""Two runners of calls: one waits, one awaits. What both know is in `Target`; they differ in nothing else."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import httpx2

from tieline.client.call import Call, members, nothing, segment
from tieline.client.problems import read_problem
from tieline.errors import Forbidden, TielineError
from tieline.secret import Secret

T = TypeVar("T")

CONNECT_TIMEOUT = 10.0
"""Seconds."""
_PAUSES = (0.1, 0.5)
"""Seconds before a safe call is sent again when the connection failed."""


@dataclass(frozen=True)
class Target:
    """Where calls go, as whom, and for which customer; `timeout` in seconds."""

    url: str
    key: Secret
    timeout: float
    organization: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self.key.reveal()}"}
        return headers if self.organization is None else {**headers, "Tieline-Organization": self.organization}

    def request(self, call: Call[Any]) -> dict[str, Any]:
        """The arguments of httpx2's `build_request`."""
        return {
            "method": call.method,
            "url": self.url + call.path,
            "params": call.query or None,
            "json": call.body,
            "headers": self.headers,
            "timeout": httpx2.Timeout(self.timeout + call.wait, connect=CONNECT_TIMEOUT),
        }

    def read(self, call: Call[T], response: httpx2.Response) -> T:
        """Of a response that was read to its end. Raises the problem that it is."""
        if not response.is_success:
            raise read_problem(response.status_code, response.headers, response.content)
        try:
            data = json.loads(response.content) if response.content else None
        except ValueError as error:
            raise TielineError(f"{self.url} answered what is not JSON. Is it Tieline?") from error
        return call.read(response.status_code, data)

    def entrance(self) -> tuple["Target", Call[None]] | None:
        """The call that makes the customer, if it is new: the key's own organization makes it."""
        if self.organization is None:
            return None
        call = Call("PUT", f"/v1/organizations/{segment(self.organization)}", nothing, body=members())
        return replace(self, organization=None), call


@dataclass
class Wire:
    """Sends calls and waits. A failed connection raises httpx2.TransportError."""

    target: Target
    http: httpx2.Client
    _entered: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def run(self, call: Call[T]) -> T:
        self.enter()
        return self.target.read(call, self._send(self.target, call))

    def lines(self, call: Call[Any]) -> Iterator[str]:
        """The answer line by line, as it comes. JSON lines end with a line feed, and with nothing else."""
        self.enter()
        return self._lines(self._send(self.target, call, stream=True))

    def enter(self) -> None:
        """Makes the customer on first use. A key that may not do so goes on: it may be there already."""
        with self._lock:
            entrance = None if self._entered else self.target.entrance()
            if entrance is not None:
                with suppress(Forbidden):
                    entrance[0].read(entrance[1], self._send(*entrance))
            self._entered = True

    def _send(self, target: Target, call: Call[Any], *, stream: bool = False) -> httpx2.Response:
        for pause in _PAUSES if call.safe else ():
            try:
                return self.http.send(self.http.build_request(**target.request(call)), stream=stream)
            except httpx2.NetworkError:
                time.sleep(pause)
        return self.http.send(self.http.build_request(**target.request(call)), stream=stream)

    def _lines(self, response: httpx2.Response) -> Iterator[str]:
        try:
            if not response.is_success:
                raise read_problem(response.status_code, response.headers, response.read())
            rest = b""
            for chunk in response.iter_bytes():
                *whole, rest = (rest + chunk).split(b"\n")
                yield from (line.decode() for line in whole)
            if rest:
                yield rest.decode()
        finally:
            response.close()


@dataclass
class AsyncWire:
    """Sends calls and awaits the answers. A failed connection raises httpx2.TransportError."""

    target: Target
    http: httpx2.AsyncClient
    _entered: bool = False
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    async def run(self, call: Call[T]) -> T:
        await self.enter()
        return self.target.read(call, await self._send(self.target, call))

    async def lines(self, call: Call[Any]) -> AsyncIterator[str]:
        """The answer line by line, as it comes. JSON lines end with a line feed, and with nothing else."""
        await self.enter()
        return self._lines(await self._send(self.target, call, stream=True))

    async def enter(self) -> None:
        """Makes the customer on first use. A key that may not do so goes on: it may be there already."""
        async with self._lock:
            entrance = None if self._entered else self.target.entrance()
            if entrance is not None:
                with suppress(Forbidden):
                    entrance[0].read(entrance[1], await self._send(*entrance))
            self._entered = True

    async def _send(self, target: Target, call: Call[Any], *, stream: bool = False) -> httpx2.Response:
        for pause in _PAUSES if call.safe else ():
            try:
                return await self.http.send(self.http.build_request(**target.request(call)), stream=stream)
            except httpx2.NetworkError:
                await asyncio.sleep(pause)
        return await self.http.send(self.http.build_request(**target.request(call)), stream=stream)

    async def _lines(self, response: httpx2.Response) -> AsyncIterator[str]:
        try:
            if not response.is_success:
                raise read_problem(response.status_code, response.headers, await response.aread())
            rest = b""
            async for chunk in response.aiter_bytes():
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    yield line.decode()
            if rest:
                yield rest.decode()
        finally:
            await response.aclose()
