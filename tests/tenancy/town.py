"""Two platforms with two customers each, who all have the same things under the same names; and keys of every kind.

Every text that a tenant gives holds its own marker, by which it is found in whatever somebody else is answered.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
from sqlalchemy import update
from tests.tenants import Tenants, settle

from tieline import Hub
from tieline.actor import PERMISSIONS, Actor
from tieline.api import app
from tieline.organizations.tables import api_keys
from tieline.organizations.types import Restrictions
from tieline.testing import Browser, PracticeProvider, practice_document, serve

SLUGS = {"platform": "default", **{name: name for name in ("rival", "acme", "globex", "umbrella", "hooli")}}
READ = frozenset({"organizations:read", "providers:read", "integrations:read", "connections:read", "audit:read"})
USERS = ("ada", "bo")
SHARED = "openai"
"""A provider of the instance, which everybody connects under the same row."""
COMMON_CLIENT, ONE_CLIENT = "discord", "dropbox"
"""Providers of the instance: platforms, acme and hooli have a client at the one, at the other only acme has."""


def marker(slug: str, kind: str) -> str:
    return f"zz{slug}{kind}zz"


@dataclass(frozen=True)
class Target:
    """What a request names. `owner` is the organization's slug."""

    owner: str
    connection: str = ""
    end_user: str = ""
    provider: str = ""
    template: str = ""
    session: str = ""
    nonce: str = ""
    key: str = ""

    def unknown(self) -> "Target":
        """The same, of which nothing exists; each id as long as it was."""
        names = {name: value for name, value in asdict(self).items() if value}
        return Target(**{name: _never(value) for name, value in names.items()})

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(value for value in asdict(self).values() if value)


def _never(value: str) -> str:
    head, mark, tail = value.partition("_")
    return f"{head}_{'z' * len(tail)}" if mark else "q" * len(value)


@dataclass(frozen=True)
class Caller:
    """Who asks. `organization` goes into the header Tieline-Organization."""

    name: str
    key: str | None = field(repr=False, default=None)
    organization: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        given = {} if self.key is None else {"Authorization": f"Bearer {self.key}"}
        return given if self.organization is None else given | {"Tieline-Organization": self.organization}


