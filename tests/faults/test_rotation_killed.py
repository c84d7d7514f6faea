"""Keys are rotated under load, by processes that are killed in the middle."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from tieline.connections import Reference
from tieline.connections.tables import credentials
from tieline.hub import Hub
from tieline.storage.vault import prefix

from .processes import line, running
from .sites import Site, keys_in_use, require_all_open, ring_of

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SCRIPT = Path(__file__).with_name("rotating.py")
KILLS = 5
QUIET, BUSY = 300, 12


async def anew(hub: Hub) -> int:
    """How many credentials the new key has sealed."""
    mine = func.substr(credentials.c.sealed, 1, 4) == prefix("k2")
    query = select(func.count()).select_from(credentials).where(mine)
    return await hub.db.read(lambda connection: connection.execute(query).scalar_one())


async def call_for(hub: Hub, connection: str, seen: list[str], told: asyncio.Event) -> None:
    """A caller whose access token is always nearly over: each token it is given must work."""
    acme = hub.organization("acme")
    while not told.is_set():
        async with acme.http(connection) as http:
            answer = await http.get("/me")
        assert answer.status_code == 200, answer.text
        seen.append(connection)
        await asyncio.sleep(random.random() * 0.2)


async def killed_in_the_middle(hub: Hub, **settings: Any) -> bool:
    """Whether there was still something to do when it was killed."""
    async with running(SCRIPT, **settings) as process:
        assert await line(process) == "begins"
        before = await anew(hub)
        while process.returncode is None and await anew(hub) == before:  # noqa: ASYNC110  what another process does
            await asyncio.sleep(0.002)
        await asyncio.sleep(random.random() * 0.05)
        process.kill()
        await process.wait()
    return "k1" in await keys_in_use(hub)


@pytest.mark.timeout(180)
async def test_a_rotation_that_is_killed_again_and_again_loses_nothing_and_ends(site: Site) -> None:
    site.practice.switches.access_token_lifetime = 1.0
    settings = {"database_url": site.database_url, "keys": ring_of("k2", "k1").text.reveal()}
    async with site.open("k1", "k2") as hub:
        # Only the killed processes seal anew here; this one serves, and follows.
        await hub.worker.close()
        await site.furnish(hub, users=QUIET)
        busy = [await site.connect(hub.organization("acme"), f"busy-{n}", lifetime=1) for n in range(BUSY)]
        told, seen = asyncio.Event(), []
        callers = [asyncio.create_task(call_for(hub, each, seen, told)) for each in busy]

        middles = [await killed_in_the_middle(hub, **settings) for _ in range(KILLS)]
        async with running(SCRIPT, **settings) as process:
            said = [await line(process), await line(process)]
        refreshes = site.practice.refreshes
        told.set()
        await asyncio.gather(*callers)

        assert any(middles), "none was killed in the middle"
        assert said == ["begins", "ends 0"]
        assert refreshes > BUSY
        assert await keys_in_use(hub) == {"k2"}
        await require_all_open(hub, "k2")
        await hub.keys.drop("k1")

    async with site.open("k2") as hub:
        acme = hub.organization("acme")
        for each in busy:
            # A refresh token that was put back by the rotation would end the whole grant here.
            await acme.connections.refresh(Reference(id=each))
        for each in site.connections[:20]:
            assert (await acme.connections.credentials(Reference(id=each))).access_token is not None
    print(f"\n{len(seen)} calls, {refreshes} refreshes, {sum(middles)} of {KILLS} kills in the middle")
