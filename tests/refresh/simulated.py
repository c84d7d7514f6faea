"""What a refresh stands on, simulated: processes that stall and die, a database and a provider that fail.

The code under test is the real one: Credentials, claims, acquire, saving and the SQL, on SQLite in memory. Every step
of every process takes a time that the seed decides, so that any order of steps may come out.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NoReturn
from urllib.parse import parse_qs

from sqlalchemy import Connection, create_engine, select
from sqlalchemy.pool import StaticPool
from time_machine import Traveller

from tieline.actor import Actor
from tieline.audit.tables import audit_events
from tieline.connections.access import Access
from tieline.connections.credentials import Credentials
from tieline.connections.grant import Grant
from tieline.connections.loading import Loaded
from tieline.connections.rows import Reference
from tieline.connections.tables import connections, credentials
from tieline.errors import ProviderUnavailable, StorageUnavailable
from tieline.integrations.registration import Registration
from tieline.manifest import load, resolve
from tieline.manifest.origins import Origins, origins_of
from tieline.organizations.tables import organizations
from tieline.protocols.http import HttpRequest, HttpResponse
from tieline.providers.tables import providers
from tieline.secret import Secret
from tieline.storage.metadata import metadata
from tieline.testing import Switches, practice_document
from tieline.testing.ledger import Ledger, TokenFault

START = datetime(2030, 1, 1, tzinfo=UTC)
ID = "conn_1"
ACTOR = Actor(kind="library", id="sim", organization="org_1", platform="org_1", permissions=frozenset(("connect",)))
REFERENCE = Reference(id=ID)

ANSWERED = ("500", "429", "html", "empty 400", "busy 200", "busy 400", "connect", "slow")
UNANSWERED = ("dropped before", "dropped after", "late before", "late after", "500 after")


class Broken(AssertionError):
    """A promise that did not hold."""


class OpenVault:
    """Sealing costs time and hides what the checks look at."""

    def seal(self, plain: bytes, *, about: object) -> bytes:
        return plain


@dataclass(eq=False)
class Flight:
    """A refresh that the provider is working on, and until when its claim keeps others away."""

    refresh_token: str
    claimed_until: datetime


@dataclass(eq=False)
class Process:
    """One server: its Credentials, its own clock, and the step it dies at."""

    world: "World"
    skew: timedelta
    dies_at: int | None = None
    stalls_at: int | None = None
    steps: int = 0
    dead: bool = False
    credentials: Credentials = field(init=False)

    def __post_init__(self) -> None:
        store, egress, loader = Store(self), SimulatedEgress(self), self.world.loader
        self.credentials = Credentials(store, loader, egress, clock=lambda: self.world.now() + self.skew)

    async def step(self) -> None:
        rng = self.world.rng
        self.steps += 1
        stalls = self.steps == self.stalls_at
        await asyncio.sleep(rng.uniform(1, 80) if stalls else rng.random() * self.world.pace)
        if stalls:
            self.world.lossy = self.world.stalled = True
        if self.steps == self.dies_at:
            self.dead = self.world.lossy = True
        if self.dead:
            await asyncio.get_running_loop().create_future()


class Store:
    """The Database of one process. A write may be refused, or made without its answer arriving."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._world = process.world

    async def read(self, query: Callable[[Connection], Any]) -> Any:
        await self._process.step()
        return query(self._world.database)

    async def write(self, change: Callable[[Connection], Any]) -> Any:
        await self._process.step()
        fault = self._world.write_fault()
        if fault == "refused":
            raise StorageUnavailable("simulated", retry_after=1)
        result = self._world.write(change)
        await self._process.step()
        if fault == "unanswered":
            raise StorageUnavailable("simulated", retry_after=1)
        return result


