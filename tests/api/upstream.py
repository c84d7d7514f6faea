"""A provider that answers as it is told, and keeps what it was asked: for what no well-behaved one does."""

import asyncio
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

CHUNK = b"x" * 65536


@dataclass
class Upstream:
    """`asked` has (method, raw path with query, headers) of each call."""

    asked: list[tuple[str, str, list[tuple[str, str]]]] = field(default_factory=list)
    sending: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def headers(self) -> dict[str, str]:
        return dict(self.asked[-1][2])

    @property
    def address(self) -> str:
        return self.asked[-1][1]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = [(name.decode(), value.decode()) for name, value in scope["headers"]]
        query = scope["query_string"].decode()
        self.asked.append((scope["method"], scope["raw_path"].decode() + (f"?{query}" if query else ""), headers))
        match scope["path"].rpartition("/")[2]:
            case "headers":
                await self._headers(scope, receive, send)
            case "broken":
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
                raise RuntimeError("breaks in the middle")
            case "endless":
                await self._endless(receive, send)
            case "body":
                await JSONResponse({"bytes": len(await Request(scope, receive).body())})(scope, receive, send)
            case _:
                await JSONResponse({"path": scope["path"]})(scope, receive, send)

    async def _headers(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = Response("[]", 207, {"X-RateLimit-Remaining": "41", "ETag": '"e1"', "Server": "theirs"}, "text/html")
        response.raw_headers += [
            (b"link", b'<https://api.example/2>; rel="next"'),
            (b"link", b'<https://api.example/9>; rel="last"'),
            (b"set-cookie", b"session=1"),
            (b"strict-transport-security", b"max-age=1"),
            (b"connection", b"x-secret-hop"),
            (b"x-secret-hop", b"1"),
        ]
        await response(scope, receive, send)

    async def _endless(self, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            self.left.set()

        watching = asyncio.create_task(watch())
        while not self.left.is_set():
            await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
            self.sending.set()
            await asyncio.sleep(0.01)
        await watching
