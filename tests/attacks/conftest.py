"""The scene of the attacks. What differs by database is tried elsewhere: here it is SQLite."""

import asyncio
import base64
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tieline import Hub

from .scene import Scene, scene_on

KEYS = "test:" + base64.b64encode(bytes(range(32))).decode()


@pytest.fixture(params=["sqlite"])
def database_kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def migrated_file(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with the built-in providers as well, which a hub would store anew for each test."""
    file = tmp_path_factory.mktemp("stocked") / "tieline.db"
    shutil.copyfile(migrated_file, file)
    asyncio.run(_stock(f"sqlite:///{file}"))
    return file


async def _stock(url: str) -> None:
    async with Hub.open(url, keys=KEYS):
        pass


@pytest.fixture
async def scene(database_url: str) -> AsyncIterator[Scene]:
    async with scene_on(database_url, KEYS) as scene:
        yield scene
