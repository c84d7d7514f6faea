"""A hub on a fresh database, and a practice provider that it may reach: `world` has both, and the short ways there.

Tests run on SQLite unless their module says otherwise; what depends on locks and clocks runs on PostgreSQL as well.
"""

import asyncio
import base64
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import asyncpg
import pytest
from sqlalchemy import func, make_url, select, update

from tieline.connections import Connection, Reference
from tieline.connections.pages import Page
from tieline.connections.tables import connect_sessions, connections, credentials
from tieline.connections.types import NewConnectSession
from tieline.hub import Bound, Hub
from tieline.testing import (
    Browser,
    PracticeProvider,
    practice_document,
    practice_key_document,
    serve,
)

KEYS = "test:" + base64.b64encode(bytes(range(32))).decode()
RETURN_TO = "https://app.example/done?from=settings"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass
class Visit:
    """One user's way through a connect session: what the browser was given."""

    session: NewConnectSession
    browser: str | None = None
    page: Page | None = None
    callback: tuple[str, dict[str, str]] = ("", {})

    @property
    def token(self) -> str:
        return self.session.token.reveal()

    @property
    def nonce(self) -> str:
        """Of the address that the application gets the browser back at."""
        return dict(parse_qsl(urlsplit(self.page.url.reveal()).query))["tieline_nonce"]


@dataclass
class World:
    hub: Hub
    practice: PracticeProvider
    base: str
    open_hub: Callable[[], AbstractAsyncContextManager[Hub]]

    @cached_property
    def acme(self) -> Bound:
        return self.hub.organization("acme")

    async def register(self, **changes: object) -> str:
        """The OAuth 2 document with its client; the provider's id."""
        provider = await self.acme.providers.register(practice_document(self.base, **changes))
        await self.acme.integrations.put(provider.id, client_id="practice-client", client_secret="practice-secret")
        return provider.id

    async def register_key(self, **changes: object) -> str:
        return (await self.acme.providers.register(practice_key_document(self.base, **changes))).id

    async def imported(
        self, provider: str, *, end_user: str = "ada", user: str = "ada@practice.example", **given: Any
    ) -> Connection:
        """A connection of this user with a fresh grant of this person."""
        granted = self.practice.issue_tokens(user=user)
        tokens = {
            "accessToken": granted["access_token"],
            "refreshToken": granted["refresh_token"],
            "expiresAt": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
            "scopes": "profile items",
        }
        return await self.acme.connections.create(provider=provider, end_user=end_user, credentials=tokens, **given)

    async def until(self, condition: Callable[[], bool], *, seconds: float = 60) -> None:
        """Looks every hundredth of a second."""
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110  what the practice provider has done is no event
                await asyncio.sleep(0.01)

    async def age(self, connection: Connection, *, living: bool) -> None:
        """A refresh is due; the access token lives on, or is over here and there."""
        now = datetime.now(UTC)
        over = now + timedelta(hours=1) if living else now - timedelta(seconds=1)
        columns = {"refresh_at": now - timedelta(seconds=1), "expires_at": over}
        await self.change(update(credentials).where(credentials.c.connection_id == connection.id).values(columns))
        if not living:
            self.practice.expire_access_tokens()

    async def change(self, statement: Any) -> None:
        await self.hub.db.write(lambda open_: open_.execute(statement))

    async def credential(self, connection: Connection) -> Any:
        """The stored row."""
        query = select(credentials).where(credentials.c.connection_id == connection.id)
        return await self.hub.db.read(lambda open_: open_.execute(query).one())

    async def row(self, connection: Connection) -> Any:
        query = select(connections).where(connections.c.id == connection.id)
        return await self.hub.db.read(lambda open_: open_.execute(query).one())

    async def count(self) -> int:
        """Connections and credentials there are."""
        queries = [select(func.count()).select_from(table) for table in (connections, credentials)]
        return await self.hub.db.read(lambda open_: sum(open_.execute(each).scalar_one() for each in queries))

    async def token(self, connection: Connection, hub: Hub | None = None) -> str:
        """The access token that one would use now."""
        noun = (self.acme if hub is None else hub.organization("acme")).connections
        return (await noun.credentials(Reference(id=connection.id))).access_token.reveal()

    async def call(self, connection: Connection, path: str = "/me", *, method: str = "GET", **given: Any) -> Any:
        async with self.acme.http(connection.id) as http:
            return await http.request(method, path, **given)

    async def actions(self, **filters: Any) -> list[str]:
        """Of the audit, oldest first."""
        page = await self.acme.audit.list(limit=200, **filters)
        return [event.action for event in reversed(page.items)]

    async def session(self, visit: Visit) -> Any:
        """The stored row."""
        query = select(connect_sessions).where(connect_sessions.c.id == visit.session.session.id)
        return await self.hub.db.read(lambda open_: open_.execute(query).one())

    async def start(self, provider: str, *, end_user: str = "ada", return_to: str | None = RETURN_TO, **given: Any):
        return Visit(await self.acme.connect.start(provider=provider, end_user=end_user, return_to=return_to, **given))

    async def leave(self, visit: Visit) -> None:
        """To the provider, and to where it sends the browser back."""
        page = await self.hub.connect.flow.submit(visit.token, {}, method=None, browser=visit.browser)
        visit.browser = page.browser.reveal()
        async with Browser() as browser:
            back = urlsplit(await browser.follow_until(page.url.reveal(), self.hub.settings.url))
        visit.callback = (back.path.rpartition("/")[2], dict(parse_qsl(back.query)))

    async def come_back(self, visit: Visit) -> Page:
        row, params = visit.callback
        visit.page = await self.hub.connect.flow.callback(row, params, browser=visit.browser)
        return visit.page

    async def visited(self, provider: str, **given: Any) -> Visit:
        """All of the browser's part: only the completion is left."""
        visit = await self.start(provider, **given)
        await self.leave(visit)
        await self.come_back(visit)
        return visit

    async def complete(self, visit: Visit, *, end_user: str = "ada") -> Any:
        return await self.acme.connect.complete(nonce=visit.nonce, end_user=end_user)

    async def connected(self, provider: str, *, end_user: str = "ada", **given: Any) -> Connection:
        visit = await self.visited(provider, end_user=end_user, **given)
        return (await self.complete(visit, end_user=end_user)).connection


