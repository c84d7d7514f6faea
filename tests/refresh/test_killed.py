"""A process is killed at every step of claim, call and save. What the provider still knows is never lost; what it has
replaced in an answer that nobody stored is labelled, and the user's reconnect mends it."""

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from tieline.client import AsyncClient
from tieline.connections.tables import credentials
from tieline.errors import ReconnectRequired

from .caller_process import POINTS
from .elsewhere import callers_elsewhere

pytestmark = pytest.mark.anyio
ROTATIONS = ("none", "grace", "until_used", "strict")
LOST = ("in call", "after call", "before save")


async def killed_at(world, database_url: str, point: str, rotation: str) -> None:
    world.practice.switches.rotation, world.practice.switches.grace_seconds = rotation, 300
    provider = await world.register(refresh={"rotation": rotation, "grace": 300 if rotation == "grace" else None})
    connection = await world.imported(provider)
    await world.age(connection, living=False)
    if point == "in call":
        world.practice.switches.slow_seconds = 30
    async with callers_elsewhere(database_url, world.hub.settings.keys, point) as other:
        other.ask(connection)
        if point == "in call":
            await world.until(lambda: world.practice.refreshes == 1)
        else:
            assert await other.told() == {"stopped": point}
        await other.kill()
    world.practice.switches.slow_seconds = 0
    left = await world.credential(connection)
    # A lease is up to a minute: here it is over.
    over = update(credentials).where(credentials.c.claimed_until.is_not(None))
    await world.change(over.values(claimed_until=datetime.now(UTC) - timedelta(seconds=1)))

    assert (left.claimed_until is None) == (point in ("before claim", "after save"))
    if rotation == "strict" and point in LOST:
        with pytest.raises(ReconnectRequired) as caught:
            await world.token(connection)
        assert caught.value.facts["next"]["connection"] == connection.id
        assert (await world.credential(connection)).state == "refresh_unknown"
        assert (await world.acme.connections.get(connection.id)).error.code == "refresh-unknown"
        assert (await world.connected(provider, connection=connection.id)).id == connection.id
    token = await world.token(connection)
    row = await world.credential(connection)
    assert world.practice.ledger.use(token) is not None
    assert (row.state, row.claimed_until, row.attempt) == ("ok", None, None)
    assert (await world.acme.connections.get(connection.id)).status == "active"


async def test_what_is_lost_in_a_killed_refresh_is_labelled_and_mended(world, database_url):
    await killed_at(world, database_url, "before save", "strict")


@pytest.mark.slow
@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"], indirect=True)
@pytest.mark.parametrize("rotation", ROTATIONS)
@pytest.mark.parametrize("point", POINTS)
async def test_killed_at_any_step_nothing_is_lost_but_by_strict_rotation(world, database_url, point, rotation):
    await killed_at(world, database_url, point, rotation)


async def test_a_server_that_is_told_to_stop_finishes_its_refresh_and_saves_it(world, database_url):
    connection = await world.imported(await world.register())
    await world.age(connection, living=False)
    world.practice.switches.slow_seconds = 1.5
    key = (await world.acme.api_keys.create("reader", scopes=["credentials:read"])).key
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from tieline.cli import main; main()", "serve", "--port", "0"),
        env=os.environ
        | {
            "TIELINE_DATABASE_URL": database_url,
            "TIELINE_KEYS": world.hub.settings.keys,
            "TIELINE_EGRESS_ALLOW": "127.0.0.0/8",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    line = (await asyncio.wait_for(server.stdout.readline(), 60)).decode()
    url = next(word.rstrip(",") for word in line.split() if word.startswith("http"))
    async with AsyncClient(url, key) as client:
        caller = asyncio.create_task(client.organization("acme").connections.credentials(connection.id))
        await world.until(lambda: world.practice.refreshes == 1)

        server.send_signal(signal.SIGTERM)
        answered = await caller

    assert await asyncio.wait_for(server.wait(), 30) == 0
    assert world.practice.ledger.use(answered.access_token.reveal()) is not None
    assert await world.token(connection) == answered.access_token.reveal()
    assert world.practice.refreshes == 1