class SimulatedEgress:
    """The way from one process to the provider, which works on when nobody waits for its answer any more."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._world = process.world

    async def send(self, request: HttpRequest, *, to: object, deadline: float) -> HttpResponse:
        began = self._world.seconds()
        await self._process.step()
        if self._world.seconds() - began > deadline:
            # The deadline of the real one runs from here as well.
            raise ProviderUnavailable("simulated", reason="timeout", sent=False)
        refresh_token = parse_qs(request.body.decode())["refresh_token"][0]
        flight = self._world.departs(refresh_token)
        work = asyncio.get_running_loop().create_task(self._world.provider(flight))
        self._world.tasks.append(work)
        done, _ = await asyncio.wait({work}, timeout=deadline)
        if not done:
            self._world.flights.remove(flight)
        await self._process.step()
        if not done:
            raise ProviderUnavailable("simulated", reason="timeout", sent=True)
        return work.result()


class SimulatedLoader:
    """The rows by real SQL; the document, the registration and the origins are always the same."""

    def __init__(self, rotation: str) -> None:
        document = resolve(practice_document("https://practice.example", refresh={"rotation": rotation}))
        self.manifest = load(document)
        self.vault = OpenVault()
        nowhere = Registration("int_1", "own", True, None, None, {})
        bare = Access(self.manifest, "default", nowhere)
        self.origins = origins_of(self.manifest, bare.method, bare.values())
        self.registration = Registration(
            *("int_1", "own", True, None, None, {}),
            client_row_id="cli_1",
            client_id="practice-client",
            client_secret=Secret("practice-secret"),
            origins=self.origins,
        )
        columns = ("id", "org", "provider_id", "end_user", "auth_method", "state", "suspended_at", "error_code")
        named = [connections.c[name] for name in (*columns, "scopes", "origins")]
        self._found: Loaded | None = None
        self._row = select(*named, connections.c.provider_id.label("provider")).where(connections.c.id == ID)
        self._credential = select(credentials).where(credentials.c.connection_id == ID)

    def load(self, connection: Connection, actor: Actor, reference: Reference) -> Loaded:
        """What was found is the same until something is written."""
        if self._found is None:
            row = connection.execute(self._row).one()
            credential = connection.execute(self._credential).one()
            self._found = Loaded(row, credential, self.access(Grant.load(credential.sealed), self.origins))
        return self._found

    def forget(self) -> None:
        self._found = None

    def access(self, grant: Grant, origins: Origins | None = None) -> Access:
        return Access(
            self.manifest, "default", self.registration, grant=grant, origins=origins, connection_id=ID, end_user="ada"
        )


LOADERS = {rotation: SimulatedLoader(rotation) for rotation in ("none", "grace", "until_used", "strict")}


@dataclass
class World:
    """The database, the provider and the time, which all processes share; and what has been promised of them."""

    rng: Random
    rotation: str
    lifetime: float
    database: Connection
    traveller: Traveller
    token_faults: float = 0.0
    write_faults: float = 0.0
    pace: float = 0.02
    lossy: bool = False
    revoked: bool = False
    reconnected: bool = False
    stalled: bool = False
    ledger: Ledger = field(init=False)
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)
    flights: list[Flight] = field(default_factory=list)
    down_until: float = 0.0
    refreshes_stored: int = 0
    newest: int = -1
    sealed: bytes = b""
    waiting: list[Process] = field(default_factory=list)
    broken: str = ""
    trace: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.switches = Switches(access_token_lifetime=self.lifetime, rotation=self.rotation, grace_seconds=100_000)
        self.ledger = Ledger(switches=lambda: self.switches, clock=self.seconds)

    @property
    def loader(self) -> SimulatedLoader:
        return LOADERS[self.rotation]

    def seconds(self) -> float:
        return asyncio.get_running_loop().time()

    def now(self) -> datetime:
        """The true time, which is the database's and the provider's."""
        return START + timedelta(seconds=self.seconds())

    def note(self, text: str) -> None:
        self.trace.append(f"{self.seconds():9.3f} {text}")

    def fail(self, promise: str) -> NoReturn:
        """Also kept, since who runs into it may have nobody who waits for it."""
        self.note(promise)
        self.broken = self.broken or promise
        raise Broken(promise)

    def loaded(self) -> Loaded:
        return self.loader.load(self.database, ACTOR, REFERENCE)

    def write(self, change: Callable[[Connection], Any]) -> Any:
        """In one transaction, at one moment of the true time."""
        self.traveller.move_to(self.now())
        try:
            result = change(self.database)
        except BaseException:
            self.database.rollback()
            raise
        self.database.commit()
        self.loader.forget()
        self._look()
        return result

    def _look(self) -> None:
        """A newer grant is never overwritten by an older one."""
        credential = self.loaded().credential
        sealed: bytes = credential.sealed
        if sealed == self.sealed:
            return
        number = self.number(json.loads(sealed)["accessToken"])
        self.note(f"stored grant {number}: version {credential.version}, fence {credential.fence}")
        if number <= self.newest:
            self.fail(f"grant {number} was stored over grant {self.newest}")
        self.sealed, self.newest = sealed, number
        self.refreshes_stored += self.ledger.access_tokens[json.loads(sealed)["accessToken"]].made_by is not None

    def number(self, access_token: str) -> int:
        """In the order that the provider issued them."""
        return list(self.ledger.access_tokens).index(access_token)

    def is_alive(self, access_token: str | None) -> bool:
        """Whether the provider's API takes it now; to look is no use of it."""
        token = self.ledger.access_tokens.get(access_token or "")
        return token is not None and token.grant.alive and self.seconds() < (token.expires_at or 0.0)

    def write_fault(self) -> str | None:
        if self.seconds() < self.down_until:
            return "refused"
        if self.rng.random() >= self.write_faults:
            return None
        kind = self.rng.choice(("refused", "unanswered", "down"))
        self.note(f"database: {kind}")
        if kind == "down":
            seconds = self.rng.choice((1, 5, 100))
            self.down_until = self.seconds() + seconds
            self.lossy |= seconds > 5
            return "refused"
        return kind

    def departs(self, refresh_token: str) -> Flight:
        """Never two refreshes with one refresh token, unless the lease ran out."""
        claimed_until = self.loaded().credential.claimed_until
        if claimed_until is None and not (self.reconnected or self.stalled):
            self.fail("a refresh was sent that nobody has a claim for")
        for other in self.flights:
            if other.refresh_token == refresh_token and other.claimed_until > self.now():
                self.fail("two refreshes are under way with one refresh token")
        flight = Flight(refresh_token, claimed_until or self.now())
        self.flights.append(flight)
        return flight

    async def provider(self, flight: Flight) -> HttpResponse:
        """Works on one token request: at once, late, without an answer, or not at all."""
        kind = "ok"
        if self.rng.random() < self.token_faults:
            kind = self.rng.choice(ANSWERED + UNANSWERED)
        self.note(f"token request: {kind}")
        long = {"slow": 15.0, "late before": 19.9, "late after": 21.0}.get(kind, 0.0)
        await asyncio.sleep(self.rng.random() * 0.1 + (long if kind != "late after" else 0.0))
        works = kind in ("ok", "slow", "dropped after", "late after", "late before", "500 after")
        answer = self._granted(flight.refresh_token) if works else _broken(kind, self.rng)
        await asyncio.sleep(self.rng.random() * 0.1 + (long if kind == "late after" else 0.0))
        if flight in self.flights:
            self.flights.remove(flight)
        if works and kind not in ("ok", "slow") and self.rotation != "none":
            self.lossy = True
        if kind.startswith("dropped"):
            raise ProviderUnavailable("simulated", reason="reset", sent=True)
        if kind == "connect":
            raise ProviderUnavailable("simulated", reason="connect", sent=False)
        return _answer(500, "oh dear", "text/plain") if kind == "500 after" else answer

    def _granted(self, refresh_token: str) -> HttpResponse:
        try:
            granted = self.ledger.refresh(refresh_token)
        except TokenFault as fault:
            self.note(f"provider: {fault}")
            return _answer(fault.status, {"error": fault.error})
        self.note(f"provider: issued grant {len(self.ledger.access_tokens) - 1}")
        return _answer(200, granted)


def _broken(kind: str, rng: Random) -> HttpResponse:
    match kind:
        case "500":
            return _answer(500, "oh dear", "text/plain")
        case "429":
            return _answer(429, {"error": "rate_limited"}, retry_after=rng.choice(("1", "10", "40")))
        case "html":
            return _answer(200, "<h1>soon</h1>", "text/html")
        case "busy 200" | "busy 400":
            return _answer(int(kind[-3:]), {"error": "temporarily_unavailable"})
        case _:
            return _answer(400, "", "text/plain")


def _answer(status: int, body: object, kind: str = "application/json", retry_after: str = "") -> HttpResponse:
    text = body if isinstance(body, str) else json.dumps(body)
    waiting = (("Retry-After", retry_after),) if retry_after else ()
    return HttpResponse(status, (("Content-Type", kind), *waiting), text.encode())


def new_database() -> Connection:
    """SQLite in memory, with the tables that a refresh touches."""
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    tables = [organizations, providers, connections, credentials, audit_events]
    metadata.create_all(engine, tables=tables)
    return engine.connect()
