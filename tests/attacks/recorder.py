"""A server that nobody consented to. It takes every connection and keeps every byte that reaches it, by raw socket."""

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from ..canary.encodings import encodings  # noqa: TID252  # no package

_ANSWER = b'{"id": "person-9", "access_token": "theirs", "token_type": "Bearer"}'


class Recorder:
    """`heard` is all that was sent to it, TLS or not. It answers whatever looks like a request as a provider would."""

    def __init__(self) -> None:
        self.url = ""
        self.heard = b""
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._hear, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()

    def found(self, secrets: Iterable[str]) -> list[str]:
        """The encodings in which any of the secrets was heard."""
        return [
            name
            for secret in secrets
            for name, spellings in encodings(secret).items()
            if any(spelling in self.heard for spelling in spellings)
        ]

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
        said = b""
        while piece := await reader.read(65_536):
            self.heard += piece
            said += piece
            if _is_whole(said):
                writer.write(head + b"Content-Length: %d\r\n\r\n" % len(_ANSWER) + _ANSWER)
                break
        writer.close()
        self._writers.discard(writer)


def _is_whole(said: bytes) -> bool:
    head, end, body = said.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return bool(end) and len(body) >= int(line.partition(b":")[2])
    return bool(end)
