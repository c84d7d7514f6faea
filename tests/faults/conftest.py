"""A site on a fresh database, with the practice provider on loopback."""

from collections.abc import AsyncIterator

import pytest

from tieline.testing import PracticeProvider, serve

from .sites import Site


@pytest.fixture
async def site(database_url: str) -> AsyncIterator[Site]:
    practice = PracticeProvider()
    async with serve(practice.app) as url:
        yield Site(database_url, practice, url)
