"""One ASGI application: management routes by FastAPI, streams by plain Starlette, and in front of them what is theirs.

No address is ever made from the Host header, and nothing redirects: a slash too many is a 404.
"""

from functools import partial
from importlib.metadata import version
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from tieline import ui
from tieline.api import (
    api_keys,
    audit,
    connect,
    connections,
    integrations,
    operations,
    organizations,
    providers,
    streaming,
)
from tieline.api.asking import HUB
from tieline.api.envelope import Envelope
from tieline.api.idempotency import Idempotency
from tieline.api.limits import DEADLINE, WholeBodies
from tieline.api.mounted import CurrentUser, complete_route
from tieline.api.openapi import document
from tieline.api.problems import answer
from tieline.errors import TielineError
from tieline.hub import Hub, Opening

_NOUNS = (providers, integrations, connect, connections, organizations, api_keys, audit, operations)
_DESCRIPTION = (
    "Let the users of an application connect their accounts at other services, and use them. Authenticate with "
    "`Authorization: Bearer tl_...`; act for a customer with `Tieline-Organization: <slug>`. Writes take an "
    "`Idempotency-Key`. Errors are problems (RFC 9457)."
)


class Application:
    """What `app` makes. `addresses` are those of all routes; `openapi()` describes them."""

    def __init__(self, hub: Hub, *, current_user: CurrentUser | None = None, body_deadline: float = DEADLINE) -> None:
        self.hub = hub
        self._management = _management(hub, current_user)
        whole = WholeBodies(Idempotency(self._management, hub), deadline=body_deadline)
        self._slow, self._hot = Envelope(whole), Envelope(streaming.streams, marked=True)

    @property
    def addresses(self) -> dict[str, bool]:
        """The paths of all routes, with whether each is for programs, and so in the OpenAPI document."""
        contexts = iter_route_contexts(self._management.routes)
        managed = {str(each.path): bool(each.include_in_schema) for each in contexts}
        return managed | dict.fromkeys(streaming.ADDRESSES, True)

    def openapi(self) -> dict[str, Any]:
        return document(self._management)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._management(scope, receive, send)
            return
        raw = _raw_path(scope)
        inner = {**scope, HUB: self.hub, "app": self._management}
        path = raw.removeprefix(scope.get("root_path", ""))
        if path.startswith(("/proxy/", "/v1/end-users/")) or _is_stream(path):
            # Taken as it came: what is encoded in a provider's path, or in a user's id, stays one segment.
            inner["path"] = raw
        await (self._hot if _is_stream(path) else self._slow)(inner, receive, send)


def app(hub: Hub, *, current_user: CurrentUser | None = None) -> Application:
    """The application of an open hub. Mounted, it answers under the path it is mounted at.

    `current_user` gives the user of the application it is mounted in, for `GET /connect/complete`.
    """
    return Application(hub, current_user=current_user)


def unopened(opening: Opening, *, current_user: CurrentUser | None = None) -> ASGIApp:
    """The application of a hub that its host opens, or the server when it is served by itself."""
    alone = Router(lifespan=opening.lifespan)
    made: Application | None = None

    async def opened(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal made
        if scope["type"] == "lifespan":
            await alone(scope, receive, send)
            return
        if made is None or made.hub is not opening.hub:
            made = app(opening.hub, current_user=current_user)
        await made(scope, receive, send)

    return opened


def _management(hub: Hub, current_user: CurrentUser | None) -> FastAPI:
    handlers: dict[Any, Any] = dict.fromkeys((TielineError, HTTPException, Exception), answer)
    made = FastAPI(
        title="Tieline",
        version=version("tieline"),
        description=_DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers=handlers,
    )
    for noun in _NOUNS:
        made.include_router(noun.router)
    if current_user is not None:
        made.router.routes.append(complete_route(current_user))
    made.router.routes.extend(ui.routes(hub))
    made.openapi = partial(document, made)  # pyright: ignore[reportAttributeAccessIssue]  # FastAPI's own way to extend it
    return made


def _raw_path(scope: Scope) -> str:
    raw: bytes | None = scope.get("raw_path")
    return quote(scope["path"], safe="/:@!$&'()*+,;=~") if raw is None else raw.decode("latin-1")


def _is_stream(path: str) -> bool:
    """Of a path as it came."""
    if path.startswith("/proxy/"):
        return True
    match path.split("/", 7):
        case ["", "v1", "connections", _, "proxy" | "credentials", *_]:
            return True
        case ["", "v1", "end-users", _, "connections", _, "proxy" | "credentials", *_]:
            return True
        case _:
            return False
