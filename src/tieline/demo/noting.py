"""Keeps what was asked of the service and what it answered: method, path, status. No body, no header, no query."""

import time
from dataclasses import dataclass, field

import httpx2


@dataclass(frozen=True)
class Note:
    """`seconds` until the answer began."""

    method: str
    path: str
    status: int
    seconds: float


@dataclass
class Notes:
    """Those since the last time that somebody took them."""

    kept: list[Note] = field(default_factory=list[Note])

    def take(self) -> list[Note]:
        taken, self.kept = self.kept, []
        return taken


class Noting(httpx2.AsyncBaseTransport):
    """The ordinary way to the service, with notes."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._inner = httpx2.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        started = time.perf_counter()
        response = await self._inner.handle_async_request(request)
        seconds = time.perf_counter() - started
        self._notes.kept.append(Note(request.method, request.url.path, response.status_code, seconds))
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()
