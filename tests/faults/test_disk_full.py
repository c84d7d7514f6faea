"""The disk is full, or does not take what is written: reads go on, writes say so, and nothing is left half."""

import asyncio
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
from sqlalchemy import func, make_url, select

from tieline.connections.tables import connections, credentials
from tieline.hub import Hub
from tieline.testing import PracticeProvider, serve

from .routes import EVERYTHING, READS, USES, WRITES, Answer, Routes, routes_of
from .sites import Site

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of its own, which is soon full. Not among pytest's folders, which other users may not enter."""
    folder = Path(tempfile.mkdtemp(prefix="tieline-small-"))
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        folder.rmdir()
        pytest.skip("only root can mount a small disk")
    folder.chmod(0o711)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)
    folder.rmdir()


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Until nothing more fits."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1 << 6, 1):
            while True:
                try:
                    if file.write(bytes(size)) < size:
                        break
                except OSError:
                    break
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """To write behind that is an error of input and output, as from a broken disk."""
    was = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, was[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, was)
        signal.signal(signal.SIGXFSZ, before)


@asynccontextmanager
async def site_on(url: str) -> AsyncIterator[Routes]:
    practice = PracticeProvider()
    async with serve(practice.app) as practice_url:
        site = Site(url, practice, practice_url)
        async with site.open("k1") as hub, routes_of(site, hub) as routes:
            yield routes


async def until_refused(routes: Routes, status: int) -> None:
    """What is free in the pages that there are is used up first: three times in turn nothing has fitted."""
    refused = 0
    for _ in range(400):
        answers = await asyncio.gather(*(routes.ask(name) for name in (*USES, "api-key", "label")))
        assert {each.status for each in answers} <= {200, 201, status}, answers
        refused = refused + 1 if all(each.status == status for each in answers) else 0
        if refused == 3:
            return
    pytest.fail("the disk is not full")


def statuses(answers: dict[str, Answer]) -> dict[str, int]:
    return {name: each.status for name, each in answers.items()}


async def require_whole(hub: Hub) -> None:
    def count(connection: Any) -> list[int]:
        tables = (connections, credentials)
        return [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables]

    there, theirs = await hub.db.read(count)
    assert there == theirs
    await hub.audit.seal()
    verified = await hub.organization("acme").audit.verify()
    assert (verified.ok, verified.unsealed) == (True, 0)


async def refused_and_well_again(routes: Routes, trouble: Any, status: int, *, room: int = 0) -> None:
    with trouble:
        await until_refused(routes, status)
        calls = routes.practice.calls.count("GET /v1/me")
        answers = await routes.ask_all(*USES, *(name for name in WRITES if name != "refresh"))
        reads = await routes.ask_all(*(name for name in READS if name != "page"))
        called = routes.practice.calls.count("GET /v1/me") - calls
        page = await routes.ask("page")
        slowest = max(each.seconds - each.lag for each in answers.values())
    seconds = await routes.until_well(*(name for name in EVERYTHING if name != "refresh"))

    # PostgreSQL finds room again in pages that it tidies: then a write is made, whole and audited.
    made = {name for name, each in answers.items() if each.status in (200, 201)}
    assert len(made) <= room
    assert statuses(answers) == {name: each.status if name in made else status for name, each in answers.items()}
    assert statuses(reads) == dict.fromkeys(reads, 200)
    assert page.status in (200, status)
    assert called == ("proxy" in made), "no audit, no call"
    assert ("accessToken" in answers["credentials"].text) == ("credentials" in made)
    print(f"\nslowest {status}: {slowest:.2f} s; well again after {seconds:.2f} s; the page: {page.status}")
    assert slowest < 2
    assert seconds < 5
    await require_whole(routes.hub)


async def test_a_full_disk_of_sqlite(small_disk: Path, migrated_file: Path) -> None:
    file = small_disk / "tieline.db"
    shutil.copyfile(migrated_file, file)
    async with site_on(f"sqlite:///{file}") as routes:
        await refused_and_well_again(routes, full(small_disk), 507)

    with sqlite3.connect(file) as opened:
        assert opened.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert opened.execute("PRAGMA foreign_key_check").fetchall() == []


async def test_a_disk_that_takes_no_more_writes_of_sqlite(tmp_path: Path, migrated_file: Path) -> None:
    file = tmp_path / "tieline.db"
    shutil.copyfile(migrated_file, file)
    async with site_on(f"sqlite:///{file}") as routes:
        wal = file.with_name("tieline.db-wal").stat().st_size
        await refused_and_well_again(routes, no_file_larger_than(wal), 503)

    with sqlite3.connect(file) as opened:
        assert opened.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def test_a_full_disk_of_postgresql(small_disk: Path, postgresql: str, migrated_template: str) -> None:
    folder = parse_qs(urlsplit(postgresql).query).get("host")
    if not folder:
        pytest.skip("needs the server that the tests start themselves")
    tables = _for_tables(small_disk, Path(folder[0]))
    name = f"full_{os.getpid()}"
    control = await asyncpg.connect(postgresql)
    await control.execute(f"CREATE TABLESPACE {name} LOCATION '{tables}'")
    await control.execute(f"CREATE DATABASE {name} TEMPLATE {migrated_template} TABLESPACE {name}")
    try:
        url = make_url(postgresql).set(database=name).render_as_string(hide_password=False)
        async with site_on(url) as routes:
            await refused_and_well_again(routes, full(small_disk), 507, room=2)
    finally:
        await control.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await control.execute(f"DROP TABLESPACE {name}")
        await control.close()


def _for_tables(disk: Path, server: Path) -> Path:
    """A folder there that belongs to the server's user."""
    owner = (server / "data").stat()
    tables = disk / "tables"
    tables.mkdir()
    os.chown(tables, owner.st_uid, owner.st_gid)
    return tables
