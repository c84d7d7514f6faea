"""How a change reaches every process within a second: the writing transaction counts a topic up, all others poll.

A cache may be used only while `fresh` is true; then no change older than a second is missing from `seen`.
"""

import asyncio
import time
from contextlib import suppress

from sqlalchemy import Connection, select

from tieline.errors import StorageUnavailable
from tieline.storage.database import Database
from tieline.storage.metadata import insert
from tieline.storage.tables import changes

FRESH_SECONDS = 1.0


def bump(connection: Connection, topic: str) -> None:
    """At the end of a write: until it commits, others that bump the same topic wait."""
    statement = insert(connection, changes).values(topic=topic, n=1)
    connection.execute(statement.on_conflict_do_update(index_elements=["topic"], set_={"n": changes.c.n + 1}))


class Changes:
    """`start()` it on the loop, `close()` it at the end. Without the loop it is never fresh."""

    def __init__(self, database: Database, *, every: float = 0.5) -> None:
        self._database = database
        self._every = every
        self._counts: dict[str, int] = {}
        self._polled_at = float("-inf")
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.poll()
        self._task = asyncio.create_task(self._run(), name="tieline-changes")

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.wait({self._task})

    def seen(self, topic: str) -> int:
        """How often the topic has changed, as of the last poll."""
        return self._counts.get(topic, 0)

    @property
    def fresh(self) -> bool:
        return time.monotonic() - self._polled_at < FRESH_SECONDS

    async def poll(self) -> None:
        # The age is that of the question, not of the answer.
        asked_at = time.monotonic()
        rows = await self._database.read(lambda connection: connection.execute(select(changes)).all())
        self._counts = {row.topic: row.n for row in rows}
        self._polled_at = asked_at

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            with suppress(StorageUnavailable):
                await self.poll()
