"""`serve`: an application on a port, for as long as the block lasts."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from starlette.applications import Starlette

from tieline.testing import PracticeProvider, serve

pytestmark = pytest.mark.anyio


async def test_the_lifespan_of_the_application_runs():
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        seen.append("start")
        yield
        seen.append("stop")

    async with serve(Starlette(lifespan=lifespan)):
        assert seen == ["start"]

    assert seen == ["start", "stop"]


async def test_nobody_listens_after_the_block_and_the_port_can_be_taken_again():
    provider = PracticeProvider()
    async with serve(provider.app) as url, httpx2.AsyncClient() as http:
        await http.get(f"{url}/health")

    async with httpx2.AsyncClient() as http:
        with pytest.raises(httpx2.ConnectError):
            await http.get(f"{url}/health")
        async with serve(provider.app, port=int(url.rpartition(":")[2])) as again:
            assert again == url
            assert (await http.get(f"{url}/health")).status_code == 401


async def test_an_application_that_does_not_start_is_an_error():
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        raise OSError("no disk")
        yield

    with pytest.raises(RuntimeError, match="did not start"):
        async with serve(Starlette(lifespan=lifespan)):
            pass


async def test_a_call_that_hangs_does_not_hold_the_block_open():
    provider = PracticeProvider()
    provider.switches.api_slow = 60
    async with httpx2.AsyncClient() as http:
        async with serve(provider.app) as url:
            hanging = asyncio.create_task(http.get(f"{url}/health"))
            await asyncio.sleep(0.1)
            started = time.monotonic()

        assert time.monotonic() - started < 3
        with pytest.raises(httpx2.TransportError):
            await hanging
