"""The journeys are written once and made four ways: in process and over HTTP, on SQLite and on PostgreSQL."""

from collections.abc import AsyncIterator

import pytest

from tieline.storage.keyring import KeyRing
from tieline.testing import PracticeProvider, serve

from .places import Ground, World, world_on


@pytest.fixture(params=["process", "http"])
def face(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def ground(face: str, database_url: str) -> Ground:
    return Ground(face, database_url, KeyRing.generate().text.reveal())


@pytest.fixture
async def world(ground: Ground) -> AsyncIterator[World]:
    practice = PracticeProvider()
    async with serve(practice.app) as practice_url, world_on(ground, practice, practice_url) as world:
        yield world