@dataclass
class Town:
    hub: Hub
    http: httpx2.AsyncClient
    practice: PracticeProvider
    practice_url: str
    tenants: Tenants
    keys: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    targets: dict[str, Target] = field(default_factory=dict[str, Target])
    _numbers: Any = field(default_factory=lambda: count(1))

    def actor(self, slug: str) -> Actor:
        return getattr(self.tenants, "platform" if slug == "default" else slug)

    async def ask(self, caller: Caller, method: str, path: str, **given: Any) -> httpx2.Response:
        headers = caller.headers | given.pop("headers", {})
        return await self.http.request(method, path, headers=headers, **given)

    def document(self, slug: str, provider: str, **changes: Any) -> dict[str, Any]:
        return practice_document(self.practice_url, id=provider, name=marker(slug, "provider"), **changes)

    async def key(self, slug: str, name: str, *, scopes: frozenset[str] = frozenset(PERMISSIONS), **to: Any) -> str:
        narrowed = Restrictions(**to) if to else None
        new = await self.hub.api_keys.create(
            self.actor(slug), marker(slug, "key"), scopes=scopes, restrictions=narrowed
        )
        self.targets[slug] = replace(self.targets[slug], key=new.api_key.id)
        self.keys[name] = new.key.reveal()
        return self.keys[name]

    async def connection(self, slug: str, provider: str, end_user: str) -> str:
        tokens = self.practice.issue_tokens()
        given = {"accessToken": tokens["access_token"], "refreshToken": tokens["refresh_token"]}
        if provider == SHARED:
            given = None
        made = await self.hub.connections.create(
            self.actor(slug),
            provider=provider,
            end_user=end_user,
            credentials=given,
            inputs=None if given else {"apiKey": "sk-shared"},
            account_id=f"account-{next(self._numbers)}" if provider != SHARED else None,
            label=marker(slug, "connection"),
            metadata={"of": marker(slug, "connection")},
            check=False,
        )
        return made.id

    async def session(self, slug: str, provider: str, end_user: str) -> Any:
        given = {"context": {"of": marker(slug, "session")}, "return_to": "https://app.example/done"}
        return await self.hub.connect.start(self.actor(slug), provider=provider, end_user=end_user, **given)

    async def nonce(self, slug: str, provider: str, end_user: str) -> str:
        """Of a user who came back, and whose application has not completed yet."""
        started, flow = await self.session(slug, provider, end_user), self.hub.connect.flow
        page = await flow.submit(started.token.reveal(), {}, method=None, browser=None)
        async with Browser() as browser:
            back = urlsplit(await browser.follow_until(page.url.reveal(), self.hub.settings.url))
        row, params = back.path.rpartition("/")[2], dict(parse_qsl(back.query))
        page = await flow.callback(row, params, browser=page.browser.reveal())
        return dict(parse_qsl(urlsplit(page.url.reveal()).query))["tieline_nonce"]

    async def provider(self, slug: str, provider: str, **changes: Any) -> None:
        """With a client, where it is no template."""
        actor = self.actor(slug)
        await self.hub.providers.register(actor, self.document(slug, provider, **changes))
        if "isTemplate" not in changes:
            client = {"client_id": self.practice.client_id, "client_secret": self.practice.client_secret}
            await self.hub.integrations.put(actor, provider, **client)

    async def fresh(self, slug: str) -> Target:
        """Things that nobody has touched yet, of the one user of this tenant that no other has."""
        end_user = self.targets[slug].end_user
        number = next(self._numbers)
        provider = f"fresh-{slug}-{number}"
        await self.provider(slug, provider)
        connection = await self.connection(slug, provider, end_user)
        started = await self.session(slug, provider, end_user)
        await self.key(slug, f"fresh-{number}")
        return replace(self.targets[slug], provider=provider, connection=connection, session=started.session.id)

    async def settle(self, slug: str) -> None:
        """What every tenant has: the common names, its own ones, and two users."""
        own = f"crm-{slug}"
        user = f"user-of-{slug}"
        self.targets[slug] = Target(slug, end_user=user, provider=own, template=f"tpl-{slug}")
        for provider in ("crm", own):
            await self.provider(slug, provider)
        await self.provider(slug, f"tpl-{slug}", isTemplate=True)
        client = {"client_id": marker(slug, "integration"), "client_secret": "secret"}
        for provider, have in ((COMMON_CLIENT, ("default", "rival", "acme", "hooli")), (ONE_CLIENT, ("acme",))):
            if slug in have:
                await self.hub.integrations.put(self.actor(slug), provider, **client)
        for user in USERS:
            await self.connection(slug, SHARED, user)
            await self.connection(slug, "crm", user)
        named = await self.connection(slug, own, user)
        started = await self.session(slug, own, user)
        await self.key(slug, f"owner-{slug}")
        await self.hub.organizations.put(self.actor(slug), SLUGS.get(slug, slug), name=marker(slug, "organization"))
        self.targets[slug] = replace(self.targets[slug], connection=named, session=started.session.id)

    async def expire(self, name: str) -> None:
        """The key of this name was good until a minute ago."""
        over = update(api_keys).where(api_keys.c.hint == self.keys[name][-4:])
        over = over.values(expires_at=datetime.now(UTC) - timedelta(minutes=1))
        await self.hub.db.write(lambda connection: connection.execute(over))


@asynccontextmanager
async def town_on(hub: Hub) -> AsyncIterator[Town]:
    practice = PracticeProvider()
    transport = httpx2.ASGITransport(app=app(hub), raise_app_exceptions=False)
    async with (
        serve(practice.app) as practice_url,
        httpx2.AsyncClient(transport=transport, base_url="http://tieline.test", timeout=20) as http,
    ):
        town = Town(hub, http, practice, practice_url, await hub.db.write(settle))
        # Customers first: a name that the platform has would be taken for them.
        for slug in ("acme", "globex", "umbrella", "hooli", "default", "rival"):
            await town.settle(slug)
        yield town
