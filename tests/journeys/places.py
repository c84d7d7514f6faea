"""Where a journey happens: the hub, its server, the practice provider, and the application whose users connect."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from tests.canary.canary import Canary
from tests.canary.mark import CLIENT_SECRET, KEY, PASSWORD
from tests.canary.taps import Overheard

from tieline import Hub, Secret
from tieline.api import app
from tieline.client import AsyncClient
from tieline.connections.types import Completion, NewConnectSession
from tieline.egress import Egress
from tieline.settings import load_settings
from tieline.testing import Browser, Page, PracticeProvider, serve

CALLBACK_NONCE = "tieline_nonce"


@dataclass
class Application:
    """What is built on Tieline: it sends its users away with a connect session, and catches them coming back."""

    url: str = ""
    caught: list[dict[str, str]] = field(default_factory=list)

    @property
    def return_to(self) -> str:
        """With a query of its own, which must come back."""
        return f"{self.url}/connected?order=7"

    @property
    def nonce(self) -> str:
        """Of the user who came back last."""
        return self.caught[-1][CALLBACK_NONCE]

    @property
    def app(self) -> Starlette:
        return Starlette(routes=[Route("/connected", self._connected)])

    async def _connected(self, request: Request) -> Response:
        self.caught.append(dict(request.query_params))
        return HTMLResponse("<title>The application</title><h1>Welcome back</h1>")


@dataclass
class World:
    """`acme` has the nouns of the organization acme, in process or over HTTP: the journeys cannot tell which."""

    hub: Hub
    url: str
    key: Secret = field(repr=False)
    acme: Any
    practice: PracticeProvider
    practice_url: str
    application: Application
    browser: Browser

    async def configured(self, document: dict[str, Any]) -> Any:
        """The provider of this document, with the practice provider's client where it takes one."""
        provider = await self.acme.providers.register(document)
        if any(method.type == "oauth2" for method in provider.auth_methods):
            practice = self.practice
            await self.acme.integrations.put(
                provider.id, client_id=practice.client_id, client_secret=Secret(practice.client_secret)
            )
        return provider

    async def start(self, provider: str, end_user: str = "ada", **more: Any) -> NewConnectSession:
        more.setdefault("return_to", self.application.return_to)
        return await self.acme.connect.start(provider=provider, end_user=end_user, **more)

    async def visit(self, session: NewConnectSession, **typed: str) -> Page:
        """The browser opens the session's page and goes on from there, with what is typed in."""
        page = await self.browser.open(session.url.reveal())
        assert page.status == 200, page.text
        return await self.browser.submit(page.form("connect"), **typed)

    async def connect(self, provider: str, end_user: str = "ada", *, typed: Any = None, **more: Any) -> Completion:
        """The whole way: start, consent, come back, complete."""
        session = await self.start(provider, end_user, **more)
        page = await self.visit(session, **(typed or {}))
        assert page.title == "The application", page.text
        return await self.acme.connect.complete(nonce=self.application.nonce, end_user=end_user)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def practising() -> PracticeProvider:
    """A practice provider whose every secret the canary knows."""
    ada = "ada@practice.example"
    return PracticeProvider(client_secret=CLIENT_SECRET, api_keys={KEY: ada}, passwords={ada: PASSWORD})


@dataclass
class Ground:
    """What a world stands on: which face the journeys use, the database, the keys of the vault, and who listens."""

    face: str
    database_url: str
    keys: str
    canary: Canary


@asynccontextmanager
async def world_on(
    ground: Ground, practice: PracticeProvider, practice_url: str, *, egress: Egress | None = None
) -> AsyncIterator[World]:
    """Everything but the practice provider is served here, on free ports of this machine.

    At its end no secret may have come out anywhere.
    """
    port, application = free_port(), Application()
    settings = load_settings(
        {}, database_url=ground.database_url, keys=ground.keys, port=str(port), egress_allow="127.0.0.0/8"
    )
    async with (
        serve(application.app) as application.url,
        Hub.open(settings=settings, egress=egress) as hub,
        serve(Overheard(app(hub), ground.canary), port=port) as url,
        # Loopback is plain http: reading the machine's authorities takes longer than many a journey.
        Browser(httpx2.AsyncClient(timeout=20, trust_env=False, verify=False)) as browser,
        httpx2.AsyncHTTPTransport(verify=False) as transport,
    ):
        key = (await hub.create_first_key()).key
        client = AsyncClient(url, key, transport=transport)
        acme = client.organization("acme") if ground.face == "http" else hub.organization("acme")
        yield World(hub, url, key, acme, practice, practice_url, application, browser)
        assert await ground.canary.leaks(hub, ground.database_url) == []
