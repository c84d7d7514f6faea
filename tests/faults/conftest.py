"""A site on a fresh database, with the practice provider on loopback."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import make_url

from tieline import catalog
from tieline.providers.builtin import missing, store
from tieline.storage import Database
from tieline.testing import PracticeProvider, serve

from .sites import Site


@pytest.fixture
async def site(database_url: str) -> AsyncIterator[Site]:
    practice = PracticeProvider()
    async with serve(practice.app) as url:
        yield Site(database_url, practice, url)


@pytest.fixture(scope="session")
def migrated_file(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with the built-in providers as well, which a hub would store anew for each test."""
    file = tmp_path_factory.mktemp("stocked") / "tieline.db"
    shutil.copyfile(migrated_file, file)
    asyncio.run(_stock(f"sqlite:///{file}"))
    return file


@pytest.fixture(scope="session")
def migrated_template(postgresql: str, migrated_template: str) -> Iterator[str]:
    """A copy, as above."""
    name = f"{migrated_template}_faults"
    asyncio.run(_execute(postgresql, f"CREATE DATABASE {name} TEMPLATE {migrated_template}"))
    asyncio.run(_stock(make_url(postgresql).set(database=name).render_as_string(hide_password=False)))
    yield name
    asyncio.run(_execute(postgresql, f"DROP DATABASE {name} WITH (FORCE)"))


async def _stock(url: str) -> None:
    """And without any key yet."""
    database = await Database.open(url)
    for slug in await database.read(lambda connection: missing(connection, catalog.versions())):
        document = catalog.document(slug)
        await database.write(lambda connection, document=document: store(connection, document))
    await database.close()


async def _execute(server: str, statement: str) -> None:
    connection = await asyncpg.connect(server)
    await connection.execute(statement)
    await connection.close()
