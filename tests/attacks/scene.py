"""Where the flow is attacked: Tieline and its pages, a practice provider, an application, and two people, each with a
browser of their own. Ada is the one to be harmed, Mallory the one who does it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx2
from sqlalchemy import select

from tieline import Hub
from tieline.api import app
from tieline.client import AsyncClient
from tieline.connections.tables import connect_sessions, connections, credentials
from tieline.connections.types import NewConnectSession
from tieline.settings import load_settings
from tieline.testing import Browser, Page, PracticeProvider, practice_document, practice_key_document, serve

from ..journeys.places import free_port  # noqa: TID252  # no package
from .application import Application

Kind = Literal["asked", "silent", "key"]
"""How a user connects: the provider asks for consent, has it already and sends the browser on, or a key is typed."""
KEY = "practice-key"


@dataclass
class Scene:
    """`acme` has the nouns of the application's organization, over HTTP."""

    hub: Hub
    url: str
    acme: Any
    practice: PracticeProvider
    practice_url: str
    application: Application
    ada: Browser = field(repr=False)
    mallory: Browser = field(repr=False)

    async def register(self, kind: Kind, **changes: Any) -> str:
        """The provider's id."""
        if kind == "key":
            return (await self.acme.providers.register(practice_key_document(self.practice_url, **changes))).id
        self.practice.switches.consent = "auto" if kind == "silent" else "page"
        provider = (await self.acme.providers.register(practice_document(self.practice_url, **changes))).id
        client = {"client_id": self.practice.client_id, "client_secret": self.practice.client_secret}
        await self.acme.integrations.put(provider, **client)
        return provider

    async def start(self, provider: str, end_user: str, **more: Any) -> NewConnectSession:
        """For a user of the application, who comes back to it unless `more` says otherwise."""
        more = more or {"return_to": self.application.return_to}
        return await self.acme.connect.start(provider=provider, end_user=end_user, **more)

    async def link(self, provider: str, end_user: str, **more: Any) -> str:
        return (await self.start(provider, end_user, **more)).url.reveal()

    async def connect(self, browser: Browser, link: str, *, until: str | None = None) -> Page:
        """All that somebody does who is shown a link: connects, types the key, says yes wherever it is asked for."""
        return await self.press(browser, await browser.open(link, until=until), until=until)

    async def press(self, browser: Browser, page: Page, *, until: str | None = None) -> Page:
        """As `connect`, from the page on."""
        form = page.form("connect")
        typed = {"apiKey": KEY} if "apiKey" in form.names else {}
        return await self.consent(browser, await browser.submit(form, until=until, **typed), until=until)

    async def consent(self, browser: Browser, page: Page, *, until: str | None = None) -> Page:
        """Says yes at the provider, where it asks."""
        if not any(form.name == "consent" for form in page.forms):
            return page
        return await browser.submit(page.form("consent"), until=until, decision="allow")

    async def authorize_url(self, browser: Browser, link: str) -> str:
        page = await browser.open(link)
        return await browser.submit_until(page.form("connect"), self.practice_url)

    async def callback(self, browser: Browser, link: str) -> str:
        """The address with code and state, which this browser was sent to and has not opened."""
        return (await self.connect(browser, link, until=f"{self.url}/oauth/callback/")).location or ""

    async def returning(self, browser: Browser, link: str) -> str:
        """The application's address with the nonce, which this browser was sent to and has not opened."""
        return (await self.connect(browser, link, until=self.application.url)).location or ""

    async def audited(self) -> list[str]:
        page = await self.acme.audit.list(limit=200)
        return [event.action for event in page.items]

    async def nothing_was_connected(self) -> bool:
        """No code reached the token endpoint, and no connection or credential is stored."""
        asked = "POST /token" in self.practice.calls or self.practice.codes_exchanged
        return not asked and await self._count() == 0

    async def whose(self) -> list[str]:
        """The end users who have a connection."""
        return sorted(each.end_user for each in (await self.acme.connections.list()).items)

    async def kept(self, session: NewConnectSession) -> bytes | None:
        """What is sealed in the session."""
        query = select(connect_sessions.c.sealed).where(connect_sessions.c.id == session.session.id)
        return await self.hub.db.read(lambda open_: open_.execute(query).scalar_one())

    async def _count(self) -> int:
        tables = (connections, credentials)
        return await self.hub.db.read(lambda open_: sum(len(open_.execute(select(each)).all()) for each in tables))


@asynccontextmanager
async def scene_on(database_url: str, keys: str) -> AsyncIterator[Scene]:
    port, application, practice = free_port(), Application(), PracticeProvider()
    settings = load_settings({}, database_url=database_url, keys=keys, port=str(port), egress_allow="127.0.0.0/8")
    async with (
        serve(application.app) as application.url,
        serve(practice.app) as practice_url,
        Hub.open(settings=settings) as hub,
        serve(app(hub), port=port) as url,
        _browser() as ada,
        _browser() as mallory,
        httpx2.AsyncHTTPTransport(verify=False) as transport,
    ):
        key = (await hub.create_first_key()).key
        application.acme = AsyncClient(url, key, transport=transport).organization("acme")
        for browser, user in ((ada, "ada"), (mallory, "mallory")):
            await browser.open(f"{application.url}/login/{user}")
        yield Scene(hub, url, application.acme, practice, practice_url, application, ada, mallory)


def _browser() -> Browser:
    # Loopback is plain http: reading the machine's authorities takes longer than many a test.
    return Browser(httpx2.AsyncClient(timeout=20, trust_env=False, verify=False))
