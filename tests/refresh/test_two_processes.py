"""Two processes on one database, 200 callers at the moment that the token ends, and a provider that rotates strictly:
one refresh for each round, and nobody sees an error."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from .elsewhere import Elsewhere, callers_elsewhere

CALLERS = 100
BOTH = pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"], indirect=True)
pytestmark = pytest.mark.anyio


@pytest.fixture
async def both(world, database_url) -> AsyncIterator[list[Elsewhere]]:
    keys = world.hub.settings.keys
    async with callers_elsewhere(database_url, keys) as one, callers_elsewhere(database_url, keys) as other:
        yield [one, other]


async def asked(both: list[Elsewhere], connection) -> tuple[set[str], list[str]]:
    """The tokens that all callers of both processes got at once, and their errors."""
    for each in both:
        each.ask(connection, callers=CALLERS)
    told = [await each.told() for each in both]
    return {token for each in told for token in each["tokens"]}, [error for each in told for error in each["errors"]]


async def rounds(world, both: list[Elsewhere], number: int) -> None:
    connection = await world.imported(await world.register())
    for round_ in range(1, number + 1):
        await world.age(connection, living=False)

        tokens, errors = await asked(both, connection)

        assert errors == []
        assert len(tokens) == 1
        assert world.practice.ledger.use(tokens.pop()) is not None
        assert world.practice.refreshes == round_
    assert len(await world.actions(target=connection.id, action="credential.refreshed")) == number


@BOTH
async def test_two_hundred_callers_in_two_processes_share_one_refresh(world, both):
    await rounds(world, both, 3)


@BOTH
@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_two_hundred_callers_in_two_processes_share_one_refresh_for_fifty_rounds(world, both):
    await rounds(world, both, 50)


async def test_whatever_the_token_endpoint_answers_nobody_sees_it_while_the_old_token_lives(world, both):
    provider = await world.register()
    for answer in ("500", "429", "html", "empty_400", "error_200"):
        connection = await world.imported(provider, end_user=answer)
        before = await world.token(connection)
        await world.age(connection, living=True)
        world.practice.switches.token_answer = answer

        tokens, errors = await asked(both, connection)

        assert (tokens, errors) == ({before}, [])
        assert (await world.acme.connections.get(connection.id)).status == "active"
    assert world.practice.refreshes == 0
    assert world.practice.calls.count("POST /token") <= 6


@BOTH
@pytest.mark.slow
async def test_an_answer_after_fifteen_seconds_is_waited_for_by_all(world, both):
    connection = await world.imported(await world.register())
    await world.age(connection, living=False)
    world.practice.switches.slow_seconds = 15

    tokens, errors = await asked(both, connection)

    assert errors == []
    assert len(tokens) == 1
    assert world.practice.ledger.use(tokens.pop()) is not None
    assert world.practice.refreshes == 1


@BOTH
@pytest.mark.slow
async def test_an_answer_after_fifteen_seconds_holds_nobody_up_while_the_old_token_lives(world, both):
    connection = await world.imported(await world.register())
    before = await world.token(connection)
    await world.age(connection, living=True)
    world.practice.switches.slow_seconds = 15
    started = time.monotonic()

    tokens, errors = await asked(both, connection)

    assert (tokens, errors) == ({before}, [])
    assert time.monotonic() - started < 6
    await asyncio.sleep(16)
    tokens, errors = await asked(both, connection)
    assert errors == []
    assert before not in tokens
    assert world.practice.refreshes == 1
