"""The provider of the benchmarks: `/1k` answers 1 KiB, and `/100m` 100 MiB by sendfile.

A protocol of a few lines costs less than any framework would: what is measured is what stands before it. The loop is
the one of the standard library, which has sendfile.
"""

import asyncio
import sys
import tempfile
from contextlib import suppress
from typing import cast

SMALL = b"x" * 1024
LARGE_BYTES = 100 * 1024 * 1024
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n"
_ANSWER = _HEAD % len(SMALL) + SMALL


class Upstream(asyncio.Protocol):
    """One call after the other on each connection; a body of a request is not expected."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._read = b""

    def data_received(self, data: bytes) -> None:
        self._read += data
        while (end := self._read.find(b"\r\n\r\n")) >= 0:
            line, self._read = self._read[: self._read.find(b"\r\n")], self._read[end + 4 :]
            if b"/100m" in line:
                self._sending = asyncio.get_running_loop().create_task(self._large())
            else:
                self._transport.write(_ANSWER)

    async def _large(self) -> None:
        self._transport.write(_HEAD % LARGE_BYTES)
        with tempfile.TemporaryFile() as file:
            file.truncate(LARGE_BYTES)
            with suppress(ConnectionError):  # whoever asked has seen enough
                await asyncio.get_running_loop().sendfile(self._transport, file)


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
