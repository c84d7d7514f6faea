"""The database, whichever it is: a query is a synchronous function of a Connection, run in one transaction.

So a transaction cannot contain an await, and nothing is open while we talk to a provider.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from sqlalchemy import Connection, make_url
from sqlalchemy.exc import ArgumentError

from tieline.errors import Misconfigured
from tieline.storage import sqlite

T = TypeVar("T")


class Database:
    """`read` and `write` raise StorageUnavailable, StorageFull, or what the function raises (IntegrityError too)."""

    def __init__(self, store: sqlite.SqliteStore, url: str) -> None:
        self._store = store
        self._running: set[asyncio.Future[Any]] = set()
        self.url = url

    @classmethod
    async def open(cls, url: str) -> "Database":
        """`sqlite:///relative/path`, `sqlite:////absolute/path` or `postgresql://user:password@host/name`."""
        try:
            parsed = make_url(url)
        except ArgumentError as error:
            raise Misconfigured("The database's address cannot be read.") from error
        match parsed.get_backend_name():
            case "sqlite" if parsed.database and parsed.database != ":memory:":
                return cls(sqlite.SqliteStore(parsed.database), url)
            case _:
                raise Misconfigured("The database's address must be sqlite:///file or postgresql://host/name.")

    @property
    def dialect(self) -> Literal["sqlite", "postgresql"]:
        return "sqlite"

    async def read(self, query: Callable[[Connection], T]) -> T:
        """In a read-only transaction."""
        return await self._whole(self._store.read(query))

    async def write(self, change: Callable[[Connection], T]) -> T:
        """Commits when `change` returns, rolls back when it raises. A cancelled caller's change is finished."""
        return await self._whole(self._store.write(change))

    async def close(self) -> None:
        """Waits for what is running."""
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._store.close()

    async def _whole(self, work: asyncio.Future[T]) -> T:
        self._running.add(work)
        work.add_done_callback(self._ended)
        return await asyncio.shield(work)

    def _ended(self, work: asyncio.Future[Any]) -> None:
        self._running.discard(work)
        if not work.cancelled():
            # Nobody may be waiting any more: asked for here, it is not reported as never retrieved.
            work.exception()
