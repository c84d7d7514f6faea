"""Refresh, when all goes well: one per round, whoever asks and however many."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from tieline.connections import Reference
from tieline.connections.tables import credentials
from tieline.errors import ReconnectRequired, Suspended

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"], indirect=True),
]


async def test_two_hundred_callers_at_expiry_share_one_refresh(world):
    connection = await world.imported(await world.register())
    await world.age(connection, living=False)

    answers = await asyncio.gather(*(world.call(connection) for _ in range(200)))

    assert {answer.status_code for answer in answers} == {200}
    assert world.practice.refreshes == 1


async def test_two_hubs_on_one_database_refresh_once_per_round(world):
    connection = await world.imported(await world.register())
    async with world.open_hub() as other:
        for round_ in range(1, 6):
            await world.age(connection, living=False)

            tokens = await asyncio.gather(*(world.token(connection, hub) for hub in [world.hub, other] * 5))

            assert len(set(tokens)) == 1
            assert world.practice.ledger.use(tokens[0]) is not None
            assert world.practice.refreshes == round_


async def test_a_token_that_is_not_due_is_given_as_it_is(world):
    connection = await world.imported(await world.register())

    tokens = {await world.token(connection) for _ in range(3)}

    assert len(tokens) == 1
    assert world.practice.refreshes == 0


async def test_a_refresh_is_due_at_75_to_80_percent_of_the_life(world):
    connection = await world.imported(await world.register())
    world.practice.switches.access_token_lifetime = 40
    await world.acme.connections.refresh(connection.id)

    row = await world.credential(connection)

    left = row.expires_at - row.refresh_at
    assert timedelta(seconds=8) <= left <= timedelta(seconds=10)


async def test_while_somebody_else_has_the_claim_the_living_token_is_served(world):
    connection = await world.imported(await world.register())
    before = await world.token(connection)
    await world.age(connection, living=True)
    await claim(world, connection, timedelta(seconds=50))

    token = await asyncio.wait_for(world.token(connection), 20)

    assert token == before
    assert world.practice.refreshes == 0


async def test_a_claim_whose_lease_is_over_is_taken_over(world):
    connection = await world.imported(await world.register())
    await world.age(connection, living=False)
    await claim(world, connection, timedelta(seconds=0.6))

    token = await world.token(connection)

    assert world.practice.ledger.use(token) is not None
    assert world.practice.refreshes == 1


async def test_a_caller_that_goes_away_does_not_stop_the_refresh(world):
    connection = await world.imported(await world.register())
    before = await world.token(connection)
    await world.age(connection, living=False)
    world.practice.switches.slow_seconds = 0.4
    caller = asyncio.create_task(world.token(connection))
    await world.until(lambda: world.practice.refreshes == 1)

    caller.cancel()
    await asyncio.sleep(0.8)

    assert await world.token(connection) != before
    assert world.practice.refreshes == 1


async def test_closing_the_hub_waits_for_the_refresh_under_way(world):
    connection = await world.imported(await world.register())
    await world.age(connection, living=False)
    async with world.open_hub() as other:
        world.practice.switches.slow_seconds = 0.5
        caller = asyncio.create_task(world.token(connection, other))
        await world.until(lambda: world.practice.refreshes == 1)
        caller.cancel()

    token = await world.token(connection)

    assert world.practice.ledger.use(token) is not None
    assert world.practice.refreshes == 1


async def test_a_suspension_during_a_refresh_stops_the_call(world):
    connection = await world.imported(await world.register())
    await world.age(connection, living=False)
    world.practice.switches.slow_seconds = 0.4
    caller = asyncio.create_task(world.call(connection))
    await world.until(lambda: world.practice.refreshes == 1)

    await world.acme.connections.suspend(connection.id)

    with pytest.raises(Suspended):
        await caller
    assert "GET /v1/me" not in world.practice.calls[-1:]


async def test_a_late_refresh_does_not_overwrite_what_the_user_reconnected(world):
    provider = await world.register()
    connection = await world.imported(provider)
    await world.age(connection, living=False)
    world.practice.switches.slow_seconds = 0.6
    late = asyncio.create_task(world.token(connection))
    await world.until(lambda: world.practice.refreshes == 1)
    world.practice.switches.slow_seconds = 0

    renewed = await world.imported(provider)
    saved = (await world.credential(renewed)).sealed
    token = await late

    assert renewed.id == connection.id
    assert (await world.credential(renewed)).sealed == saved
    assert token == await world.token(renewed)


async def test_a_late_refusal_does_not_demote_what_the_user_reconnected(world):
    provider = await world.register()
    connection = await world.imported(provider)
    await world.age(connection, living=False)
    world.practice.forget_grants()
    world.practice.switches.slow_seconds = 0.6
    late = asyncio.create_task(world.token(connection))
    await world.until(lambda: "POST /token" in world.practice.calls)
    await asyncio.sleep(0.1)
    world.practice.switches.slow_seconds = 0

    renewed = await world.imported(provider)
    token = await late

    assert token == await world.token(renewed)
    assert (await world.acme.connections.get(connection.id)).status == "active"


async def test_a_forced_refresh_needs_no_due_date(world):
    connection = await world.imported(await world.register())

    await world.acme.connections.refresh(connection.id)

    assert world.practice.refreshes == 1
    assert "credential.refreshed" in await world.actions(target=connection.id)


async def test_a_forced_refresh_without_a_refresh_token_leaves_the_living_token_alone(world):
    world.practice.switches.issue_refresh_tokens = False
    connection = await world.connected(await world.register())

    refreshed = await world.acme.connections.refresh(connection.id)

    assert refreshed.status == "active"
    assert (await world.call(connection)).status_code == 200


async def test_a_token_over_without_a_refresh_token_needs_the_user(world):
    world.practice.switches.issue_refresh_tokens = False
    connection = await world.connected(await world.register())
    await world.age(connection, living=False)

    with pytest.raises(ReconnectRequired):
        await world.token(connection)


async def test_the_refresh_token_never_leaves(world):
    connection = await world.imported(await world.register())
    refresh_tokens = set(world.practice.ledger.refresh_tokens)

    credential = await world.acme.connections.credentials(Reference(id=connection.id))

    shown = {each.reveal() for each in [credential.access_token, *credential.values.values()]}
    assert not shown & refresh_tokens


async def claim(world, connection, lease: timedelta) -> None:
    """As another process would, that then says no more."""
    change = update(credentials).where(credentials.c.connection_id == connection.id)
    columns = {"fence": credentials.c.fence + 1, "claimed_until": datetime.now(UTC) + lease, "attempt": "now"}
    await world.change(change.values(columns))
