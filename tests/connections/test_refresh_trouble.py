"""Refresh, when the provider, the network or the database fails: the living token is served, and nothing is lost."""

import asyncio
import sqlite3
import sys
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from tieline.connections.tables import credentials
from tieline.errors import ProviderUnavailable, ReconnectRequired
from tieline.testing import practice_document

pytestmark = pytest.mark.anyio

ANSWERS = ["500", "429", "html", "empty_400", "error_200", "error_400"]


@pytest.mark.parametrize("answer", ANSWERS)
async def test_the_living_token_is_served_whatever_the_token_endpoint_answers(world, answer):
    connection = await world.imported(await world.register())
    before = await world.token(connection)
    await world.age(connection, living=True)
    world.practice.switches.token_answer = answer

    token = await world.token(connection)

    assert token == before
    assert (await world.acme.connections.get(connection.id)).status == "active"
    row = await world.credential(connection)
    assert (row.failures, row.claimed_until) == (1, None)


async def test_the_living_token_is_served_when_the_answer_is_dropped(world):
    connection = await world.imported(await world.register())
    before = await world.token(connection)
    await world.age(connection, living=True)
    world.practice.switches.drop_answer = 1

    token = await world.token(connection)

    assert token == before
    assert (await world.acme.connections.get(connection.id)).status == "active"


async def test_after_a_failure_a_living_token_is_not_renewed_again_at_once(world):
    connection = await world.imported(await world.register())
    await world.age(connection, living=True)
    world.practice.switches.token_answer = "500"

    for _ in range(5):
        await world.token(connection)

    assert world.practice.calls.count("POST /token") == 1


async def test_what_the_provider_asks_to_wait_is_waited(world):
    connection = await world.imported(await world.register())
    await world.age(connection, living=True)
    world.practice.switches.token_answer, world.practice.switches.retry_after = "429", 120

    await world.token(connection)

    wait = (await world.credential(connection)).refresh_at - datetime.now(UTC)
    assert timedelta(seconds=110) < wait <= timedelta(seconds=121)


@pytest.mark.parametrize("answer", ANSWERS)
async def test_without_a_living_token_trouble_is_told_counted_and_cleared(world, answer):
    connection = await world.imported(await world.register())
    await world.age(connection, living=False)
    world.practice.switches.token_answer, world.practice.switches.retry_after = answer, 0

    for _ in range(2):
        with pytest.raises(ProviderUnavailable) as caught:
            await world.token(connection)
        assert caught.value.retry_after > 0
    troubled = await world.acme.connections.get(connection.id)
    world.practice.switches.token_answer = "json"
    await world.token(connection)

    assert (troubled.status, troubled.usable, troubled.error_count) == ("error", True, 2)
    assert troubled.error is not None
    mended = await world.acme.connections.get(connection.id)
    assert (mended.status, mended.error, mended.error_count) == ("active", None, 0)


async def test_a_provider_that_is_down_is_left_alone_after_three_failures(world):
    connection = await world.imported(await world.register())
    await world.age(connection, living=False)
    world.practice.switches.token_answer = "500"

    for _ in range(10):
        with pytest.raises(ProviderUnavailable):
            await world.token(connection)

    assert world.practice.calls.count("POST /token") == 3


async def test_a_tenant_whose_own_token_host_is_down_does_not_stop_the_others(world):
    """The host of the token endpoint may come from a user's input."""
    port = world.base.rpartition(":")[2]
    ports = {"type": "choice", "from": "user", "options": [{"value": "9"}, {"value": port}]}
    token = {"tokenUrl": "https://127.0.0.1:{{ port }}/token", "clientFrom": "user"}
    document = practice_document(world.base, inputs={"port": ports}, oauth2=token)
    provider = (await world.acme.providers.register(document)).id
    client = {"clientId": "practice-client", "clientSecret": "practice-secret"}
    bad = await world.imported(provider, end_user="bad", inputs={"port": "9", **client}, check=False)
    good = await world.imported(provider, end_user="good", inputs={"port": port, **client}, check=False)
    await world.age(bad, living=False)
    await world.age(good, living=False)
    for _ in range(4):
        with pytest.raises(ProviderUnavailable):
            await world.token(bad)

    with pytest.raises(ProviderUnavailable) as caught:
        await world.token(good)

    # It was asked: the practice provider speaks no TLS.
    assert caught.value.facts["reason"] in ("tls", "reset")


async def test_a_provider_that_holds_off_one_tenants_client_does_not_stop_anothers(world):
    provider = (await world.hub.organization("default").providers.register(practice_document(world.base))).id
    tenants = [world.hub.organization(slug) for slug in ("bad", "good")]
    for tenant in tenants:
        await tenant.integrations.put(provider, client_id="practice-client", client_secret="practice-secret")
    tokens = [world.practice.issue_tokens(user="ada@practice.example") for _ in tenants]
    bad, good = [
        await tenant.connections.create(
            provider=provider,
            end_user="ada",
            credentials={"accessToken": token["access_token"], "refreshToken": token["refresh_token"]},
        )
        for tenant, token in zip(tenants, tokens, strict=True)
    ]
    await world.age(bad, living=False)
    await world.age(good, living=False)
    world.practice.switches.token_answer = "429"
    for _ in range(4):
        with pytest.raises(ProviderUnavailable):
            await tenants[0].connections.credentials(bad.id)
    world.practice.switches.token_answer = "json"

    assert (await tenants[1].connections.credentials(good.id)).access_token


