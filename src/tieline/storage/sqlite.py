"""SQLite: one writer thread with BEGIN IMMEDIATE, a few reader threads, WAL and `synchronous=FULL`.

The driver is used synchronously, in threads of our own: one writer means that nobody here ever waits for a lock.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal, TypeVar

from sqlalchemy import Connection, Engine, Table, create_engine, event, insert
from sqlalchemy.exc import DBAPIError

from tieline.errors import Misconfigured, StorageFull, StorageUnavailable, TielineError
from tieline.storage.lanes import Values
from tieline.storage.prepared import Prepared

T = TypeVar("T")

READERS = 4
BUSY_MILLISECONDS = 1500

_UNAVAILABLE = (
    "SQLITE_BUSY",
    "SQLITE_LOCKED",
    "SQLITE_IOERR",
    "SQLITE_CANTOPEN",
    "SQLITE_READONLY_",
    "SQLITE_PROTOCOL",
)


class SqliteStore:
    """A file; its folder is made when it is not there."""

    dialect: ClassVar[Literal["sqlite"]] = "sqlite"
    deadline: float | None = None

    def __init__(self, file: str) -> None:
        path = self._path = Path(file).expanduser()
        _make(path)
        self._writer = _engine(path, size=1, begin="BEGIN IMMEDIATE", pragmas=("journal_mode=WAL",))
        self._reader = _engine(path, size=READERS, begin="BEGIN", pragmas=("query_only=ON",))
        self._write_threads = ThreadPoolExecutor(1, thread_name_prefix="tieline-write")
        self._hot: sqlite3.Connection | None = None
        self._read_threads = ThreadPoolExecutor(READERS, thread_name_prefix="tieline-read")

    def read(self, query: Callable[[Connection], T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._read_threads, partial(_run, self._reader, query))

    def write(self, change: Callable[[Connection], T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._write_threads, partial(_run, self._writer, change))

    async def rows(self, query: Prepared, given: Mapping[str, object]) -> Sequence[Values]:
        """What a prepared query finds, asked on the loop: it takes less than handing it to a thread does. Readers of
        a WAL wait for nobody. Raises StorageUnavailable."""
        try:
            if self._hot is None:
                self._hot = _read_only(self._path)
            return self._hot.execute(query.text, query.arguments(given)).fetchall()
        except sqlite3.Error as error:
            if meant := of_driver(error):
                raise meant from error
            raise

    async def append(self, table: Table, rows: Sequence[Values]) -> None:
        """All of the rows, each with a value for every one of the table's first columns, or none of them."""
        names = [column.name for column in table.columns]
        given = [dict(zip(names, row, strict=False)) for row in rows]
        await self.write(lambda connection: connection.execute(insert(table), given))

    async def migrate(self, change: Callable[[Connection], T]) -> T:
        """Foreign keys are checked at the end only: a table is altered by making it anew."""

        def checked(connection: Connection) -> T:
            result = change(connection)
            if broken := connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                raise Misconfigured(f"The migration leaves rows of {broken[0]} without the row they belong to.")
            return result

        engine = _engine(self._path, size=1, begin="BEGIN IMMEDIATE", pragmas=("foreign_keys=OFF",))
        try:
            work = partial(_run, engine, checked)
            return await asyncio.get_running_loop().run_in_executor(self._write_threads, work)
        finally:
            engine.dispose()

    async def close(self) -> None:
        for threads in (self._read_threads, self._write_threads):
            await asyncio.get_running_loop().run_in_executor(None, threads.shutdown)
        if self._hot is not None:
            self._hot.close()
        self._reader.dispose()
        self._writer.dispose()


def meaning(error: DBAPIError) -> TielineError | None:
    """What a driver's error is to a caller; None when it is a mistake of ours or an integrity error."""
    return of_driver(error.orig) if isinstance(error.orig, sqlite3.Error) else None


def of_driver(error: sqlite3.Error) -> TielineError | None:
    """By SQLite's own name of the error."""
    name: str = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_FULL":
        return StorageFull("The disk that holds the database is full. Make room, then try again.")
    if name.startswith(_UNAVAILABLE):
        return unavailable(name)
    return None


def unavailable(reason: str) -> StorageUnavailable:
    return StorageUnavailable("The database cannot be reached right now.", retry_after=1, reason=reason)


def _read_only(path: Path) -> sqlite3.Connection:
    """Nobody waits on the loop: whoever finds the file locked is told so at once."""
    opened = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    opened.execute("PRAGMA query_only=ON")
    return opened


def _make(path: Path) -> None:
    """The journal files beside it get the mode of the file."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            path.touch(mode=0o600)
    except OSError as error:
        raise Misconfigured(f"The database file {path} cannot be made: {error.strerror}.", path=str(path)) from error


def _run(engine: Engine, work: Callable[[Connection], T]) -> T:
    try:
        with engine.begin() as connection:
            return work(connection)
    except DBAPIError as error:
        if meant := meaning(error):
            raise meant from error
        raise


def _engine(path: Path, *, size: int, begin: str, pragmas: tuple[str, ...]) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        pool_size=size,
        max_overflow=0,
        connect_args={"check_same_thread": False},
        hide_parameters=True,  # what is stored stands in no log and in no error
    )

    def connected(driver: sqlite3.Connection, _: object) -> None:
        # The driver's own transactions begin late and without IMMEDIATE; `began` opens ours.
        driver.isolation_level = None
        settings = (f"busy_timeout={BUSY_MILLISECONDS}", "synchronous=FULL", "foreign_keys=ON", *pragmas)
        for pragma in settings:
            driver.execute(f"PRAGMA {pragma}")

    def began(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", began)
    return engine
