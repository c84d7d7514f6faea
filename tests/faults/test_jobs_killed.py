"""A worker that is killed holds its jobs no longer than their lease."""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from tieline.jobs import Handler, Job, Worker, schedule
from tieline.jobs.tables import jobs
from tieline.storage import Database

from .processes import line, running

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

LEASE = 3.0
KEYS = ["conn_1", "conn_2", "conn_3"]


async def test_what_a_killed_worker_held_runs_elsewhere_when_the_lease_is_over(
    database: Database, database_url: str
) -> None:
    due_at = datetime(2026, 1, 1, tzinfo=UTC)
    for key in KEYS:
        await database.write(lambda connection, key=key: schedule(connection, "check", key, due_at=due_at))
    async with running(Path(__file__).with_name("working.py"), str(LEASE), database_url=database_url) as process:
        held = sorted([await line(process) for _ in KEYS])
        leases = await database.read(lambda c: c.execute(select(jobs.c.leased_until)).scalars().all())
        process.kill()
        await process.wait()
    killed = time.monotonic()
    ran: dict[str, Job] = {}

    async def run(job: Job) -> None:
        ran[job.key] = job

    worker = Worker(database, {"check": Handler(run)}, every=0.1)
    await worker.start()
    async with asyncio.timeout(LEASE + 10):
        while len(ran) < len(KEYS):  # noqa: ASYNC110  what a clock does is no event
            await asyncio.sleep(0.05)
    took = time.monotonic() - killed
    await worker.close()

    assert held == KEYS
    assert all(lease <= datetime.now(UTC) for lease in leases), "none ran before its lease was over"
    assert took < LEASE + 1.5
    assert {job.attempts for job in ran.values()} == {2}
    assert await database.read(lambda c: c.execute(select(jobs)).all()) == []
