"""Where the pages are tried: a hub, its pages at an address, a practice provider, and what an application does."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from tieline import Hub, Secret
from tieline.settings import load_settings
from tieline.testing import Browser, PracticeProvider, practice_document, practice_key_document, serve
from tieline.ui import routes

RETURN_TO = "https://app.example/connected?tab=1"


@dataclass
class Stage:
    hub: Hub
    url: str
    practice: PracticeProvider
    practice_url: str
    acme: Any
    browsers: AsyncExitStack = field(repr=False)

    async def browser(self) -> Browser:
        return await self.browsers.enter_async_context(Browser())

    async def configured(self, document: dict[str, Any]) -> str:
        provider = await self.acme.providers.register(document)
        if any(method.type == "oauth2" for method in provider.auth_methods):
            secret = Secret(self.practice.client_secret)
            await self.acme.integrations.put(provider.id, client_id=self.practice.client_id, client_secret=secret)
        return provider.id

    async def oauth(self, **changes: Any) -> str:
        return await self.configured(practice_document(self.practice_url, **changes))

    async def key(self, **changes: Any) -> str:
        return await self.configured(practice_key_document(self.practice_url, **changes))

    async def link(self, provider: str, **more: Any) -> str:
        """The address of a new session's page."""
        session = await self.acme.connect.start(provider=provider, **{"end_user": "ada", **more})
        return session.url.reveal()

    async def complete(self, nonce: str, end_user: str = "ada") -> Any:
        return await self.acme.connect.complete(nonce=nonce, end_user=end_user)

    async def connections(self) -> list[Any]:
        return list((await self.acme.connections.list()).items)


@asynccontextmanager
async def stage(folder: Path, **settings: str) -> AsyncIterator[Stage]:
    """Pages at a port of their own; the public address is that one."""
    practice = PracticeProvider()
    late = _Late()
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(serve(late))
        practice_url = await stack.enter_async_context(serve(practice.app))
        wanted = {"data": str(folder), "egress_allow": "127.0.0.0/8", "public_url": url, **settings}
        hub = await stack.enter_async_context(Hub.open(settings=load_settings({}, **wanted)))
        late.app = Starlette(routes=routes(hub))
        browsers = await stack.enter_async_context(AsyncExitStack())
        yield Stage(hub, url, practice, practice_url, hub.organization("acme"), browsers)


def application(pages: dict[str, str]) -> Starlette:
    """Another site: paths and the HTML at them."""

    async def page(request: Request) -> Response:
        return HTMLResponse(pages.get(request.url.path, "<title>The application</title>"))

    return Starlette(routes=[Route("/{path:path}", page)])


def nonce_in(url: str) -> str:
    """What the application gets when the browser comes back to it."""
    return url.partition("tieline_nonce=")[2]


class _Late:
    """An application that is known after its address."""

    def __init__(self) -> None:
        self.app: Any = Starlette()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)
