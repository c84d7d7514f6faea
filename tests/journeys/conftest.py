"""The journeys are written once and made four ways: in process and over HTTP, on SQLite and on PostgreSQL.

Every one of them ends with the canary: no secret came out where it was not asked for.
"""

from collections.abc import AsyncIterator, Iterator

import pytest
from tests.canary.canary import Canary
from tests.canary.taps import listening

from tieline.storage.keyring import KeyRing
from tieline.testing import serve

from .places import Ground, World, practising, world_on


@pytest.fixture(params=["process", "http"])
def face(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(autouse=True)
def canary() -> Iterator[Canary]:
    with listening() as canary:
        yield canary
        # World and hub are closed by now, and that is logged as well.
        assert [*canary.in_log()] == []


@pytest.fixture
def ground(face: str, database_url: str, canary: Canary) -> Ground:
    ring = KeyRing.generate()
    canary.note(ring.keys[ring.primary])
    return Ground(face, database_url, ring.text.reveal(), canary)


@pytest.fixture
async def world(ground: Ground) -> AsyncIterator[World]:
    practice = practising()
    async with serve(practice.app) as practice_url, world_on(ground, practice, practice_url) as world:
        yield world
