"""The practice provider as one ASGI application: an OAuth 2 authorization server and an API that accepts its tokens."""

from functools import cached_property

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from tieline.testing.api import Api
from tieline.testing.authorization import AuthorizationEndpoint
from tieline.testing.control import Control
from tieline.testing.practice import Practice
from tieline.testing.resources import path_without_key
from tieline.testing.tokens import TokenEndpoint


class PracticeProvider(Practice):
    """`app` is the application; everything else is state, which may be read and changed while it runs."""

    @cached_property
    def app(self) -> Starlette:
        endpoints = (AuthorizationEndpoint(self), TokenEndpoint(self), Api(self), Control(self))
        routes = [route for each in endpoints for route in each.routes()]
        return Starlette(routes=routes, middleware=[Middleware(_Recorder, calls=self.calls)])


class _Recorder:
    """Notes every call but those that control the provider."""

    def __init__(self, app: ASGIApp, calls: list[str]) -> None:
        self._app = app
        self._calls = calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith("/_practice/"):
            self._calls.append(f"{scope['method']} {path_without_key(scope['path'])}")
        await self._app(scope, receive, send)
