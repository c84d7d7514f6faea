import asyncio
import stat

import pytest
from sqlalchemy import select, text

from tieline.errors import Misconfigured
from tieline.settings import Settings
from tieline.storage.keyring import KeyRing
from tieline.storage.keys import _enter, admit, load_key_ring
from tieline.storage.tables import encryption_keys

pytestmark = pytest.mark.anyio


@pytest.fixture
def embedded(tmp_path):
    return Settings(data=str(tmp_path / "data"))


async def states(database):
    rows = await database.read(lambda connection: connection.execute(select(encryption_keys)).all())
    return {row.id: row.state for row in rows}


async def test_a_fresh_install_makes_a_key_file_that_only_its_owner_reads(embedded, database):
    ring = await load_key_ring(embedded, database)

    file = embedded.data_folder / "keys"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [item.name for item in embedded.data_folder.iterdir()] == ["keys"]
    assert await load_key_ring(embedded, database) == ring
    assert await states(database) == {"k1": "primary"}


async def test_processes_that_start_at_once_make_one_key(embedded, database):
    rings = await asyncio.gather(*(load_key_ring(embedded, database) for _ in range(5)))

    assert all(ring == rings[0] for ring in rings)


async def test_a_lost_key_file_is_never_made_anew(embedded, database):
    await load_key_ring(embedded, database)
    (embedded.data_folder / "keys").unlink()

    with pytest.raises(Misconfigured, match="missing"):
        await load_key_ring(embedded, database)

    assert not (embedded.data_folder / "keys").exists()


async def test_a_key_file_that_others_may_read_is_refused(embedded, database):
    await load_key_ring(embedded, database)
    (embedded.data_folder / "keys").chmod(0o640)

    with pytest.raises(Misconfigured, match="chmod 600"):
        await load_key_ring(embedded, database)


async def test_another_database_needs_a_ring_and_is_told_how_to_make_one(tmp_path, database):
    with pytest.raises(Misconfigured, match="openssl rand -base64 32"):
        await load_key_ring(Settings(data=str(tmp_path), database_url="postgresql://db/tieline"), database)

    assert not (tmp_path / "keys").exists()


async def test_a_ring_in_the_settings_is_used(tmp_path, database):
    ring = KeyRing.generate("k7")
    settings = Settings(data=str(tmp_path), database_url="postgresql://db/tieline", keys=ring.text.reveal())

    assert await load_key_ring(settings, database) == ring
    assert await states(database) == {"k7": "primary"}


async def test_a_wrong_key_refuses_to_start(database):
    await admit(KeyRing.generate("k1"), database)

    with pytest.raises(Misconfigured, match="k1"):
        await admit(KeyRing.generate("k1"), database)


async def test_a_key_that_still_seals_may_not_be_missing(database):
    await admit(KeyRing.generate("k1"), database)

    with pytest.raises(Misconfigured, match="k1"):
        await admit(KeyRing.generate("k2"), database)

    assert await states(database) == {"k1": "primary"}


async def test_a_new_first_key_becomes_the_primary_one(database):
    old = KeyRing.generate("k1")
    await admit(old, database)

    await admit(KeyRing("k2", {**KeyRing.generate("k2").keys, **old.keys}), database)

    assert await states(database) == {"k1": "readable", "k2": "primary"}


async def test_a_retired_key_may_be_missing(database):
    await admit(KeyRing.generate("k1"), database)
    await database.write(lambda connection: connection.execute(text("UPDATE encryption_keys SET state = 'retired'")))

    await admit(KeyRing.generate("k2"), database)

    assert await states(database) == {"k1": "retired", "k2": "primary"}


async def test_what_is_stored_about_a_key_is_not_the_key(database):
    ring = KeyRing.generate()
    await admit(ring, database)

    stored = await database.read(lambda connection: repr(connection.execute(select(encryption_keys)).all()))

    assert ring.keys["k1"].hex() not in stored
    assert ring.text.reveal()[3:] not in stored


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
async def test_who_comes_second_with_another_ring_sees_what_the_first_one_entered(database):
    def slowly(connection):
        _enter(connection, KeyRing.generate("k1"))
        connection.execute(text("SELECT pg_sleep(0.5)"))

    first = asyncio.create_task(database.write(slowly))
    await asyncio.sleep(0.2)
    with pytest.raises(Misconfigured, match="k1 is missing"):
        # A ring that was not there when it looked first: it enters its own right away.
        await database.write(lambda connection: _enter(connection, KeyRing.generate("k2")))
    await first

    assert await states(database) == {"k1": "primary"}
