"""The database stops, dies, freezes, is cut off or only reads: every route says 503 in time, and serves again soon."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
from sqlalchemy import func, select
from tools.postgresql import running

from tieline import Hub
from tieline.connections import Reference
from tieline.connections.tables import connections, credentials
from tieline.storage import Database, migrate
from tieline.testing import PracticeProvider, serve

from .relay import Relay
from .routes import READS, USES, WRITES, Routes, require_unavailable, routes_of, worst
from .server import Server
from .sites import Site, ring_of

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def own_server() -> Any:
    """Safe against a crash, and nobody else's: it is mistreated."""
    with running(shared_buffers="32MB", max_connections="100") as address:
        server = Server(Path(parse_qs(urlsplit(address).query)["host"][0]))
        yield server
        with suppress(OSError):
            server.thaw()
        server.close()


@pytest.fixture
async def relay(own_server: Server) -> AsyncIterator[Relay]:
    relay = Relay(f"{own_server.folder}/.s.PGSQL.5432")
    await relay.start()
    yield relay
    await relay.stop()


@pytest.fixture
async def site(own_server: Server, relay: Relay) -> AsyncIterator[Site]:
    """Its database stands behind the relay."""
    practice = PracticeProvider()
    name = f"gone_{relay.port}"
    control = await asyncpg.connect(host=str(own_server.folder), user="postgres", database="postgres")
    await control.execute(f"CREATE DATABASE {name}")
    await control.close()
    url = f"postgresql://postgres@127.0.0.1:{relay.port}/{name}"
    database = await Database.open(url)
    await migrate(database)
    await database.close()
    async with serve(practice.app) as practice_url:
        yield Site(url, practice, practice_url)


@pytest.fixture
async def routes(site: Site) -> AsyncIterator[Routes]:
    async with site.open("k1") as hub, routes_of(site, hub) as routes:
        yield routes


async def require_whole(hub: Hub) -> None:
    """Each connection has its credential, and each credential opens."""

    def count(connection: Any) -> list[int]:
        tables = (connections, credentials)
        return [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables]

    there, theirs = await hub.db.read(count)
    assert there == theirs
    await hub.audit.seal()
    assert (await hub.organization("acme").audit.verify()).ok


async def gone_and_back(routes: Routes, go: Any, come: Any) -> None:
    calls = routes.practice.calls.count("GET /v1/me")
    await asyncio.to_thread(go)
    try:
        first = await routes.ask_all()
        second = await routes.ask_all()
        alive, ready = [await routes.http.get(path) for path in ("/healthz", "/readyz")]
        called = routes.practice.calls.count("GET /v1/me") - calls
    finally:
        await asyncio.to_thread(come)
    seconds = await routes.until_well()

    require_unavailable(first)
    require_unavailable(second)
    assert (alive.status_code, ready.status_code) == (200, 503)
    assert called == 0, "no audit, no call"
    print(f"\nslowest 503: {worst({**first, **second})}; well again after {seconds:.2f} s")
    assert seconds < 5
    await require_whole(routes.hub)


async def test_a_database_that_was_stopped(routes: Routes, own_server: Server) -> None:
    await gone_and_back(routes, own_server.stop, own_server.start)


async def test_a_database_whose_machine_died(routes: Routes, own_server: Server) -> None:
    await gone_and_back(routes, own_server.kill, own_server.start)


async def test_a_database_that_is_frozen(routes: Routes, own_server: Server) -> None:
    await gone_and_back(routes, own_server.freeze, own_server.thaw)


async def test_a_network_that_swallows_everything(routes: Routes, relay: Relay) -> None:
    await gone_and_back(routes, relay.freeze, relay.thaw)


async def test_connections_that_are_cut_in_the_middle(routes: Routes, relay: Relay) -> None:
    async def cutting() -> None:
        for _ in range(40):
            await asyncio.sleep(0.02)
            relay.cut()

    seen: list[tuple[str, int]] = []
    cutter = asyncio.create_task(cutting())
    while not cutter.done():
        answers = await routes.ask_all()
        seen += [(each.name, each.status) for each in answers.values()]
        require_unavailable({name: each for name, each in answers.items() if each.status >= 400})
    seconds = await routes.until_well()

    assert {status for _, status in seen} <= {200, 201, 503}
    assert ("list", 503) in seen or ("proxy", 503) in seen or any(status == 503 for _, status in seen)
    assert seconds < 5
    await require_whole(routes.hub)


async def test_a_primary_that_only_reads_any_more(routes: Routes, own_server: Server, site: Site) -> None:
    async def set_back(value: str) -> None:
        control = await asyncpg.connect(host=str(own_server.folder), user="postgres", database="postgres")
        await control.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
        await control.execute("SELECT pg_reload_conf()")
        await control.close()

    await set_back("on")
    await asyncio.sleep(0.3)
    writes = await routes.ask_all(*WRITES, *USES)
    reads = await routes.ask_all(*READS)
    await set_back("off")
    seconds = await routes.until_well()

    require_unavailable(writes)
    assert {name: each.status for name, each in reads.items()} == dict.fromkeys(READS, 200)
    assert seconds < 5
    await require_whole(routes.hub)


@pytest.mark.parametrize("at", ["unheard", "unanswered"])
async def test_a_commit_that_is_cut_off_leaves_nothing_half(routes: Routes, relay: Relay, at: Any) -> None:
    for name in WRITES:
        relay.at_commit = at
        answer = await routes.ask(name)
        assert relay.at_commit is None, f"{name} commits"
        assert answer.status in (200, 201, 503), (name, answer.status, answer.text)
        if name == "refresh":
            # If it was the claim whose answer was lost, nobody refreshes until its lease is over; the token lives.
            continue
        assert (await routes.ask(name)).status in (200, 201)

    assert relay.cuts == len(WRITES)
    await require_whole(routes.hub)
    acme = routes.hub.organization("acme")
    for each in routes.connections:
        credential = await acme.connections.credentials(Reference(id=each))
        async with acme.http(each) as http:
            assert (await http.get("/me")).status_code == 200, credential


async def test_a_server_that_starts_without_its_database_says_so_and_ends(site: Site, own_server: Server) -> None:
    own_server.stop()
    try:
        with pytest.raises(Exception, match="cannot be reached"):
            async with Hub.open(site.database_url, keys=ring_of("k1").text.reveal()):
                pass
    finally:
        own_server.start()
