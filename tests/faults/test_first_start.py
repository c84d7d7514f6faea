"""Several servers start at once on an empty database."""

import asyncio

import pytest

from tieline import Hub
from tieline.cli.init import first_key

from .sites import Site, ring_of

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)]


async def test_of_servers_that_start_at_once_on_an_empty_database_one_makes_the_first_key(site: Site) -> None:
    all_open = asyncio.Barrier(3)

    async def start() -> bool:
        async with site.open("k1") as hub:
            await all_open.wait()
            made = await asyncio.gather(*(first_key(hub) for _ in range(3)))
            await all_open.wait()
            return sum(key is not None for key in made)

    assert sorted(await asyncio.gather(start(), start(), start())) == [0, 0, 1]


async def test_they_also_bring_the_schema_up_to_date_together(empty_database_url: str) -> None:
    keys = ring_of("k1").text.reveal()

    async def start() -> str:
        async with Hub.open(empty_database_url, keys=keys) as hub:
            page = await hub.organization("default").providers.list()
            return str(len(page.items))

    assert len(set(await asyncio.gather(start(), start()))) == 1
