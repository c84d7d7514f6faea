"""Several servers start at once on an empty database."""

import asyncio

import asyncpg
import pytest

from tieline import Hub
from tieline.cli.init import first_key

from .sites import Site, ring_of

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)]


async def test_of_servers_that_start_at_once_on_an_empty_database_one_makes_the_first_key(site: Site) -> None:
    async with site.open("k1") as one, site.open("k1") as other:
        await one.organization("default").actor()
        blocker = await asyncpg.connect(site.database_url)
        holding = blocker.transaction()
        await holding.start()
        # All may look for keys now, and none can be stored.
        await blocker.execute("LOCK TABLE api_keys IN SHARE MODE")
        starting = [asyncio.create_task(first_key(hub)) for hub in (one, other)]
        await asyncio.sleep(0.6)
        await holding.rollback()
        await blocker.close()

        made = await asyncio.gather(*starting)

    assert sum(key is not None for key in made) == 1


async def test_they_also_bring_the_schema_up_to_date_together(empty_database_url: str) -> None:
    keys = ring_of("k1").text.reveal()

    async def start() -> str:
        async with Hub.open(empty_database_url, keys=keys) as hub:
            page = await hub.organization("default").providers.list()
            return str(len(page.items))

    assert len(set(await asyncio.gather(start(), start()))) == 1
