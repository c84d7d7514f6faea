"""One stage per test, on SQLite: what differs by database is tried elsewhere."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .stage import Stage
from .stage import stage as set_up


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with set_up(tmp_path) as ready:
        yield ready
