import asyncio

import pytest

from tieline.storage import changes as module
from tieline.storage.changes import Changes, bump
from tieline.storage.database import Database

pytestmark = pytest.mark.anyio


@pytest.fixture
async def changes(database):
    started = Changes(database, every=0.05)
    await started.start()
    yield started
    await started.close()


async def test_a_topic_that_never_changed_is_at_zero(changes):
    assert changes.seen("providers") == 0
    assert changes.fresh


async def test_a_change_in_another_process_is_seen_within_a_second(changes, database_url):
    other = await Database.open(database_url)

    await other.write(lambda connection: bump(connection, "providers"))
    await asyncio.sleep(0.4)

    assert changes.seen("providers") == 1
    assert changes.seen("integrations") == 0
    await other.close()


async def test_changes_at_once_are_all_counted(database, changes):
    await asyncio.gather(*(database.write(lambda connection: bump(connection, "providers")) for _ in range(10)))

    await changes.poll()

    assert changes.seen("providers") == 10


async def test_a_change_that_is_rolled_back_is_none(database, changes):
    def half(connection):
        bump(connection, "providers")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await database.write(half)
    await changes.poll()

    assert changes.seen("providers") == 0


async def test_without_a_poll_it_is_not_fresh(database):
    assert not Changes(database).fresh


async def test_when_the_polls_stop_it_is_no_longer_fresh(database, monkeypatch):
    monkeypatch.setattr(module, "FRESH_SECONDS", 0.05)
    changes = Changes(database)
    await changes.poll()
    assert changes.fresh

    await asyncio.sleep(0.1)

    assert not changes.fresh
