"""`Idempotency-Key`: the same write sent again gets the answer of the first time, for a day.

Stored for each organization and key; sealed, since an answer may hold a secret that is shown once. What failed on our
side, or was refused for a reason that passes, is not stored: sent again, it is done.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import structlog
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tieline.api.asking import authenticate
from tieline.api.limits import replayed
from tieline.api.problems import answer
from tieline.api.stored_answers import Claim, Stored, StoredAnswers
from tieline.errors import Fault, InvalidRequest, StorageFull, StorageUnavailable, TielineError
from tieline.hub import Hub

_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_PASSING = frozenset({401, 408, 429})
_LONGEST_KEY = 255

_log = structlog.get_logger("tieline.api")


class Idempotency:
    """Stands behind what reads whole bodies."""

    def __init__(self, app: ASGIApp, hub: Hub) -> None:
        self._app = app
        self._answers = StoredAnswers(hub.db, hub.vault)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        key = request.headers.get("idempotency-key")
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if key is None or scope["method"] not in _WRITES or not path.startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        try:
            await self._once(request, _checked(key), receive, send)
        except TielineError as error:
            await (await answer(request, error))(scope, receive, send)

    async def _once(self, request: Request, key: str, receive: Receive, send: Send) -> None:
        actor = await authenticate(request)
        body = await request.body()
        place = await self._answers.claim(actor, key, _hash(request, body))
        if isinstance(place, Stored):
            await _replay(place, send)
            return
        kept = _Kept()
        try:
            await self._app(request.scope, replayed(body, receive), kept.keep)
        except BaseException:
            await self._answers.release(place)
            raise
        await self._store(place, kept)
        for message in kept.messages:
            await send(message)

    async def _store(self, place: Claim, kept: "_Kept") -> None:
        try:
            if kept.status >= 500 or kept.status in _PASSING:
                await self._answers.release(place)
            else:
                await self._answers.keep(place, Stored(kept.status, kept.headers, kept.body))
        except (StorageUnavailable, StorageFull) as error:
            # It is done, and the caller must hear so. A repetition meets the claim until that runs out.
            _log.warning("idempotency.not_stored", code=error.code)


class _Kept:
    """An answer that nobody has seen yet."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def keep(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def status(self) -> int:
        return self.messages[0]["status"]

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        pairs: Any = self.messages[0].get("headers", ())
        return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])


async def _replay(stored: Stored, send: Send) -> None:
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in stored.headers]
    pairs.append((b"idempotency-replayed", b"true"))
    await send({"type": "http.response.start", "status": stored.status, "headers": pairs})
    await send({"type": "http.response.body", "body": stored.body})


def _hash(request: Request, body: bytes) -> str:
    """Of everything that decides what is done."""
    headers: Mapping[str, str] = Headers(scope=request.scope)
    said = [headers.get("content-type", ""), headers.get("tieline-organization", "")]
    parts = [request.method, request.scope["path"], request.scope["query_string"].decode("latin-1"), *said]
    digest = hashlib.sha256("\0".join(parts).encode())
    digest.update(b"\0" + body)
    return digest.hexdigest()


def _checked(key: str) -> str:
    if not 1 <= len(key) <= _LONGEST_KEY or not key.isascii() or not key.isprintable():
        fault = Fault(
            "Idempotency-Key", "idempotency_key", "This is no idempotency key.", "Use a new UUID for each write."
        )
        raise InvalidRequest(f"An idempotency key is 1 to {_LONGEST_KEY} printable ASCII characters.", errors=[fault])
    return key
