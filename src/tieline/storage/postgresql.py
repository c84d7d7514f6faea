"""PostgreSQL: asyncpg under SQLAlchemy, one pool that may only read and one that writes, and deadlines of our own.

A database that is frozen answers nothing, not even an error: so the client measures the time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, TypeVar

import asyncpg
from sqlalchemy import URL, Connection, ExceptionContext, Pool, Table, event, insert, text
from sqlalchemy.dialects.postgresql.asyncpg import dialect as driver_dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoneFree
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, NullPool

from tieline.errors import InvalidRequest, Misconfigured, StorageFull, StorageUnavailable, TielineError
from tieline.storage.lanes import Lane, Lanes, Values
from tieline.storage.prepared import Prepared

T = TypeVar("T")

CONNECTIONS = 10
CONNECT_SECONDS = 2.0
COMMAND_SECONDS = 5.0
MIGRATION_LOCK = 7_241_995_031_338

# A process that hangs inside a transaction must not hold its rows for the others.
_SESSION = {"application_name": "tieline", "jit": "off", "idle_in_transaction_session_timeout": "10s"}
_DISK_FULL = "53100"
_UNSTORABLE = "22021"
_READ_ONLY = "25006"
# Lost or refused connections, resources, a shutdown, a lock or deadlock, a cancelled statement.
_UNAVAILABLE = ("08", "53", "55P03", "57", "40", "58")
_REFUSED = ("28", "3D000")


class PostgresqlStore:
    """Reads run outside a transaction block: under READ COMMITTED that means the same, and saves two round trips."""

    dialect: ClassVar[Literal["postgresql"]] = "postgresql"
    deadline: float = 1.8

    def __init__(self, url: URL) -> None:
        self._url = _for_asyncpg(url)
        self._writer = self._engine(AsyncAdaptedQueuePool, command_seconds=COMMAND_SECONDS)
        event.listen(self._writer.sync_engine, "handle_error", _demoted)
        self._reader = self._engine(
            AsyncAdaptedQueuePool, command_seconds=COMMAND_SECONDS, default_transaction_read_only="on"
        ).execution_options(isolation_level="AUTOCOMMIT")
        # To plan a prepared query anew for its values costs more than running it.
        hot = {"default_transaction_read_only": "on", "plan_cache_mode": "force_generic_plan"}
        self._hot = Lanes(lambda: self._lane(**hot), CONNECTIONS, self.deadline)
        self._appending = Lanes(self._lane, 1, self.deadline)
        self._inserts: dict[str, str] = {}

    async def rows(self, query: Prepared, given: Mapping[str, object]) -> Sequence[Values]:
        """What a prepared query finds. Raises StorageUnavailable."""
        arguments = query.arguments(given)
        try:
            # Of it all: standing in line, a new connection, and the second try.
            async with asyncio.timeout(self.deadline):
                return await self._driven(
                    self._hot, lambda lane: lane.fetch(query.text, *arguments, timeout=self.deadline), again=True
                )
        except TimeoutError as error:
            raise unavailable("deadline") from error

    async def append(self, table: Table, rows: Sequence[Values]) -> None:
        """All of the rows, each with a value for every one of the table's first columns, or none of them."""
        text = self._inserts.get(table.name) or self._insert(table, len(rows[0]))
        await self._driven(self._appending, lambda lane: lane.executemany(text, rows, timeout=COMMAND_SECONDS))

    def read(self, query: Callable[[Connection], T]) -> asyncio.Future[T]:
        return asyncio.ensure_future(_run(self._reader, query))

    def write(self, change: Callable[[Connection], T]) -> asyncio.Future[T]:
        return asyncio.ensure_future(_run(self._writer, change))

    async def migrate(self, change: Callable[[Connection], T]) -> T:
        """Processes that start at once take turns; no deadline, since a migration may take long."""

        def alone(connection: Connection) -> T:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
            return change(connection)

        engine = self._engine(NullPool, command_seconds=None, idle_in_transaction_session_timeout="0")
        return await _run(engine, alone)

    async def close(self) -> None:
        await self._hot.close()
        await self._appending.close()
        await self._reader.dispose()
        await self._writer.dispose()

    def _engine(self, pool: type[Pool], *, command_seconds: float | None, **settings: str) -> AsyncEngine:
        sizes: dict[str, Any] = {} if pool is NullPool else {"pool_size": CONNECTIONS, "max_overflow": 0}
        return create_async_engine(
            self._url,
            poolclass=pool,
            hide_parameters=True,  # what is stored stands in no log and in no error
            connect_args={
                "timeout": CONNECT_SECONDS,
                "command_timeout": command_seconds,
                "server_settings": _SESSION | settings,
            },
            **sizes,
        )

    async def _lane(self, **settings: str) -> Lane:
        _, given = driver_dialect().create_connect_args(self._url)
        connect: Any = asyncpg.connect  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # untyped
        return await connect(**given, timeout=CONNECT_SECONDS, server_settings=_SESSION | settings)

    def _insert(self, table: Table, columns: int) -> str:
        names = [column.name for column in table.columns][:columns]
        made = str(insert(table).compile(dialect=driver_dialect(), column_keys=names))
        return self._inserts.setdefault(table.name, made)

    async def _driven(self, lanes: Lanes, work: "Callable[[Lane], Awaitable[T]]", *, again: bool = False) -> T:
        """`again`: a connection that was lost while it lay idle is no outage, and a read may be asked twice."""
        try:
            return await lanes.run(work)
        except (OSError, asyncpg.InterfaceError, asyncpg.PostgresError) as error:
            if again and isinstance(error, asyncpg.InterfaceError | asyncpg.PostgresConnectionError | ConnectionError):
                return await self._driven(lanes, work)
            # One that only reads any more, after a failover, is left as one that was lost.
            lost = isinstance(error, OSError | asyncpg.InterfaceError | asyncpg.ReadOnlySQLTransactionError)
            meant = unavailable(type(error).__name__) if lost else of_state(getattr(error, "sqlstate", None) or "")
            if meant is None:
                raise
            raise meant from error


