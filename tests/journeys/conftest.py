"""The journeys are written once and made four ways: in process and over HTTP, on SQLite and on PostgreSQL."""

from collections.abc import AsyncIterator

import pytest

from tieline import Hub
from tieline.api import app
from tieline.client import AsyncClient
from tieline.settings import load_settings
from tieline.storage.keyring import KeyRing
from tieline.testing import Browser, PracticeProvider, serve

from .places import World, application_running, free_port


@pytest.fixture(params=["process", "http"])
def face(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def key_ring() -> str:
    return KeyRing.generate().text.reveal()


@pytest.fixture
async def world(face: str, database_url: str, key_ring: str) -> AsyncIterator[World]:
    port = free_port()
    settings = load_settings({}, database_url=database_url, keys=key_ring, port=str(port), egress_allow="127.0.0.0/8")
    practice = PracticeProvider()
    async with (
        serve(practice.app) as practice_url,
        application_running() as application,
        Hub.open(settings=settings) as hub,
        serve(app(hub), port=port) as url,
        Browser() as browser,
    ):
        key = (await hub.create_first_key()).key
        async with AsyncClient(url, key) as client:
            acme = client.organization("acme") if face == "http" else hub.organization("acme")
            yield World(hub, url, key, acme, practice, practice_url, application, browser)
