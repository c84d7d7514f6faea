"""`town` is the whole service in process, with everybody settled in it."""

from collections.abc import AsyncIterator

import pytest

from tieline import Hub
from tieline.storage.keyring import KeyRing

from .town import Town, town_on


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def database_kind(request: pytest.FixtureRequest) -> str:
    """The conditions are the same on both: on PostgreSQL they are looked at now and then."""
    return request.param


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Town]:
    keys = KeyRing.generate().text.reveal()
    async with Hub.open(database_url, keys=keys, egress_allow="127.0.0.0/8") as hub, town_on(hub) as town:
        yield town
