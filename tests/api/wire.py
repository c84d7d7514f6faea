"""Bytes as they go over the wire: our own server, and a provider that keeps what it gets and answers as told."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tieline import Hub
from tieline.api.serving import served
from tieline.settings import load_settings

from .stage import DOCUMENT, free_port, fresh

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


@dataclass
class Provider:
    """`asked` has each request whole. `answers` are the pieces that it answers, a moment apart."""

    asked: list[bytes] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=lambda: [OK])

    @property
    def heads(self) -> list[bytes]:
        return [each.partition(b"\r\n\r\n")[0] for each in self.asked]

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.asked.append(head + await _body(head, reader))
            for piece in self.answers:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def _body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    if found := re.search(rb"\r\nContent-Length: (\d+)", head):
        return await reader.readexactly(int(found[1]))
    body = b""
    while b"\r\nTransfer-Encoding: chunked" in head and not body.endswith(b"\r\n0\r\n\r\n"):
        body += await reader.read(65536)
    return body


@dataclass
class Wire:
    port: int
    provider: Provider
    proxy: str
    headers: str = field(repr=False)
    """Host and who asks, with the line's end."""

    async def send(self, request: str | bytes, *, seconds: float = 10) -> bytes:
        """All that comes back until the connection ends."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request.encode("latin-1") if isinstance(request, str) else request)
        try:
            async with asyncio.timeout(seconds):
                return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()


def statuses(answer: bytes) -> list[int]:
    return [int(each) for each in re.findall(rb"HTTP/1\.1 (\d{3})", answer)]


@asynccontextmanager
async def on_the_wire(migrated_file: Path, folder: Path) -> AsyncIterator[Wire]:
    settings = load_settings(
        {}, data=str(fresh(migrated_file, folder)), port=str(free_port()), egress_allow="127.0.0.0/8"
    )
    provider = Provider()
    server = await asyncio.start_server(provider.handle, "127.0.0.1", 0)
    async with Hub.open(settings=settings) as hub, served(hub):
        key = (await hub.create_first_key()).key.reveal()
        acme = hub.organization("acme")
        base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        await acme.providers.register({**DOCUMENT, "id": "upstream", "api": {"baseUrl": base}})
        made = await acme.connections.create(
            provider="upstream", end_user="ada", inputs={"apiKey": "the-credential"}, check=False
        )
        headers = f"Host: tieline\r\nAuthorization: Bearer {key}\r\nTieline-Organization: acme\r\n"
        yield Wire(int(settings.port), provider, f"/v1/connections/{made.id}/proxy", headers)
    server.close()
