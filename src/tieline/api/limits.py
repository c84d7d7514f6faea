"""Bodies of management calls: at most 2 MiB, all here within 30 s, and read before anything is done with them.

No ASGI server has a deadline for bodies; without one, a caller who sends a byte a minute holds a place for hours.
"""

import asyncio
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tieline.api.problems import problem
from tieline.errors import PayloadTooLarge, RequestTimeout, TielineError

LARGEST = 2 << 20
DEADLINE = 30.0
_LINGER = 2.0


class WholeBodies:
    """Hands the body on in one piece. `deadline` is in seconds."""

    def __init__(self, app: ASGIApp, *, largest: int = LARGEST, deadline: float = DEADLINE) -> None:
        self._app = app
        self._largest = largest
        self._deadline = deadline

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await self._whole(scope, receive)
        except TielineError as error:
            await _refuse(error, receive, send)
            return
        if body is not None:
            await self._app(scope, replayed(body, receive), send)

    async def _whole(self, scope: Scope, receive: Receive) -> bytes | None:
        """None when the caller went away."""
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdigit() and int(declared) > self._largest:
            raise self._too_large()
        body = bytearray()
        try:
            async with asyncio.timeout(self._deadline):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    body += message.get("body", b"")
                    if len(body) > self._largest:
                        raise self._too_large()
                    if not message.get("more_body", False):
                        return bytes(body)
        except TimeoutError:
            raise RequestTimeout(f"The body did not arrive within {self._deadline:g} seconds. Send it again.") from None

    def _too_large(self) -> PayloadTooLarge:
        return PayloadTooLarge(f"The body is larger than {self._largest >> 10} KiB.", limit=self._largest)


async def _refuse(error: TielineError, receive: Receive, send: Send) -> None:
    """Answers, and closes the connection only after the caller had the time to read that.

    Closed while the caller still sends, the answer would be lost to a reset.
    """
    response = problem(error, {"Connection": "close"})
    await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
    await send({"type": "http.response.body", "body": bytes(response.body), "more_body": True})
    with suppress(TimeoutError):
        async with asyncio.timeout(0 if isinstance(error, RequestTimeout) else _LINGER):
            while (message := await receive())["type"] == "http.request" and message.get("more_body", False):
                pass
    await send({"type": "http.response.body", "body": b""})


def replayed(body: bytes, receive: Receive) -> Receive:
    """The body as one message; what comes after it is the server's to say."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
