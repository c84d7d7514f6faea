"""Servers on loopback that behave as told, a record of every socket that is opened, and egresses to try on them."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from ssl import SSLContext

import pytest

from tieline.egress import AddressPolicy, Egress

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Serve = Callable[..., Awaitable[int]]


class Anywhere:
    """A reach without origins, so that only the address policy is left to refuse."""

    def allows(self, url: str) -> bool:
        return True


@pytest.fixture
def anywhere() -> Anywhere:
    return Anywhere()


@pytest.fixture
async def egress() -> AsyncIterator[Egress]:
    """May call loopback, without TLS too."""
    egress = Egress(AddressPolicy(networks=[ip_network("127.0.0.0/8")]))
    yield egress
    await egress.close()


@pytest.fixture
async def public_egress() -> AsyncIterator[Egress]:
    """May call public addresses only."""
    egress = Egress(AddressPolicy())
    yield egress
    await egress.close()


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts a server on 127.0.0.1 and gives its port: of a handler, or of bytes that answer any request."""
    servers: list[asyncio.Server] = []

    async def start(behaviour: Handler | bytes, *, ssl: SSLContext | None = None) -> int:
        handler = _answering(behaviour) if isinstance(behaviour, bytes) else behaviour

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await handler(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=ssl)
        servers.append(server)
        return server.sockets[0].getsockname()[1]

    yield start
    for server in servers:
        server.close()


def _answering(answer: bytes) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    return handle


_opened: list[str] | None = None


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if _opened is not None and event in ("socket.__new__", "socket.connect", "socket.getaddrinfo"):
        _opened.append(event)


sys.addaudithook(_watch)  # a hook cannot be taken away again


@pytest.fixture
def sockets() -> Callable[[], object]:
    """A context in which every new socket, connection and lookup of this process is noted."""

    @contextmanager
    def noted() -> Iterator[list[str]]:
        global _opened
        _opened = []
        try:
            yield _opened
        finally:
            _opened = None

    return noted
