"""The outermost layer: headers that every answer has, and the last place where an exception becomes an answer."""

import structlog
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tieline.api.problems import ERROR_HEADER, as_tieline_error, log_unexpected, problem
from tieline.errors import InvalidRequest, TielineError

_log = structlog.get_logger("tieline.api")
_ADDED = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
_OF_DATA = ((b"cache-control", b"no-store"),)


class Envelope:
    """`marked` says whether our own failures have the header Tieline-Error, since other answers are a provider's."""

    def __init__(self, app: ASGIApp, *, marked: bool = False) -> None:
        self._app = app
        self._marked = marked

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = _Answer(scope, send)
        try:
            _refuse_nul(scope)
            await self._app(scope, receive, answer.send)
        except Exception as error:
            if not isinstance(error, TielineError | HTTPException):
                log_unexpected(error, method=scope["method"], route=_route(scope))
            if answer.started and not answer.complete:
                # Part of an answer has gone out: only a broken connection says that the rest is missing.
                _log.warning("answer.broken", route=_route(scope), error=type(error).__name__)
                raise
            if not answer.started:
                await self._answer(error, scope, receive, answer.send)

    async def _answer(self, error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
        known = as_tieline_error(error)
        headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
        if self._marked:
            headers[ERROR_HEADER] = known.code
        await problem(known, headers)(scope, receive, send)


def _refuse_nul(scope: Scope) -> None:
    """PostgreSQL takes none in a text, so that what is looked up by such a name would be an accident."""
    if "\0" in scope["path"] or b"%00" in scope["path"].encode() + b"?" + scope["query_string"]:
        raise InvalidRequest("The address holds a NUL (%00), which no name and no id has.")


def _route(scope: Scope) -> str:
    """The route's own path: what stands in the place of `{token}` is a secret."""
    return getattr(scope.get("route"), "path", "none")


class _Answer:
    """What has been sent so far, and the headers that are added to it where the route has not said otherwise."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._send = send
        self.started = False
        self.complete = False
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        self._added = (*_ADDED, *_OF_DATA) if path.startswith(("/v1/", "/proxy/")) else _ADDED

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            given = message["headers"]
            names = {name for name, _ in given}
            message["headers"] = [*given, *(header for header in self._added if header[0] not in names)]
        elif message["type"] == "http.response.body":
            self.complete = not message.get("more_body", False)
        await self._send(message)
