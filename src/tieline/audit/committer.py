"""Many events, one transaction: whoever comes while a batch is being written is in the next one.

An event is durable when `commit` returns, and nobody waits for a timer.
"""

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from sqlalchemy import Connection, insert

from tieline.audit.tables import audit_events
from tieline.errors import TielineError
from tieline.storage.database import Database

BATCH = 500


@dataclass(frozen=True)
class Also:
    """What to write in the same transaction, such as a last use; of several with one key only the newest runs."""

    key: Hashable
    run: Callable[[Connection], None]


@dataclass(frozen=True)
class _Waiting:
    row: dict[str, object]
    also: Also | None
    done: "asyncio.Future[None]"


class Committer:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None

    async def commit(self, row: dict[str, object], also: Also | None) -> None:
        """Raises what the database raises; then the event is not written. A cancelled caller's event is."""
        waiting = _Waiting(row, also, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="tieline-audit-committer")
        await waiting.done

    async def close(self) -> None:
        if self._task:
            await self._task

    async def _run(self) -> None:
        try:
            while self._queue:
                batch, self._queue = self._queue[:BATCH], self._queue[BATCH:]
                await self._write(batch)
        finally:
            self._task = None

    async def _write(self, batch: list[_Waiting]) -> None:
        try:
            if any(waiting.also for waiting in batch):
                await self._database.write(lambda connection: _insert(connection, batch))
            else:
                await self._database.append(audit_events, [tuple(waiting.row.values()) for waiting in batch])
        except TielineError as error:
            _settle(batch, error)
        except Exception as error:
            if len(batch) == 1:
                _settle(batch, error)
                return
            # One of them is at fault, and the others must not suffer for it.
            for waiting in batch:
                await self._write([waiting])
        else:
            _settle(batch, None)


def _insert(connection: Connection, batch: list[_Waiting]) -> None:
    connection.execute(insert(audit_events), [waiting.row for waiting in batch])
    newest = {waiting.also.key: waiting.also for waiting in batch if waiting.also}
    # In one order everywhere: two processes that update the same rows must not wait for each other.
    for also in sorted(newest.values(), key=lambda each: str(each.key)):
        also.run(connection)


def _settle(batch: list[_Waiting], error: Exception | None) -> None:
    for waiting in batch:
        if waiting.done.done():
            continue
        if error:
            waiting.done.set_exception(error)
        else:
            waiting.done.set_result(None)
