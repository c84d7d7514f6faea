"""Two servers on one database: what one learns, the other knows."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.canary.mark import KEY

from tieline.client import AsyncClient
from tieline.errors import ReconnectRequired, Unauthorized
from tieline.testing import practice_document, practice_key_document

from .places import Ground, World, free_port

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True),
    pytest.mark.parametrize("face", ["http"], indirect=True),
]


@pytest.fixture
async def other_url(world: World, ground: Ground) -> AsyncIterator[str]:
    """Where the other server answers."""
    environment = os.environ | {
        "TIELINE_DATABASE_URL": ground.database_url,
        "TIELINE_KEYS": ground.keys,
        "TIELINE_EGRESS_ALLOW": "127.0.0.0/8",
        "TIELINE_PUBLIC_URL": world.url,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(Path(__file__).with_name("server_process.py")), str(free_port())),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=environment,
    )
    try:
        line = await asyncio.wait_for(process.stdout.readline(), timeout=60)
        yield line.decode().strip()
    finally:
        process.stdin.close()
        await process.wait()


@pytest.fixture
async def elsewhere(world: World, other_url: str) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(other_url, world.key) as client:
        yield client


async def test_a_document_registered_here_is_connected_and_used_there_within_a_second(world, elsewhere):
    there = elsewhere.organization("acme")
    await there.connections.list()

    provider = await world.acme.providers.register(practice_key_document(world.practice_url))
    started = time.monotonic()
    made = await there.connections.create(provider=provider.id, end_user="ada", inputs={"apiKey": KEY})
    async with there.http(made.id) as http:
        me = await http.get("/me")
    took = time.monotonic() - started

    assert me.json()["id"] == "person-1"
    assert took < 1


async def test_a_session_started_here_is_completed_there_and_both_share_one_refresh(world, elsewhere):
    provider = await world.configured(practice_document(world.practice_url))
    await world.visit(await world.start(provider.id))
    there = elsewhere.organization("acme")

    done = await there.connect.complete(nonce=world.application.nonce, end_user="ada")
    world.practice.expire_access_tokens()
    async with world.acme.http(done.connection.id) as one, there.http(done.connection.id) as other:
        answers = await asyncio.gather(*(http.get("/me") for http in (one, other) for _ in range(3)))
    refreshes = world.practice.refreshes
    world.practice.forget_grants()
    async with world.acme.http(done.connection.id) as one, there.http(done.connection.id) as other:
        for http in (one, other):
            with pytest.raises(ReconnectRequired):
                await http.get("/me")

    assert done.result == "connected"
    assert [answer.status_code for answer in answers] == [200] * 6
    assert refreshes == 1
    # A grant that was found dead here is not tried again there: the code, one refresh, and the one that was refused.
    assert world.practice.calls.count("POST /token") == 3


async def test_a_key_revoked_here_is_refused_there_at_once(world, other_url):
    new = await world.acme.api_keys.create("worker")
    async with AsyncClient(other_url, new.key) as worker:
        await worker.connections.list()

        await world.acme.api_keys.revoke(new.api_key.id)

        with pytest.raises(Unauthorized):
            await worker.connections.list()