async def test_a_revoked_grant_needs_the_user_and_says_how(world):
    provider = await world.register()
    connection = await world.imported(provider)
    await world.age(connection, living=False)
    world.practice.forget_grants()

    for _ in range(3):
        with pytest.raises(ReconnectRequired) as caught:
            await world.call(connection)
        assert caught.value.facts["next"] == {
            "provider": provider,
            "endUser": "ada",
            "connection": connection.id,
            "authMethod": "default",
            "scopes": None,
            "returnTo": None,
        }

    shown = await world.acme.connections.get(connection.id)
    assert (shown.status, shown.attention, shown.usable) == ("reconnect", "reconnect", False)
    assert shown.error.code == "grant-revoked"
    assert (await world.actions()).count("connection.reconnectRequired") == 1
    assert world.practice.calls.count("POST /token") == 1


@pytest.mark.parametrize("rotation", ["none", "grace", "until_used"])
async def test_a_lost_answer_costs_nothing_where_the_old_refresh_token_still_works(world, rotation):
    world.practice.switches.rotation = rotation
    connection = await world.imported(await world.register(refresh={"rotation": rotation}))
    await world.age(connection, living=False)
    world.practice.switches.drop_answer = 1
    with pytest.raises(ProviderUnavailable):
        await world.token(connection)

    token = await world.token(connection)

    assert world.practice.ledger.use(token) is not None
    assert (await world.credential(connection)).attempt is None
    assert (await world.acme.connections.get(connection.id)).status == "active"


async def test_a_lost_answer_under_strict_rotation_is_labelled(world):
    connection = await world.imported(await world.register())
    await world.age(connection, living=False)
    world.practice.switches.drop_answer = 1
    with pytest.raises(ProviderUnavailable):
        await world.token(connection)

    with pytest.raises(ReconnectRequired):
        await world.token(connection)

    assert (await world.credential(connection)).state == "refresh_unknown"
    assert (await world.acme.connections.get(connection.id)).error.code == "refresh-unknown"


async def test_a_reconnect_clears_a_lost_refresh(world):
    provider = await world.register()
    connection = await world.imported(provider)
    await world.age(connection, living=False)
    world.practice.forget_grants()
    with pytest.raises(ReconnectRequired):
        await world.token(connection)

    again = await world.connected(provider, connection=connection.id)

    assert (again.id, again.status, again.error) == (connection.id, "active", None)
    assert (await world.call(again)).status_code == 200


async def test_a_client_that_is_not_accepted_is_the_admins_to_mend(world):
    provider = await world.register()
    connection = await world.imported(provider)
    await world.age(connection, living=False)
    await world.acme.integrations.put(provider, client_secret="another")

    with pytest.raises(Exception, match="client secret") as caught:
        await world.token(connection)
    await world.acme.integrations.put(provider, client_secret="practice-secret")

    assert caught.value.code == "not-configured"
    assert await world.token(connection)


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_rotated_token_is_kept_until_the_database_is_back(world, database_url):
    connection = await world.imported(await world.register())
    await world.age(connection, living=False)
    world.practice.switches.slow_seconds = 0.3
    caller = asyncio.create_task(world.token(connection))
    await world.until(lambda: world.practice.refreshes == 1)

    # Another program holds the only write lock for longer than ours waits for it.
    holder = sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None, timeout=5)
    holder.execute("BEGIN IMMEDIATE")
    await asyncio.sleep(3)
    holder.execute("ROLLBACK")
    holder.close()

    token = await caller
    assert world.practice.ledger.use(token) is not None
    assert world.practice.refreshes == 1
    assert (await world.acme.connections.get(connection.id)).status == "active"


CHILD = """
import asyncio, sys
from tieline.connections import Reference
from tieline.hub import Hub

async def main():
    async with Hub.open(sys.argv[1], keys=sys.argv[2], egress_allow="127.0.0.0/8") as hub:
        await hub.organization("acme").connections.credentials(Reference(id=sys.argv[3]))

asyncio.run(main())
"""


@pytest.mark.parametrize("rotation", ["until_used", "strict"])
async def test_a_process_killed_in_a_refresh_is_recovered_from_after_its_lease(world, database_url, rotation):
    world.practice.switches.rotation = rotation
    connection = await world.imported(await world.register(refresh={"rotation": rotation}))
    await world.age(connection, living=False)
    world.practice.switches.slow_seconds = 30
    keys = world.hub.settings.keys
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, database_url, keys, connection.id)
    await world.until(lambda: world.practice.refreshes == 1)
    child.kill()
    await child.wait()
    world.practice.switches.slow_seconds = 0

    # A lease is a minute: here it is over.
    over = update(credentials).where(credentials.c.connection_id == connection.id)
    row = await world.credential(connection)
    await world.change(over.values(claimed_until=datetime.now(UTC) - timedelta(seconds=1)))

    assert row.claimed_until is not None
    if rotation == "strict":
        with pytest.raises(ReconnectRequired):
            await world.token(connection)
        assert (await world.acme.connections.get(connection.id)).error.code == "refresh-unknown"
    else:
        assert world.practice.ledger.use(await world.token(connection)) is not None
    assert (await world.credential(connection)).claimed_until is None
