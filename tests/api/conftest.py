"""`stage` is the whole service over real HTTP, on SQLite: what the database does is tested below the face.

At its end no secret may have come out anywhere.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
from tests.canary.canary import Canary
from tests.canary.mark import CLIENT_SECRET, KEY
from tests.canary.taps import Overheard, listening

from tieline import Hub
from tieline.api import app
from tieline.settings import load_settings
from tieline.testing import Browser, PracticeProvider, serve

from .stage import Stage, free_port, fresh
from .upstream import Upstream
from .wire import Wire, on_the_wire


@pytest.fixture(autouse=True)
def canary() -> Iterator[Canary]:
    with listening() as canary:
        yield canary
        assert [*canary.in_log()] == []


@pytest.fixture
async def stage(tmp_path: Path, migrated_file: Path, canary: Canary) -> AsyncIterator[Stage]:
    port = free_port()
    folder = fresh(migrated_file, tmp_path / "data")
    settings = load_settings({}, data=str(folder), port=str(port), egress_allow="127.0.0.0/8")
    practice = PracticeProvider(client_secret=CLIENT_SECRET, api_keys={KEY: "ada@practice.example"})
    upstream = Upstream()
    async with (
        serve(practice.app) as practice_url,
        serve(upstream) as upstream_url,
        Hub.open(settings=settings) as hub,
        serve(Overheard(app(hub), canary), port=port) as url,
    ):
        key = (await hub.create_first_key()).key.reveal()
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=30, trust_env=False) as http:
            yield Stage(hub, url, key, http, practice, practice_url, upstream, upstream_url)
            assert await canary.leaks(hub, settings.database) == []


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with Browser() as browser:
        yield browser


@pytest.fixture
async def wire(tmp_path: Path, migrated_file: Path) -> AsyncIterator[Wire]:
    async with on_the_wire(migrated_file, tmp_path / "data") as wire:
        yield wire
