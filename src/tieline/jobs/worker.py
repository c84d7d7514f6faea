"""The embedded worker: one loop in this process that claims due jobs and runs their handlers.

A job runs at least once: a handler must bear that, since a process may die between the work and its end. Each has
a deadline under the lease, so that a job never runs in two processes at a time.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog
from sqlalchemy import Connection

from tieline.errors import StorageFull, StorageUnavailable, TielineError
from tieline.jobs import rows
from tieline.jobs.rows import Job
from tieline.storage.database import Database
from tieline.trace import kind_and_steps

LEASE = timedelta(seconds=60)
_OF_LEASE = 0.75
"""How much of its lease a job may take."""
_log = structlog.get_logger("tieline.jobs")


@dataclass(frozen=True)
class Handler:
    """What runs jobs of one kind. With `every` the kind is periodic: one job, made at the start, that never ends."""

    run: Callable[[Job], Awaitable[None]]
    every: timedelta | None = None


class Worker:
    """`handlers` by kind; a kind that is not among them is left to other processes.

    A process that dies keeps its jobs from the others for `lease` at most.
    """

    def __init__(
        self,
        database: Database,
        handlers: dict[str, Handler],
        *,
        every: float = 1.0,
        at_once: int = 8,
        lease: timedelta = LEASE,
    ) -> None:
        self._database = database
        self._handlers = handlers
        self._every = every
        self._at_once = at_once
        self._lease = lease
        self._running: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._loop = asyncio.create_task(self._run(), name="tieline-jobs")

    async def close(self, *, grace: float = 10.0) -> None:
        """Claims no more, and lets what runs end; after `grace` seconds it is cancelled, and due again."""
        if self._loop:
            self._loop.cancel()
            await asyncio.wait({self._loop})
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def wake(self) -> None:
        """Something is due now: do not wait for the next look."""
        self._woken.set()

    async def run_due(self) -> int:
        """Claim and run what is due now, and wait for it; how many jobs that were."""
        tasks = await self._claim()
        if tasks:
            await asyncio.wait(tasks)
        return len(tasks)

    async def _run(self) -> None:
        prepared = False
        while True:
            self._woken.clear()
            try:
                if not prepared:
                    await self._prepare()
                    prepared = True
                await self._claim()
            except (StorageUnavailable, StorageFull) as error:
                _log.warning("jobs.postponed", code=error.code)
            except Exception as error:
                # Whatever it is, the loop goes on: nothing else would run the jobs.
                _log.error("jobs.failed", **kind_and_steps(error))
            with suppress(TimeoutError):
                # Not wait_for: before Python 3.12 that drops a cancel that comes together with the wake-up.
                async with asyncio.timeout(self._every):
                    await self._woken.wait()

    async def _prepare(self) -> None:
        periodic = [kind for kind, handler in self._handlers.items() if handler.every]
        await self._database.write(lambda connection: [rows.ensure(connection, kind) for kind in periodic])

    async def _claim(self) -> "list[asyncio.Task[None]]":
        room = self._at_once - len(self._running)
        kinds = list(self._handlers)
        # Most of the time nothing is due: a read finds that out without touching the disk.
        if room <= 0 or not await self._database.read(lambda connection: rows.any_due(connection, kinds)):
            return []
        claimed = await self._database.write(
            lambda connection: rows.claim(connection, kinds, lease=self._lease, limit=room)
        )
        tasks = [asyncio.create_task(self._do(job), name=f"tieline-job-{job.kind}") for job in claimed]
        for task in tasks:
            self._running.add(task)
            task.add_done_callback(self._ended)
        return tasks

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        # There is room again, and the next one may be due.
        self.wake()

    async def _do(self, job: Job) -> None:
        handler = self._handlers[job.kind]
        try:
            async with asyncio.timeout(self._lease.total_seconds() * _OF_LEASE):
                await handler.run(job)
        except asyncio.CancelledError:
            await self._save(partial(rows.release, job=job))
            raise
        except Exception as error:
            code = error.code if isinstance(error, TielineError) else type(error).__name__
            _log.warning("jobs.job.failed", kind=job.kind, key=job.key, attempts=job.attempts, code=code)
            await self._save(partial(rows.fail, job=job, at_most=handler.every))
        else:
            await self._save(partial(rows.finish, job=job, again_after=handler.every))

    async def _save(self, change: Callable[[Connection], None]) -> None:
        # If this cannot be written, the lease runs out, and the job runs again.
        with suppress(StorageUnavailable, StorageFull):
            await self._database.write(change)
