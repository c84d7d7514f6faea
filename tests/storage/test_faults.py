"""What happens when the database is away, frozen, comes back, or has no room left."""

import asyncio
import time
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import text

from tieline.errors import Misconfigured, StorageFull, StorageUnavailable
from tieline.storage.database import Database

pytestmark = pytest.mark.anyio

only_postgresql = pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
only_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


def one(connection):
    return connection.execute(text("SELECT 1")).scalar_one()


class Relay:
    """A TCP port in front of the server's socket, which can be frozen and cut."""

    def __init__(self, socket):
        self._socket = socket
        self._open = set()
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def start(self, port=0):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    def freeze(self):
        self._flowing.clear()

    def thaw(self):
        self._flowing.set()

    def cut(self):
        for writer in list(self._open):
            writer.transport.abort()

    async def stop(self):
        self._server.close()
        self.thaw()
        self.cut()

    async def _serve(self, reader, writer):
        there_reader, there_writer = await asyncio.open_unix_connection(self._socket)
        self._open |= {writer, there_writer}
        await asyncio.gather(self._copy(reader, there_writer), self._copy(there_reader, writer))
        self._open -= {writer, there_writer}

    async def _copy(self, reader, writer):
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


@pytest.fixture
async def relay(database_url):
    folder = parse_qs(urlsplit(database_url).query).get("host")
    if not folder:
        pytest.skip("needs the server that the tests start themselves")
    relay = Relay(f"{folder[0]}/.s.PGSQL.5432")
    await relay.start()
    yield relay
    await relay.stop()


@pytest.fixture
async def distant(relay, database_url):
    """The database, behind the relay."""
    database = await Database.open(f"postgresql://postgres@127.0.0.1:{relay.port}{urlsplit(database_url).path}")
    yield database
    relay.thaw()
    await database.close()


@only_postgresql
@pytest.mark.parametrize("operation", ["read", "write"])
async def test_a_frozen_database_is_unavailable_in_under_two_seconds(distant, relay, operation):
    assert await distant.read(one) == 1
    relay.freeze()
    began = time.monotonic()

    with pytest.raises(StorageUnavailable) as caught:
        await getattr(distant, operation)(one)

    assert time.monotonic() - began < 2
    assert caught.value.retry_after == 1


@only_postgresql
async def test_a_thawed_database_serves_again_at_once(distant, relay):
    assert await distant.read(one) == 1
    relay.freeze()
    asked = [distant.read(one) for _ in range(30)] + [distant.write(one) for _ in range(30)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    relay.thaw()

    began = time.monotonic()
    while True:
        with suppress(StorageUnavailable):
            await distant.write(one)
            await distant.read(one)
            break

    assert {type(answer) for answer in answers} == {StorageUnavailable}
    assert time.monotonic() - began < 5


@only_postgresql
async def test_lost_connections_are_unavailable_once_and_then_made_anew(distant, relay):
    assert await distant.read(one) == 1
    relay.cut()
    await asyncio.sleep(0.05)

    with suppress(StorageUnavailable):
        await distant.read(one)

    assert await distant.read(one) == 1


@only_postgresql
async def test_a_server_that_is_not_there_is_unavailable(relay, database_url):
    await relay.stop()
    database = await Database.open(f"postgresql://postgres@127.0.0.1:{relay.port}/x")

    with pytest.raises(StorageUnavailable):
        await database.read(one)

    await database.close()


@only_postgresql
async def test_a_database_that_does_not_exist_is_a_mistake_in_the_settings(relay):
    database = await Database.open(f"postgresql://postgres@127.0.0.1:{relay.port}/nowhere")

    with pytest.raises(Misconfigured):
        await database.read(one)

    await database.close()


@only_postgresql
async def test_a_demoted_primary_is_left(database):
    await database.write(lambda connection: connection.execute(text("SET default_transaction_read_only = on")))

    def insert(connection):
        connection.execute(text("INSERT INTO changes VALUES ('a', 1)"))

    with pytest.raises(StorageUnavailable):
        await database.write(insert)

    await database.write(insert)


@only_postgresql
async def test_a_full_disk_is_storage_full(database):
    def fill(connection):
        connection.execute(text("DO $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = 'disk_full'; END $$"))

    with pytest.raises(StorageFull):
        await database.write(fill)

    assert await database.read(one) == 1


@only_postgresql
async def test_a_write_that_takes_too_long_is_stopped_and_not_made(database):
    def slow(connection):
        connection.execute(text("INSERT INTO changes VALUES ('slow', 1)"))
        connection.execute(text("SELECT pg_sleep(10)"))

    with pytest.raises(StorageUnavailable):
        await database.write(slow)
    await asyncio.sleep(0.2)

    assert await database.read(lambda connection: connection.execute(text("SELECT * FROM changes")).all()) == []


@only_sqlite
async def test_a_full_disk_refuses_writes_and_still_reads(database):
    def fill(connection):
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 1}")
        connection.execute(text("INSERT INTO changes VALUES (:topic, 1)"), {"topic": "x" * 1_000_000})

    with pytest.raises(StorageFull):
        await database.write(fill)

    assert await database.read(lambda connection: connection.execute(text("SELECT * FROM changes")).all()) == []


@only_sqlite
async def test_a_file_that_another_process_holds_is_unavailable_in_under_two_seconds(database, database_url):
    other = await Database.open(database_url)
    began = time.monotonic()

    async def hold():
        await other.write(lambda _: time.sleep(2.5))

    held = asyncio.create_task(hold())
    await asyncio.sleep(0.1)
    with pytest.raises(StorageUnavailable):
        await database.write(lambda connection: connection.execute(text("INSERT INTO changes VALUES ('a', 1)")))

    assert time.monotonic() - began < 2
    await held
    await other.close()


async def test_a_folder_that_cannot_be_made_is_a_mistake_in_the_settings(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(Misconfigured):
        await Database.open(f"sqlite:///{tmp_path}/file/tieline.db")
