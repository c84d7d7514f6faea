"""The database, whichever it is: a query is a synchronous function of a Connection, run in one transaction.

So a transaction cannot contain an await, and nothing is open while we talk to a provider.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from sqlalchemy import URL, Connection, Select, Table, make_url
from sqlalchemy.exc import ArgumentError

from tieline.errors import Misconfigured, StorageUnavailable
from tieline.storage.lanes import Values
from tieline.storage.prepared import Prepared
from tieline.storage.sqlite import SqliteStore

if TYPE_CHECKING:
    from tieline.storage.postgresql import PostgresqlStore

T = TypeVar("T")

_LONGEST_LINE = 10.0
"""Seconds that work may stand in line for a connection, as long as the database serves others."""


class Database:
    """`read` and `write` raise StorageUnavailable, StorageFull, or what the function raises (IntegrityError too)."""

    def __init__(self, store: "SqliteStore | PostgresqlStore") -> None:
        self._store = store
        self._running: set[asyncio.Future[Any]] = set()
        self._served_at = float("-inf")

    @classmethod
    async def open(cls, url: str) -> "Database":
        """`sqlite:///relative/path`, `sqlite:////absolute/path` or `postgresql://user:password@host/name`.

        Nothing is asked of the server yet. Raises Misconfigured.
        """
        try:
            parsed = make_url(url)
        except ArgumentError as error:
            # The address may hold a password: it is not repeated.
            raise Misconfigured("The database's address cannot be read.") from error
        match parsed.get_backend_name():
            case "sqlite" if parsed.database and parsed.database != ":memory:":
                return cls(SqliteStore(parsed.database))
            case "postgresql" | "postgres":
                return cls(_postgresql(parsed))
            case _:
                raise Misconfigured("The database's address must be sqlite:///file or postgresql://host/name.")

    @property
    def dialect(self) -> Literal["sqlite", "postgresql"]:
        return self._store.dialect

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Read-only: a write in it fails."""
        return await self._whole(self._store.read(query))

    async def write(self, change: Callable[[Connection], T]) -> T:
        """Commits when `change` returns, rolls back when it raises. A cancelled caller's change is finished.

        After StorageUnavailable the change may have been made all the same, if the answer to the commit was lost.
        """
        return await self._whole(self._store.write(change))

    def prepare(self, select: Select[Any]) -> Prepared:
        """For `rows`. Once for each select: it takes milliseconds."""
        return Prepared(select, self.dialect)

    async def rows(self, query: Prepared, given: Mapping[str, object]) -> Sequence[Values]:
        """As `read` of one SELECT, for the hot path. Raises StorageUnavailable."""
        return await self._store.rows(query, given)

    async def append(self, table: Table, rows: Sequence[Values]) -> None:
        """As `write` of INSERTs alone: each row has a value for each of the table's first columns."""
        await self._whole(asyncio.ensure_future(self._store.append(table, rows)))

    async def migrate(self, change: Callable[[Connection], T]) -> T:
        """A write that runs alone, without a deadline, and with foreign keys checked only at its end."""
        return await self._store.migrate(change)

    async def close(self) -> None:
        """Waits for what is running."""
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._store.close()

    async def _whole(self, work: asyncio.Future[T]) -> T:
        self._running.add(work)
        work.add_done_callback(self._ended)
        began, deadline = time.monotonic(), self._store.deadline
        # Unlike awaiting it, waiting for it leaves the work alone when the caller is cancelled.
        await asyncio.wait({work}, timeout=deadline)
        while deadline is not None and not work.done():
            # To stand in line while others are served is no outage.
            now = time.monotonic()
            if now - self._served_at > deadline or now - began > _LONGEST_LINE:
                work.cancel()
                raise StorageUnavailable("The database does not answer in time.", retry_after=1, reason="deadline")
            await asyncio.wait({work}, timeout=deadline / 4)
        return work.result()

    def _ended(self, work: asyncio.Future[Any]) -> None:
        self._running.discard(work)
        if not work.cancelled():
            # Nobody may be waiting any more: asked for here, it is not reported as never retrieved.
            error = work.exception()
            if not isinstance(error, StorageUnavailable):
                self._served_at = time.monotonic()


def _postgresql(url: URL) -> "PostgresqlStore":
    # It brings the whole of SQLAlchemy's asyncio and ORM with it, which SQLite needs nothing of.
    from tieline.storage.postgresql import PostgresqlStore

    try:
        return PostgresqlStore(url)
    except ModuleNotFoundError as error:
        raise Misconfigured("PostgreSQL needs the extra: pip install 'tieline[postgres]'.") from error
