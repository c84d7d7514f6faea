import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, func, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from tieline.errors import InvalidRequest, Misconfigured
from tieline.storage.database import Database
from tieline.storage.metadata import Json, UtcDateTime, insert, now

pytestmark = pytest.mark.anyio

notes = Table(
    "notes",
    MetaData(),
    Column("id", Text, primary_key=True),
    Column("n", Integer, nullable=False, server_default="0"),
    Column("at", UtcDateTime),
    Column("body", Json),
)


@pytest.fixture
async def database(empty_database_url):
    opened = await Database.open(empty_database_url)
    await opened.write(lambda connection: notes.create(connection))
    yield opened
    await opened.close()


def add(name, **values):
    return lambda connection: connection.execute(insert(connection, notes).values(id=name, **values))


async def ids(database):
    return await database.read(lambda connection: list(connection.execute(select(notes.c.id)).scalars()))


async def test_what_the_function_returns_is_the_answer_and_is_committed(database):
    answer = await database.write(lambda connection: (add("a")(connection), "made")[1])

    assert answer == "made"
    assert await ids(database) == ["a"]


async def test_a_function_that_raises_leaves_nothing(database):
    def half(connection):
        add("a")(connection)
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        await database.write(half)

    assert await ids(database) == []


async def test_a_broken_rule_is_an_integrity_error_and_the_next_write_works(database):
    await database.write(add("a"))

    with pytest.raises(IntegrityError):
        await database.write(add("a"))

    await database.write(add("b"))
    assert sorted(await ids(database)) == ["a", "b"]


async def test_twenty_writers_at_once_lose_no_update(database):
    await database.write(add("counter"))

    def count(connection):
        connection.execute(update(notes).values(n=notes.c.n + 1))

    await asyncio.gather(*(database.write(count) for _ in range(20)))

    assert await database.read(lambda connection: connection.execute(select(notes.c.n)).scalar_one()) == 20


async def test_a_read_does_not_wait_for_a_write_and_does_not_see_half_of_it(database):
    loop, reading, inside = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    seen = []

    async def look():
        await inside.wait()
        seen.extend(await ids(database))
        reading.set()

    def slow(connection):
        add("a")(connection)
        loop.call_soon_threadsafe(inside.set)
        if database.dialect == "sqlite":
            asyncio.run_coroutine_threadsafe(reading.wait(), loop).result(5)
        else:
            connection.execute(select(func.pg_sleep(0.3)))

    await asyncio.gather(database.write(slow), look())

    assert seen == []
    assert await ids(database) == ["a"]


async def test_a_cancelled_caller_leaves_a_whole_transaction(database):
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def both(connection):
        add("a")(connection)
        loop.call_soon_threadsafe(begun.set)
        add("b")(connection)

    caller = asyncio.create_task(database.write(both))
    await begun.wait()
    caller.cancel()

    with pytest.raises(asyncio.CancelledError):
        await caller
    await database.write(add("c"))
    assert sorted(await ids(database)) in (["a", "b", "c"], ["c"])


async def test_closing_waits_for_what_a_cancelled_caller_began(database, empty_database_url):
    caller = asyncio.create_task(database.write(add("a")))
    await asyncio.sleep(0)
    caller.cancel()
    await database.close()

    again = await Database.open(empty_database_url)
    assert await ids(again) == ["a"]
    await again.close()


async def test_a_read_cannot_write(database):
    with pytest.raises(DBAPIError):
        await database.read(add("a"))

    assert await ids(database) == []


async def test_times_come_back_aware_in_utc_and_to_the_microsecond(database):
    at = datetime(2026, 3, 29, 3, 30, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    await database.write(add("a", at=at))

    row = await database.read(
        lambda connection: connection.execute(select(notes.c.at).where(notes.c.at <= at)).scalar_one()
    )

    assert row == at
    assert row.tzinfo == UTC


async def test_a_time_without_a_zone_is_refused(database):
    with pytest.raises(StatementError, match="zone"):
        await database.write(add("a", at=datetime(2026, 1, 1)))


@pytest.mark.parametrize("value", [{"a": [1, 2.5, None, "ü"]}, [], "text", 0, False])
async def test_json_comes_back_as_it_was(database, value):
    await database.write(add("a", body=value))

    assert await database.read(lambda connection: connection.execute(select(notes.c.body)).scalar_one()) == value


async def test_no_json_is_null(database):
    await database.write(add("a", body=None))

    found = await database.read(
        lambda connection: connection.execute(select(notes.c.id).where(notes.c.body.is_(None))).scalar()
    )
    assert found == "a"


async def test_an_upsert_is_spelled_once(database):
    def upsert(connection):
        statement = insert(connection, notes).values(id="a", n=1)
        connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_={"n": notes.c.n + 1}))

    await database.write(upsert)
    await database.write(upsert)

    assert await database.read(lambda connection: connection.execute(select(notes.c.n)).scalar_one()) == 2


async def test_the_databases_clock_is_now(database):
    told = await database.read(now)

    assert abs(told - datetime.now(UTC)) < timedelta(seconds=5)
    assert told.tzinfo == UTC


@pytest.mark.parametrize("url", ["mysql://root@localhost/x", "sqlite://", "sqlite:///:memory:", "nonsense", ""])
async def test_other_addresses_are_refused(url):
    with pytest.raises(Misconfigured):
        await Database.open(url)


async def test_a_password_in_an_address_that_cannot_be_read_is_not_repeated():
    with pytest.raises(Misconfigured) as caught:
        await Database.open("post gres:// u:hunter2@host")

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_only_its_owner_reads_the_file_and_its_journals(database, tmp_path):
    await database.write(add("a"))

    assert {file.stat().st_mode & 0o777 for file in tmp_path.glob("tieline.db*")} == {0o600}


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
async def test_a_nul_which_postgresql_cannot_store_is_the_callers_mistake(database):
    with pytest.raises(InvalidRequest, match="NUL"):
        await database.write(lambda connection: connection.execute(insert(connection, notes).values(id="a\0b")))
    with pytest.raises(InvalidRequest, match="NUL"):
        await database.rows(database.prepare(select(notes.c.id.label("note.id")).where(notes.c.id == "a\0b")), {})
