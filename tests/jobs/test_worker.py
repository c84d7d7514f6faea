import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text, update

from tieline.errors import ProviderUnavailable
from tieline.jobs import Handler, Worker, cancel, schedule
from tieline.jobs.tables import jobs
from tieline.storage.database import Database

pytestmark = pytest.mark.anyio

PAST = datetime(2026, 1, 1, tzinfo=UTC)


class Recorder:
    """A handler that notes what it ran, and fails as often as it is told to."""

    def __init__(self, *, failures=0, seconds=0.0):
        self.ran = []
        self.failures = failures
        self.seconds = seconds

    async def __call__(self, job):
        self.ran.append(job)
        await asyncio.sleep(self.seconds)
        if len(self.ran) <= self.failures:
            raise ProviderUnavailable("down")


def keys(recorder):
    return [job.key for job in recorder.ran]


async def add(database, key, *, kind="check", due_at=PAST, payload=None):
    await database.write(lambda connection: schedule(connection, kind, key, due_at=due_at, payload=payload))


async def rows(database):
    return await database.read(lambda connection: connection.execute(jobs.select().order_by(jobs.c.key)).all())


async def test_a_due_job_runs_once_with_its_payload_and_is_gone(database):
    recorder = Recorder()
    worker = Worker(database, {"check": Handler(recorder)})
    await add(database, "conn_1", payload={"n": 1})

    assert await worker.run_due() == 1
    assert await worker.run_due() == 0

    (job,) = recorder.ran
    assert (job.kind, job.key, job.payload, job.attempts) == ("check", "conn_1", {"n": 1}, 1)
    assert await rows(database) == []


async def test_what_is_not_due_and_what_nobody_here_knows_waits(database):
    recorder = Recorder()
    await add(database, "conn_1", due_at=datetime.now(UTC) + timedelta(hours=1))
    await add(database, "conn_2", kind="other")

    assert await Worker(database, {"check": Handler(recorder)}).run_due() == 0
    assert len(await rows(database)) == 2


async def test_a_job_of_a_change_that_was_rolled_back_is_none(database):
    def half(connection):
        schedule(connection, "check", "conn_1", due_at=PAST)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await database.write(half)

    assert await rows(database) == []


async def test_scheduled_again_it_is_moved_and_cancelled_it_is_gone(database):
    later = datetime.now(UTC) + timedelta(hours=1)
    await add(database, "conn_1")
    await add(database, "conn_1", due_at=later)

    (row,) = await rows(database)
    assert row.due_at == later

    await database.write(lambda connection: cancel(connection, "check", "conn_1"))
    assert await rows(database) == []


async def test_a_failed_job_is_due_again_later_each_time(database):
    worker = Worker(database, {"check": Handler(Recorder(failures=9))})
    await add(database, "conn_1")
    waits = []

    for _ in range(3):
        await worker.run_due()
        (row,) = await rows(database)
        waits.append((row.due_at - datetime.now(UTC)).total_seconds())
        await database.write(lambda connection: connection.execute(update(jobs).values(due_at=PAST)))

    assert waits == pytest.approx([1, 2, 4], abs=0.5)


async def test_workers_of_several_processes_share_the_jobs(database, database_url):
    recorder = Recorder(seconds=0.05)
    databases = [await Database.open(database_url) for _ in range(3)]
    workers = [Worker(each, {"check": Handler(recorder)}) for each in databases]
    for n in range(20):
        await add(database, f"conn_{n:02}")

    while await rows(database):
        await asyncio.gather(*(worker.run_due() for worker in workers))

    assert sorted(keys(recorder)) == [f"conn_{n:02}" for n in range(20)]
    for each in databases:
        await each.close()


async def test_a_leased_job_is_left_alone_until_the_lease_is_over(database):
    recorder = Recorder()
    worker = Worker(database, {"check": Handler(recorder)})
    await add(database, "conn_1")
    future = datetime.now(UTC) + timedelta(seconds=30)
    await database.write(lambda connection: connection.execute(update(jobs).values(leased_until=future)))

    assert await worker.run_due() == 0

    await database.write(lambda connection: connection.execute(update(jobs).values(leased_until=PAST)))
    assert await worker.run_due() == 1


async def test_who_lost_the_lease_changes_nothing_any_more(database):
    async def overtaken(job):
        # Another process claims it meanwhile.
        await database.write(lambda connection: connection.execute(text("UPDATE jobs SET fence = fence + 1")))

    await add(database, "conn_1")
    await Worker(database, {"check": Handler(overtaken)}).run_due()

    (row,) = await rows(database)
    assert row.leased_until is not None


async def test_a_job_that_is_scheduled_while_it_runs_runs_again(database):
    async def again(job):
        await add(database, job.key, due_at=PAST + timedelta(days=1))

    await add(database, "conn_1")
    await Worker(database, {"check": Handler(again)}).run_due()

    (row,) = await rows(database)
    assert (row.due_at, row.leased_until) == (PAST + timedelta(days=1), None)


async def test_a_periodic_job_is_made_at_the_start_and_due_again_after_each_run(database):
    recorder = Recorder(failures=1)
    worker = Worker(database, {"purge": Handler(recorder, every=timedelta(seconds=0.1))}, every=0.05)

    await worker.start()
    await asyncio.sleep(0.8)
    await worker.close()

    assert len(recorder.ran) >= 3
    (row,) = await rows(database)
    assert (row.kind, row.key, row.leased_until) == ("purge", "", None)


async def test_waking_the_worker_runs_a_job_at_once(database):
    recorder = Recorder()
    worker = Worker(database, {"check": Handler(recorder)}, every=60)
    await worker.start()
    await asyncio.sleep(0.2)

    await add(database, "conn_1")
    worker.wake()
    await asyncio.sleep(0.3)

    assert keys(recorder) == ["conn_1"]
    await worker.close()


async def test_closing_lets_a_job_end(database):
    recorder = Recorder(seconds=0.3)
    worker = Worker(database, {"check": Handler(recorder)}, every=0.05)
    await add(database, "conn_1")
    await worker.start()
    await asyncio.sleep(0.2)

    await worker.close()

    assert await rows(database) == []


async def test_a_job_that_takes_too_long_to_end_is_left_to_the_next_process(database):
    worker = Worker(database, {"check": Handler(Recorder(seconds=60))}, every=0.05)
    await add(database, "conn_1")
    await worker.start()
    await asyncio.sleep(0.2)

    await worker.close(grace=0.1)

    (row,) = await rows(database)
    assert (row.due_at, row.leased_until) == (PAST, None)


@pytest.mark.parametrize("turns", range(6))
async def test_a_worker_that_is_woken_as_it_closes_ends(database, turns):
    worker = Worker(database, {}, every=60)
    await worker.start()
    await asyncio.sleep(0.05)

    worker.wake()
    for _ in range(turns):
        await asyncio.sleep(0)

    closing = asyncio.create_task(worker.close())
    assert await asyncio.wait({closing}, timeout=2) == ({closing}, set())
