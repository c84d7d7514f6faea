"""The only wiring: one object that has every noun. Faces are its clients; `import tieline` gives it to applications."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from inspect import isawaitable
from types import TracebackType
from typing import Any

import httpx2
from sqlalchemy import Connection, delete, select

from tieline import catalog
from tieline.actor import PERMISSIONS, Actor
from tieline.audit import Audit
from tieline.audit.sealed import SEALED as of_audit
from tieline.connections import Connect, Connections, Credentials, Hot, Loader, Proxy, Reference
from tieline.connections.client import authorised_client
from tieline.connections.rows import count_of_provider
from tieline.connections.sealed import SEALED as of_connections
from tieline.connections.tables import connect_sessions
from tieline.egress import AddressPolicy, Egress
from tieline.errors import Misconfigured
from tieline.integrations import Integrations
from tieline.integrations.sealed import SEALED as of_integrations
from tieline.jobs import Handler, Job, Worker, schedule
from tieline.limits import Limiter
from tieline.organizations import ApiKeys, Organizations
from tieline.organizations.api_keys import create as create_key
from tieline.organizations.organizations import platform_id
from tieline.organizations.tables import api_keys
from tieline.organizations.types import NewApiKey
from tieline.providers import Documents, Providers
from tieline.providers.builtin import missing, store
from tieline.settings import Settings, load_settings
from tieline.storage import Database, migrate
from tieline.storage.cells import ANSWERS
from tieline.storage.changes import Changes
from tieline.storage.key_changes import Keys
from tieline.storage.keys import load_key_ring
from tieline.storage.metadata import alone
from tieline.storage.tables import idempotency
from tieline.storage.vault import Vault

Asgi = Callable[[Any, Any, Any], Awaitable[None]]

SEALED = (*of_connections, *of_integrations, *of_audit, ANSWERS)
"""All that is sealed in the database: what rotating the keys has to seal anew."""
RESEAL = "keys.reseal"
_RESEAL_SECONDS = 20


class Hub:
    """Every noun, with the Actor as the first parameter of each method; `organization(slug)` binds it."""

    def __init__(self, settings: Settings, db: Database, vault: Vault, *, egress: Egress | None = None) -> None:
        self.settings = settings
        self.db = db
        self.vault = vault
        self.egress = egress or Egress(AddressPolicy(settings.allowed_networks, settings.allowed_hosts))
        self.audit = Audit(db, vault)
        self.changes = Changes(db)
        documents = Documents()
        loader = Loader(vault, documents)
        self.organizations = Organizations(db)
        self.api_keys = ApiKeys(db)
        self.providers = Providers(db, documents, in_use=count_of_provider)
        self.integrations = Integrations(db, vault, documents, public_url=settings.url)
        self.hot = Hot(db, loader)
        self.fresh = Credentials(db, loader, self.egress, hot=self.hot)
        self.connections = Connections(db, loader, self.egress, self.fresh, self.audit)
        self.connect = Connect(db, loader, self.egress, public_url=settings.url)
        self.proxy = Proxy(self.fresh, self.egress, self.audit, Limiter())
        file = settings.key_file if settings.is_embedded and not settings.keys else None
        self.keys = Keys(db, vault, SEALED, self.changes, file=file)
        handlers = {"purge": Handler(self._purge, every=timedelta(minutes=5)), RESEAL: Handler(self._reseal)}
        self.worker = Worker(db, handlers)

    @classmethod
    def open(
        cls, database: str = "", *, settings: Settings | None = None, egress: Egress | None = None, **flags: str
    ) -> "Opening":
        """A hub on `sqlite:///file` or `postgresql://...`; without an address, on SQLite in the data folder.

        Brings the schema up to date, stores the built-in providers, and starts what runs in the background. `flags` are
        settings by name (`egress_allow="127.0.0.0/8"`). An `egress` of one's own brings its authorities and resolver;
        it is closed with the hub. Raises Misconfigured.
        """
        chosen = settings or load_settings(file=None, **flags)
        if database:
            chosen = replace(chosen, database_url=database)
        return Opening(lambda: cls._opened(chosen, egress))

    def asgi(self, *, current_user: Any = None) -> "Asgi":
        """The HTTP face as an ASGI application, to be served or mounted. `current_user(request)` gives the id of the
        user of the application it is mounted in, for `GET connect/complete`. Needs the `server` extra."""
        # The face stands above the hub, and only who serves it needs it.
        from tieline.api import app

        return app(self, current_user=current_user)

    @classmethod
    @asynccontextmanager
    async def _opened(cls, chosen: Settings, egress: Egress | None) -> "AsyncGenerator[Hub]":
        async with AsyncExitStack() as stack:
            db = await Database.open(chosen.database)
            stack.push_async_callback(db.close)
            await migrate(db)
            ring = await load_key_ring(chosen, db)
            hub = cls(chosen, db, Vault(ring), egress=egress)
            await hub._store_catalog()
            for part in (hub.audit, hub.changes, hub.keys, hub.worker):
                await part.start()
                stack.push_async_callback(part.close)
            if hub.keys.several:
                await db.write(_reseal_soon)
            stack.push_async_callback(hub.egress.close)
            stack.push_async_callback(hub.fresh.drain)
            stack.push_async_callback(hub.connect.drain)
            yield hub

    def organization(self, slug: str) -> "Bound":
        """The same nouns, for trusted code in this process that acts for this organization: the platform `default`,
        or a customer of it, made on first use."""
        return Bound(self, slug)

    async def create_first_key(self) -> NewApiKey | None:
        """The owner's key of a fresh install: every scope. Shown once. None where there are keys already: of servers
        that start at once, one makes it."""

        def create(connection: Connection) -> NewApiKey | None:
            alone(connection, "first key")
            organization = platform_id(connection)
            if connection.execute(select(api_keys.c.id).where(api_keys.c.org == organization).limit(1)).first():
                return None
            return create_key(connection, organization, "owner", scopes=PERMISSIONS, created_by="init")

        return await self.db.write(create)

    def http(self, actor: Actor, reference: Reference) -> AbstractAsyncContextManager[httpx2.AsyncClient]:
        """An authorised httpx2 client for one connection."""
        return authorised_client(self.proxy, actor, reference)

    async def _store_catalog(self) -> None:
        known = catalog.versions()
        for slug in await self.db.read(lambda connection: missing(connection, known)):
            document = catalog.document(slug)
            await self.db.write(lambda connection, document=document: store(connection, document))

    async def _reseal(self, job: Job) -> None:
        """What is sealed with another key than the first one; as long as there is any, again at once."""
        done = await self.keys.reseal(seconds=_RESEAL_SECONDS)
        if not done.finished:
            await self.db.write(_reseal_soon)

    async def _purge(self, job: Job) -> None:
        """Sessions that ended a day ago, and answers to repeated requests whose day is over."""
        now = datetime.now(UTC)
        old = delete(connect_sessions).where(connect_sessions.c.expires_at < now - timedelta(days=1))
        over = delete(idempotency).where(idempotency.c.expires_at < now)
        await self.db.write(lambda connection: (connection.execute(old), connection.execute(over)))


def _reseal_soon(connection: Connection) -> None:
    schedule(connection, RESEAL, "", due_at=datetime.now(UTC))


class Opening(AbstractAsyncContextManager[Hub]):
    """A hub that is not open yet: `async with` opens it.

    An application opens it with its own lifespan, `lifespan=hub.lifespan`, and mounts `hub.asgi()`: hosts do not run
    the lifespan of what is mounted in them. Served by itself, `hub.asgi()` opens it too.
    """

    def __init__(self, opened: Callable[[], AbstractAsyncContextManager[Hub]]) -> None:
        self._opened = opened
        self._stack = AsyncExitStack()
        self._hub: Hub | None = None

    async def __aenter__(self) -> Hub:
        self._hub = await self._stack.enter_async_context(self._opened())
        return self._hub

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._hub = None
        return bool(await self._stack.__aexit__(kind, error, trace))

    @property
    def hub(self) -> Hub:
        """Raises Misconfigured while it is not open."""
        if self._hub is None:
            raise Misconfigured("The hub is not open. Give the application `lifespan=hub.lifespan`.")
        return self._hub

    @asynccontextmanager
    async def lifespan(self, _: object) -> AsyncGenerator[None]:
        """The lifespan of an application: open while that runs."""
        async with self:
            yield

    def asgi(self, *, current_user: Any = None) -> "Asgi":
        """As `Hub.asgi`, to be made before the hub is open."""
        from tieline.api import unopened

        return unopened(self, current_user=current_user)


class Bound:
    """The nouns of one organization: `acme.providers.register(...)` is `hub.providers.register(actor, ...)`."""

    def __init__(self, hub: Hub, slug: str) -> None:
        self._hub = hub
        self._slug = slug
        self._actor: Actor | None = None

    async def actor(self) -> Actor:
        if self._actor is None:
            self._actor = await self._hub.organizations.library_actor(self._slug)
        return self._actor

    def __getattr__(self, noun: str) -> "BoundNoun":
        return BoundNoun(getattr(self._hub, noun), self.actor)

    @asynccontextmanager
    async def http(
        self,
        connection: str | None = None,
        *,
        end_user: str | None = None,
        provider: str | None = None,
        account: str | None = None,
    ) -> AsyncGenerator[httpx2.AsyncClient]:
        """An authorised httpx2 client, by connection id or by whose it is."""
        reference = Reference(connection, end_user, provider, account)
        async with self._hub.http(await self.actor(), reference) as client:
            yield client


class BoundNoun:
    """A noun whose methods get the actor by themselves."""

    def __init__(self, noun: object, actor: Callable[[], Any]) -> None:
        self._noun = noun
        self._actor = actor

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._noun, name)

        async def bound(*args: object, **kwargs: object) -> Any:
            result = method(await self._actor(), *args, **kwargs)
            return await result if isawaitable(result) else result

        return bound
