"""Where secrets come into being, and where the product speaks: both are listened to for the length of a test."""

import logging
import secrets
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import structlog

from tieline.errors import TielineError
from tieline.secret import Secret

from .canary import Answer, Canary
from .mark import MARK, marked

_CARRIED = ("tieline.connections.sessions", "tieline.connections.flow", "tieline.ui.site")
"""Modules whose random texts a browser carries."""
_KEPT = ("tieline.protocols.oauth2", "tieline.testing.ledger")
"""Modules whose random texts never come to a browser: the PKCE verifier, and the practice provider's codes and tokens.
The nonce of a page's Content-Security-Policy is no secret."""
_NOT_OURS = ("httpx2", "httpcore2", "hpack", "uvicorn.access")
"""Loggers of the client that the test's own browser uses, and the one that our server keeps silent: pytest hangs a
handler of its own on that, which wakes it."""


@contextmanager
def listening() -> Iterator[Canary]:
    canary = Canary()
    with pytest.MonkeyPatch.context() as patch:
        _tap_secrets(canary, patch)
        _tap_errors(canary, patch)
        _tap_logging(canary, patch)
        yield canary


def _tap_secrets(canary: Canary, patch: pytest.MonkeyPatch) -> None:
    random, wrap = secrets.token_urlsafe, Secret.__init__

    def token_urlsafe(length: int | None = None) -> str:
        maker = sys._getframe(1).f_globals["__name__"]
        if maker not in _CARRIED and maker not in _KEPT:
            return random(length)
        made = marked(random(length))
        if maker in _CARRIED:
            canary.flow.add(made)
        return made

    def wrapped(self: Secret, value: str) -> None:
        wrap(self, value)
        if value.startswith("tl_"):
            canary.keys.add(value)
        elif MARK not in value and "://" not in value:
            canary.note(value)

    patch.setattr(secrets, "token_urlsafe", token_urlsafe)
    patch.setattr(Secret, "__init__", wrapped)


def _tap_errors(canary: Canary, patch: pytest.MonkeyPatch) -> None:
    make = TielineError.__init__

    def made(self: TielineError, *given: Any, **facts: Any) -> None:
        make(self, *given, **facts)
        canary.errors.append(self)

    patch.setattr(TielineError, "__init__", made)


def _tap_logging(canary: Canary, patch: pytest.MonkeyPatch) -> None:
    """Every logger at DEBUG, whatever it is set to; what it is set to decides what is printed."""
    handle, usual = logging.Logger.callHandlers, vars(logging.LogRecord("", 0, "", 0, "", None, None))

    def heard(self: logging.Logger, record: logging.LogRecord) -> None:
        if not record.name.startswith(_NOT_OURS):
            more = {name: value for name, value in vars(record).items() if name not in usual}
            canary.log.append(f"{record.name} {record.getMessage()} {more!r} {_trace(record.exc_info)}")
        if record.levelno >= self.getEffectiveLevel():
            handle(self, record)

    def written(_: object, method: str, event: dict[str, Any]) -> dict[str, Any]:
        canary.log.append(f"{method} {event!r} {_trace(event.get('exc_info'))}")
        return event

    patch.setattr(logging.Logger, "isEnabledFor", lambda self, level: True)
    patch.setattr(logging.Logger, "callHandlers", heard)
    structlog.configure(processors=[written, *structlog.get_config()["processors"]])


def _trace(given: object) -> str:
    if given is True:
        given = sys.exception()
    error = given[1] if isinstance(given, tuple) else given
    return "".join(traceback.format_exception(error)) if isinstance(error, BaseException) else ""


class Overheard:
    """An ASGI application whose answers are noted."""

    def __init__(self, app: Any, canary: Canary) -> None:
        self._app = app
        self._canary = canary

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        heads: list[bytes] = []
        bodies: list[bytes] = []
        status, size, ours = 0, 0, False

        async def noting(message: Any) -> None:
            nonlocal status, size, ours
            if message["type"] == "http.response.start":
                status = message["status"]
                pairs = list(message["headers"])
                ours = any(bytes(name).lower() == b"tieline-error" for name, _ in pairs)
                heads.extend(bytes(name) + b": " + bytes(value) + b"\n" for name, value in pairs)
            elif size < 1 << 20:
                bodies.append(bytes(message.get("body", b"")))
                size += len(bodies[-1])
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            answer = Answer(scope["method"], scope["path"], status, ours, b"".join(heads), b"".join(bodies))
            self._canary.answers.append(answer)
