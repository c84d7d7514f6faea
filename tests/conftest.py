"""Fixtures that every test may use: `database` runs a test on SQLite and on PostgreSQL, each time on a fresh schema.

PostgreSQL comes from PyPI and is started once per process, on first use; TIELINE_TEST_DATABASE_URL names another.
"""

import asyncio
import os
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
import structlog
from sqlalchemy import make_url
from tools.postgresql import running

from tieline.storage.database import Database
from tieline.storage.migrate import migrate

from .tenants import Tenants, settle


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def usual_log() -> Iterator[None]:
    """The command line sets the log up for its process, and its standard error is not the next test's."""
    yield
    structlog.reset_defaults()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_kind(request: pytest.FixtureRequest) -> str:
    """For one kind only: `@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)`."""
    return request.param


@pytest.fixture
def database_url(database_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Of a database that has the schema and no rows."""
    if database_kind == "sqlite":
        file = tmp_path / "tieline.db"
        shutil.copyfile(request.getfixturevalue("migrated_file"), file)
        yield f"sqlite:///{file}"
    else:
        yield from _fresh(request.getfixturevalue("postgresql"), request.getfixturevalue("migrated_template"))


@pytest.fixture
def empty_database_url(database_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Of a database without any table."""
    if database_kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'tieline.db'}"
    else:
        yield from _fresh(request.getfixturevalue("postgresql"), "template0")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = await Database.open(database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def tenants(database: Database) -> Tenants:
    return await database.write(settle)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("migrated") / "tieline.db"
    asyncio.run(_migrated(f"sqlite:///{file}"))
    return file


@pytest.fixture(scope="session")
def migrated_template(postgresql: str) -> Iterator[str]:
    """The name of a database that fresh ones are copied from: far faster than migrating each."""
    name = f"tieline_{uuid.uuid4().hex}"
    asyncio.run(_execute(postgresql, f"CREATE DATABASE {name} TEMPLATE template0"))
    asyncio.run(_migrated(_named(postgresql, name)))
    yield name
    asyncio.run(_execute(postgresql, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The address of a server whose user may create databases."""
    if given := os.environ.get("TIELINE_TEST_DATABASE_URL"):
        yield given
        return
    # A server for tests need not survive a power cut.
    with running(fsync="off", full_page_writes="off", shared_buffers="32MB", max_connections="200") as address:
        yield address


def _fresh(server: str, template: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    asyncio.run(_execute(server, f"CREATE DATABASE {name} TEMPLATE {template}"))
    yield _named(server, name)
    asyncio.run(_execute(server, f"DROP DATABASE {name} WITH (FORCE)"))


def _named(server: str, name: str) -> str:
    return make_url(server).set(database=name).render_as_string(hide_password=False)


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


async def _migrated(url: str) -> None:
    database = await Database.open(url)
    await migrate(database)
    await database.close()