@pytest.fixture(params=["sqlite"])
def database_kind(request: pytest.FixtureRequest) -> str:
    """`pytestmark = BOTH` in a module: `pytest.mark.parametrize("database_kind", [...], indirect=True)`."""
    return request.param


@pytest.fixture(scope="session")
def migrated_file(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with the built-in providers as well, which a hub would store anew for each test."""
    file = tmp_path_factory.mktemp("stocked") / "tieline.db"
    shutil.copyfile(migrated_file, file)
    asyncio.run(_stock(f"sqlite:///{file}"))
    return file


@pytest.fixture(scope="session")
def migrated_template(postgresql: str, migrated_template: str) -> Iterator[str]:
    """A copy, as above."""
    name = f"{migrated_template}_stocked"
    asyncio.run(_execute(postgresql, f"CREATE DATABASE {name} TEMPLATE {migrated_template}"))
    asyncio.run(_stock(make_url(postgresql).set(database=name).render_as_string(hide_password=False)))
    yield name
    asyncio.run(_execute(postgresql, f"DROP DATABASE {name} WITH (FORCE)"))


async def _execute(server: str, statement: str) -> None:
    connection = await asyncpg.connect(server)
    await connection.execute(statement)
    await connection.close()


async def _stock(url: str) -> None:
    async with Hub.open(url, keys=KEYS):
        pass


@pytest.fixture
def practice() -> PracticeProvider:
    return PracticeProvider()


@pytest.fixture
async def base(practice: PracticeProvider) -> AsyncIterator[str]:
    async with serve(practice.app) as url:
        yield url


@pytest.fixture
def open_hub(database_url: str) -> Callable[[], AbstractAsyncContextManager[Hub]]:
    """Another process, as far as the database can tell."""
    return lambda: Hub.open(database_url, keys=KEYS, egress_allow="127.0.0.0/8")


@pytest.fixture
async def world(
    open_hub: Callable[[], AbstractAsyncContextManager[Hub]], practice: PracticeProvider, base: str
) -> AsyncIterator[World]:
    async with open_hub() as hub:
        yield World(hub, practice, base, open_hub)
