"""Where the browser comes back to: one page on a free loopback port, which hands over the nonce of a connect session.

The command line is its own backend (RFC 8252, section 7.3).
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qs, urlsplit

_PATH = "/connected"
_LONGEST_LINE = 8192
_DEADLINE_SECONDS = 10
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Tieline</title>
<body style="font: 1.1rem system-ui; margin: 4rem auto; max-width: 30rem">
<p>{text}</p></body></html>"""


class Loopback:
    """`url` is the address to come back to; `nonce` is there once a browser did."""

    def __init__(self) -> None:
        self.url = ""
        self.nonce: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(TimeoutError, ConnectionError, ValueError, asyncio.IncompleteReadError):
            async with asyncio.timeout(_DEADLINE_SECONDS):
                await self._answer(reader, writer)
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        words = (await reader.readline()).decode("latin-1").split()
        while (await reader.readline()).strip():
            pass
        target = urlsplit(words[1]) if len(words) == 3 and words[0] == "GET" else urlsplit("")
        nonces = parse_qs(target.query).get("tieline_nonce", [])
        found = target.path == _PATH and len(nonces) == 1
        if found and not self.nonce.done():
            self.nonce.set_result(nonces[0])
        text = "Done. You can close this window; the terminal goes on." if found else "There is nothing here."
        writer.write(_response("200 OK" if found else "404 Not Found", _PAGE.format(text=text)))
        await writer.drain()


@asynccontextmanager
async def loopback() -> AsyncGenerator[Loopback]:
    page = Loopback()
    server = await asyncio.start_server(page.answer, "127.0.0.1", 0, limit=_LONGEST_LINE)
    async with server:
        page.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{_PATH}"
        yield page


def _response(status: str, body: str) -> bytes:
    content = body.encode()
    headers = (
        f"HTTP/1.1 {status}",
        "Content-Type: text/html; charset=utf-8",
        f"Content-Length: {len(content)}",
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'",
        "Referrer-Policy: no-referrer",
        "Cache-Control: no-store",
        "Connection: close",
    )
    return "\r\n".join([*headers, "", ""]).encode() + content
