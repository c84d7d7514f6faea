"""What the same work costs at least: bare ASGI, one SELECT by asyncpg, one decryption, aiohttp. No check of any kind.

`/read/<id>` answers the credential, `/call/<id>/<path>` puts it on a call to the upstream and streams the answer.
"""

import json
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import aiohttp
import asyncpg
import uvicorn
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY = bytes(32)
_driver: Any = asyncpg  # it has no types
Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


def sealed(text: str) -> bytes:
    """A nonce of zeros is enough for a benchmark."""
    return bytes(12) + AESGCM(KEY).encrypt(bytes(12), json.dumps({"accessToken": text}).encode(), b"")


class Bare:
    def __init__(self, database_url: str, upstream: str) -> None:
        self._database_url = database_url
        self._upstream = upstream
        self._cipher = AESGCM(KEY)

    async def __call__(self, scope: MutableMapping[str, Any], receive: object, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        _, kind, identifier, *rest = scope["path"].split("/", 3)
        async with self._pool.acquire() as connection:
            blob = await connection.fetchval("SELECT sealed FROM bare WHERE id = $1", identifier)
        credential = json.loads(self._cipher.decrypt(blob[:12], blob[12:], b""))
        if kind == "read":
            body = json.dumps({"type": "oauth2", **credential, "tokenType": "Bearer", "expiresAt": None}).encode()
            await _start(send, 200, [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))])
            await send({"type": "http.response.body", "body": body})
            return
        headers = {"Authorization": f"Bearer {credential['accessToken']}"}
        async with self._session.get(f"{self._upstream}/{rest[0]}", headers=headers) as answer:
            await _start(send, answer.status, [(k.lower(), v) for k, v in answer.raw_headers])
            async for chunk in answer.content.iter_any():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})

    async def _lifespan(self, receive: Any, send: Send) -> None:
        await receive()
        # Without the reset that asyncpg makes at each release, which costs a round trip: the bar is high.
        self._pool: Any = await _driver.create_pool(self._database_url, min_size=10, max_size=10, reset=_no_reset)
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), auto_decompress=False)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._session.close()
        await self._pool.close()
        await send({"type": "lifespan.shutdown.complete"})


async def _no_reset(_: object) -> None:
    pass


async def _start(send: Send, status: int, headers: list[tuple[bytes, bytes]]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})


if __name__ == "__main__":
    url, upstream, port = sys.argv[1:]
    uvicorn.run(Bare(url, upstream), port=int(port), access_log=False, log_level="warning")
