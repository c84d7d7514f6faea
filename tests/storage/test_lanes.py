"""Lanes are few, one query runs on each at a time, and none is given on in the middle of something."""

import asyncio

import pytest

from tieline.storage.lanes import Lanes

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True),
]


@pytest.fixture
async def lanes(database):
    """Two, of the real driver."""
    made = Lanes(lambda: database._store._lane(), 2, patience=0.5)
    yield made
    await made.close()


async def ask(lane, query="SELECT 1 AS one", **given):
    return await lane.fetch(query, timeout=5, **given)


async def test_no_more_are_open_than_there_may_be(lanes, database):
    backends = await asyncio.gather(*(lanes.run(lambda lane: ask(lane, "SELECT pg_backend_pid()")) for _ in range(30)))

    assert len({rows[0][0] for rows in backends}) <= 2


async def test_who_waits_for_too_long_is_told_and_the_lane_is_of_use_again(lanes):
    sleepers = [asyncio.create_task(lanes.run(lambda lane: ask(lane, "SELECT pg_sleep(1)"))) for _ in range(2)]
    await asyncio.sleep(0.1)

    with pytest.raises(TimeoutError):
        await lanes.run(ask)

    await asyncio.gather(*sleepers)
    assert (await lanes.run(ask))[0][0] == 1


async def test_a_caller_that_goes_away_leaves_no_answer_for_the_next(lanes):
    for _ in range(4):
        gone = asyncio.create_task(lanes.run(lambda lane: ask(lane, "SELECT 'theirs', pg_sleep(0.2)")))
        await asyncio.sleep(0.05)
        gone.cancel()

        assert (await lanes.run(lambda lane: ask(lane, "SELECT 'mine'")))[0][0] == "mine"


async def test_one_who_stops_waiting_gives_the_turn_to_the_next(lanes):
    holders = [asyncio.create_task(lanes.run(lambda lane: ask(lane, "SELECT pg_sleep(0.2)"))) for _ in range(2)]
    await asyncio.sleep(0.05)
    leaving, staying = (asyncio.create_task(lanes.run(ask)) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()

    assert (await staying)[0][0] == 1
    await asyncio.gather(*holders)


async def test_a_connection_that_cannot_be_opened_takes_no_place(database):
    attempts = []

    async def connect():
        attempts.append(1)
        if len(attempts) < 4:
            raise ConnectionRefusedError
        return await database._store._lane()

    lanes = Lanes(connect, 1, patience=0.5)
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            await lanes.run(ask)

    assert (await lanes.run(ask))[0][0] == 1
    await lanes.close()
