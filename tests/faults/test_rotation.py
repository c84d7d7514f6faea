"""Keys take over from one another while everything runs, and nothing that was sealed is lost."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import LargeBinary, text, update

from tieline.connections import Reference
from tieline.connections.tables import credentials
from tieline.errors import Conflict, InvalidRequest, Misconfigured, NotFound
from tieline.hub import SEALED, Hub
from tieline.storage import rotation
from tieline.storage.metadata import metadata
from tieline.storage.vault import key_id

from .sites import Site, keys_in_use, require_all_open, ring_of, sealed_values

pytestmark = pytest.mark.anyio


async def states(hub: Hub) -> dict[str, str]:
    return {key.id: key.state for key in await hub.keys.list()}


async def until_sealed_with(hub: Hub, key: str) -> None:
    async with asyncio.timeout(20):
        while await keys_in_use(hub) != {key}:  # noqa: ASYNC110  what another process does is no event
            await asyncio.sleep(0.1)


def test_every_sealed_column_of_every_table_is_declared() -> None:
    binary = {
        (table.name, column.name)
        for table in metadata.tables.values()
        for column in table.c
        if isinstance(column.type, LargeBinary)
    }

    assert {(cells.table.name, "sealed") for cells in SEALED} == binary


async def test_every_sealed_value_is_sealed_anew_under_the_first_key(site: Site) -> None:
    async with site.open("k1") as hub:
        await site.furnish(hub)
        before = await sealed_values(hub)

    async with site.open("k2", "k1") as hub:
        result = await hub.keys.reseal()
        after = await sealed_values(hub)

        assert all(before.values()), "the site has something in every place"
        assert {table: len(values) for table, values in after.items()} == {t: len(v) for t, v in before.items()}
        assert result.broken == 0
        assert await require_all_open(hub, "k2") == sum(map(len, after.values()))


async def test_a_server_with_both_keys_reads_both_and_writes_with_the_first(site: Site) -> None:
    async with site.open("k1") as hub:
        await site.furnish(hub)

    async with site.open("k2", "k1") as hub:
        acme = hub.organization("acme")
        new = await site.connect(acme, "new")
        (row,) = await hub.db.read(
            lambda c: c.execute(credentials.select().where(credentials.c.connection_id == new)).all()
        )
        for each in site.connections:
            assert (await acme.connections.credentials(Reference(id=each))).access_token is not None

        assert key_id(row.sealed) == "k2"


async def test_starting_with_another_key_first_seals_everything_anew_in_the_background(site: Site) -> None:
    async with site.open("k1") as hub:
        await site.furnish(hub)

    async with site.open("k2", "k1") as hub:
        await until_sealed_with(hub, "k2")


async def test_a_running_server_that_knows_the_new_key_follows_within_a_second(site: Site) -> None:
    async with site.open("k1", "k2") as running:
        await site.furnish(running)
        assert running.vault.ring.primary == "k1"

        async with site.open("k2", "k1"):
            await asyncio.sleep(1.5)
            made = await site.connect(running.organization("acme"), "new")

            row = (await sealed_values(running))["credentials"]
            assert {key_id(blob) for about, blob in row if about.row == made} == {"k2"}


async def test_what_is_stored_while_it_is_being_sealed_anew_stays(site: Site, monkeypatch: Any) -> None:
    async with site.open("k1", "k2") as hub:
        await site.furnish(hub, users=4)
        await hub.worker.close()
        hub.vault.use(ring_of("k2", "k1"))
        about, _ = (await sealed_values(hub))["credentials"][0]
        newer = hub.vault.seal(b'{"newer": true}', about=about)
        exchange = rotation._exchanged
        stored: list[bytes] = []

        def late(connection: Any, cells: Any, anew: Any) -> int:
            if cells.table is credentials and not stored:
                stored.append(newer)
                mine = credentials.c.connection_id == about.row
                connection.execute(update(credentials).where(mine).values(sealed=newer))
            return exchange(connection, cells, anew)

        monkeypatch.setattr(rotation, "_exchanged", late)
        await hub.keys.reseal()

        assert [blob for each, blob in (await sealed_values(hub))["credentials"] if each == about] == [newer]
        assert await keys_in_use(hub) == {"k2"}


async def test_a_value_that_does_not_open_is_left_as_it_is_and_stops_nothing(site: Site) -> None:
    async with site.open("k1") as hub:
        await site.furnish(hub)
        broken = site.connections[0]
        mine = credentials.c.connection_id == broken
        (row,) = await hub.db.read(lambda c: c.execute(credentials.select().where(mine)).all())
        spoilt = row.sealed[:-1] + bytes([row.sealed[-1] ^ 1])
        await hub.db.write(lambda c: c.execute(update(credentials).where(mine).values(sealed=spoilt)))

    async with site.open("k2", "k1") as hub:
        result = await hub.keys.reseal()
        (row,) = await hub.db.read(lambda c: c.execute(credentials.select().where(mine)).all())

        assert (result.finished, result.broken) == (True, 1)
        assert row.sealed == spoilt
        with pytest.raises(Conflict, match="1 value"):
            await hub.keys.drop("k1")


async def test_a_key_is_dropped_only_when_nothing_is_sealed_with_it(site: Site) -> None:
    async with site.open("k1") as hub:
        await site.furnish(hub)
        with pytest.raises(Conflict, match="one that seals"):
            await hub.keys.drop("k1")
        with pytest.raises(NotFound):
            await hub.keys.drop("k9")

    async with site.open("k2", "k1") as hub:
        await hub.worker.close()
        acme = hub.organization("acme")
        hub.vault.use(ring_of("k1", "k2"))
        made = await site.connect(acme, "late")
        hub.vault.use(ring_of("k2", "k1"))
        with pytest.raises(Conflict, match="still sealed with k1"):
            await hub.keys.drop("k1")

        await hub.keys.reseal()
        await hub.keys.drop("k1")

        assert await states(hub) == {"k1": "retired", "k2": "primary"}
        assert (await acme.connections.credentials(Reference(id=made))).access_token is not None

    async with site.open("k2") as hub:
        await require_all_open(hub, "k2")
    with pytest.raises(Misconfigured, match="dropped"):
        async with site.open("k1", "k2"):
            pass


async def test_a_key_that_still_opens_something_may_not_be_missing_at_the_start(site: Site) -> None:
    async with site.open("k1") as hub:
        await site.furnish(hub)
    async with site.open("k2", "k1"):
        pass

    for ring in (("k2",), ("k1",), ("k3", "k2")):
        with pytest.raises(Misconfigured, match="missing"):
            async with site.open(*ring):
                pass


async def test_a_key_that_has_sealed_nothing_yet_may_be_missing(site: Site) -> None:
    async with site.open("k1"), site.open("k1", "k2"), site.open("k1") as left_behind:
        assert await states(left_behind) == {"k1": "primary", "k2": "new"}


async def test_rotating_needs_a_newer_key_that_stands_first(site: Site) -> None:
    async with site.open("k1") as hub:
        with pytest.raises(InvalidRequest, match="one key only"):
            await hub.keys.rotate()
        with pytest.raises(InvalidRequest, match="TIELINE_KEYS"):
            await hub.keys.add()
    async with site.open("k1", "k2") as hub:
        with pytest.raises(InvalidRequest, match="first in TIELINE_KEYS"):
            await hub.keys.rotate()


async def test_two_servers_that_start_at_once_with_rings_of_their_own_do_not_both_start(site: Site) -> None:
    async def start(key: str) -> str:
        try:
            async with site.open(key):
                await asyncio.sleep(0.5)
                return "started"
        except Misconfigured:
            return "refused"

    assert sorted(await asyncio.gather(start("k1"), start("k2"))) == ["refused", "started"]


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_an_embedded_server_takes_a_new_key_without_being_started_anew(site: Site) -> None:
    address = {"egress_allow": "127.0.0.0/8"}
    async with Hub.open(site.database_url, **address) as running:
        await site.furnish(running)
        async with Hub.open(site.database_url, **address) as command:
            new = await command.keys.add()
            rotated = await command.keys.rotate()
            await asyncio.sleep(1)
            made = await site.connect(running.organization("acme"), "later")
            await command.keys.drop("k1")

        assert (new, rotated.finished) == ("k2", True)
        blobs = {about.row: blob for about, blob in (await sealed_values(running))["credentials"]}
        assert key_id(blobs[made]) == "k2"
        assert await running.db.read(
            lambda c: c.execute(text("SELECT id, state FROM encryption_keys ORDER BY id")).all()
        ) == [("k1", "retired"), ("k2", "primary")]
    async with Hub.open(site.database_url, **address) as again:
        assert await keys_in_use(again) == {"k2"}
        assert set(again.vault.ring.keys) == {"k2"}
        for each in site.connections:
            reference = Reference(id=each)
            assert (await again.organization("acme").connections.credentials(reference)).access_token is not None