def meaning(error: DBAPIError) -> TielineError | None:
    """What a driver's error is to a caller; None when it is a mistake of ours or an integrity error."""
    state: str = getattr(error.orig, "sqlstate", None) or ""
    return of_state(state) or (unavailable("disconnected") if error.connection_invalidated else None)


def of_state(state: str) -> TielineError | None:
    """By SQLSTATE."""
    if state == _UNSTORABLE:
        return InvalidRequest("A text holds a NUL, which PostgreSQL cannot store.")
    if state == _DISK_FULL:
        return StorageFull("The disk that holds the database is full. Make room, then try again.")
    if state.startswith(_REFUSED):
        return Misconfigured("The database refuses this login. Correct TIELINE_DATABASE_URL.", reason=state)
    if state.startswith(_UNAVAILABLE):
        return unavailable(state)
    return None


def _demoted(context: ExceptionContext) -> None:
    """After a failover the old primary only reads: leave all its connections, and look for the new one."""
    if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
        context.is_disconnect = True


def unavailable(reason: str) -> StorageUnavailable:
    return StorageUnavailable("The database cannot be reached right now.", retry_after=1, reason=reason)


async def _run(engine: AsyncEngine, work: Callable[[Connection], T]) -> T:
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(work)
    except DBAPIError as error:
        if meant := meaning(error):
            raise meant from error
        raise
    except (OSError, NoneFree) as error:
        # A function of a Connection touches no other file or socket: this is the database's.
        raise unavailable(type(error).__name__) from error


def _for_asyncpg(url: URL) -> URL:
    """libpq writes `sslmode`, asyncpg `ssl`; the values are the same."""
    query = dict(url.query)
    if "sslmode" in query:
        query["ssl"] = query.pop("sslmode")
    return url.set(drivername="postgresql+asyncpg", query=query)
