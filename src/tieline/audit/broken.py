"""Writes down that a sealed value did not open: once for each such value, however often somebody asks for it."""

import asyncio
import hashlib
from collections.abc import Callable

from sqlalchemy import Connection, select

from tieline.actor import Actor
from tieline.audit.chain import canonical
from tieline.audit.recording import record
from tieline.audit.tables import audit_events
from tieline.errors import StorageFull, StorageUnavailable
from tieline.storage.database import Database
from tieline.storage.metadata import alone
from tieline.storage.vault import About

ACTION = "seal.broken"
_REMEMBERED = 10_000


class BrokenSeals:
    """`hear` from any thread, between `start` and `close`; the event follows at once, on the loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._loop: asyncio.AbstractEventLoop | None = None
        self._known: set[str] = set()
        self._writing: set[asyncio.Task[None]] = set()

    def start(self) -> Callable[[About, bytes], None]:
        self._loop = asyncio.get_running_loop()
        return self.hear

    async def close(self) -> None:
        self._loop = None
        if self._writing:
            await asyncio.wait(self._writing)

    def hear(self, about: About, blob: bytes) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._note, about, hashlib.sha256(blob).hexdigest())

    def _note(self, about: About, digest: str) -> None:
        # The place belongs to it: the same value may stand, just as broken, in another one.
        mark = canonical([about.organization, about.table, about.row, about.field, digest])
        if mark in self._known:
            return
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known.add(mark)
        task = asyncio.create_task(self._write(about, digest, mark), name="tieline-broken-seal")
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _write(self, about: About, digest: str, mark: str) -> None:
        try:
            await self._database.write(lambda connection: _record_once(connection, about, digest))
        except (StorageUnavailable, StorageFull):
            # Whoever asks for it next brings it up again.
            self._known.discard(mark)


def _record_once(connection: Connection, about: About, digest: str) -> None:
    """Other processes, and this one before its restart, may have met the same value."""
    alone(connection, f"seal {about.organization} {about.row}")
    facts = {"table": about.table, "field": about.field, "value": digest}
    events = audit_events.c
    same = select(events.id).where(
        events.org == about.organization,
        events.target == about.row,
        events.action == ACTION,
        events.facts == canonical(facts),
    )
    if connection.execute(same.limit(1)).first() is None:
        actor = Actor("system", "vault", about.organization, about.organization)
        record(connection, actor, ACTION, about.row, outcome="refused", **facts)
