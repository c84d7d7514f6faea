"""A TCP port in front of PostgreSQL's socket, which can be frozen, cut, and cut at a commit."""

import asyncio
from contextlib import suppress
from typing import Literal

_COMMIT = b"COMMIT"


class Relay:
    """`at_commit`: the next commit is cut off before the server hears of it, or before its answer arrives."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._open: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.at_commit: Literal["unheard", "unanswered"] | None = None
        self.cuts = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def freeze(self) -> None:
        self._flowing.clear()

    def thaw(self) -> None:
        self._flowing.set()

    def cut(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    async def stop(self) -> None:
        self._server.close()
        self.thaw()
        self.cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_unix_connection(self._socket)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, there_writer}
        await asyncio.gather(self._ask(reader, there_writer, writer), self._answer(there_reader, writer))
        self._open -= {writer, there_writer}

    async def _ask(self, reader: asyncio.StreamReader, there: asyncio.StreamWriter, here: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._flowing.wait()
                if self.at_commit is not None and _COMMIT in data:
                    unheard, self.at_commit = self.at_commit == "unheard", None
                    self.cuts += 1
                    # Nothing that the server says from now on arrives.
                    here.transport.abort()
                    if unheard:
                        there.transport.abort()
                        return
                there.write(data)
                await there.drain()
        there.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._flowing.wait()
                if not writer.transport.is_closing():
                    writer.write(data)
                    await writer.drain()
        writer.close()
