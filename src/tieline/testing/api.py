"""The practice API: who may call what, and the switches that make it answer badly."""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from tieline.testing import resources
from tieline.testing.callers import presented, recognise
from tieline.testing.practice import Practice
from tieline.testing.resources import Call

Handler = Callable[[Call], Awaitable[Response]]

_ANY = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class Api:
    def __init__(self, practice: Practice) -> None:
        self._practice = practice

    def routes(self) -> list[BaseRoute]:
        """Everything is there three times: by itself, and with the key in the path before and behind the version."""
        health = Route("/health", self._guarded(resources.health))
        v1 = self._v1()
        return [
            health,
            Route("/userinfo", self._guarded(resources.userinfo, scope="profile"), methods=["GET", "POST"]),
            Mount("/key/{key}", routes=[health, Mount("/v1", routes=v1)]),
            Mount("/v1/key/{key}", routes=v1),
            Mount("/v1", routes=v1),
        ]

    def _v1(self) -> list[Route]:
        return [
            Route("/me", self._guarded(resources.me, scope="profile"), methods=["GET", "POST"]),
            Route("/items", self._guarded(resources.items, scope="items")),
            Route("/echo", self._guarded(resources.echo), methods=_ANY),
            Route("/upload", self._guarded(resources.upload), methods=["POST", "PUT"]),
            Route("/stream", self._guarded(resources.stream)),
            Route("/slow", self._guarded(resources.slow), methods=_ANY),
            Route("/big", self._guarded(resources.big)),
            Route("/redirect", self._guarded(resources.redirect), methods=_ANY),
            Route("/status/{code:int}", self._guarded(resources.status), methods=_ANY),
        ]

    def _guarded(self, handler: Handler, *, scope: str | None = None) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            await asyncio.sleep(self._practice.switches.api_slow)
            return self._overridden(request) or await self._admit(request, handler, scope)

        return endpoint

    async def _admit(self, request: Request, handler: Handler, scope: str | None) -> Response:
        given = await presented(request)
        if given is None:
            return _refused(401, 'Bearer realm="practice"', "no credential")
        caller = recognise(given, self._practice)
        if caller is None:
            return _refused(401, 'Bearer realm="practice", error="invalid_token"', "invalid_token")
        if scope is not None and scope not in caller.scopes:
            challenge = f'Bearer realm="practice", error="insufficient_scope", scope="{scope}"'
            return _refused(403, challenge, "insufficient_scope")
        if not self._practice.charge(f"{caller.place}:{caller.user}"):
            return self._trouble(429)
        return await handler(Call(request, caller, self._practice))

    def _overridden(self, request: Request) -> Response | None:
        statuses = self._practice.switches.api_status
        code = statuses.get(request.url.path, statuses.get("*"))
        return None if code is None else self._trouble(code)

    def _trouble(self, code: int) -> Response:
        return resources.status_response(code, retry_after=self._practice.switches.retry_after)


def _refused(status: int, challenge: str, error: str) -> Response:
    return JSONResponse({"error": error}, status_code=status, headers={"WWW-Authenticate": challenge})
