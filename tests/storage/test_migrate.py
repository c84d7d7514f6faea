import asyncio
import importlib
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

import tieline
from tieline.errors import Misconfigured
from tieline.storage.database import Database
from tieline.storage.metadata import metadata
from tieline.storage.migrate import migrate, revisions

pytestmark = pytest.mark.anyio

for tables in Path(tieline.__file__).parent.glob("*/tables.py"):
    importlib.import_module(f"tieline.{tables.parent.name}.tables")


@pytest.fixture
async def empty(empty_database_url):
    database = await Database.open(empty_database_url)
    yield database
    await database.close()


async def test_a_migrated_database_has_exactly_the_tables_of_the_code(database):
    # Alembic cannot compare SQLite's empty default with itself.
    options = {"compare_server_default": database.dialect == "postgresql"}

    differences = await database.read(
        lambda connection: compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    )

    assert differences == []


async def test_migrating_again_changes_nothing(database):
    await migrate(database)

    stored = await database.read(
        lambda connection: connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    )
    assert stored == revisions()[-1:]


async def test_processes_that_start_at_once_migrate_once(empty, empty_database_url):
    others = [await Database.open(empty_database_url) for _ in range(3)]

    await asyncio.gather(*(migrate(each) for each in (empty, *others)))

    names = await empty.read(lambda connection: inspect(connection).get_table_names())
    assert {"connections", "audit_events", "jobs"} <= set(names)
    for each in others:
        await each.close()


async def test_a_schema_newer_than_the_code_refuses_to_start(database):
    await database.write(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '9999'")))

    with pytest.raises(Misconfigured, match="9999"):
        await migrate(database)


async def test_a_migration_that_fails_leaves_nothing(empty):
    def fail(connection):
        connection.execute(text("CREATE TABLE half (id TEXT)"))
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        await empty.migrate(fail)

    assert await empty.read(lambda connection: inspect(connection).get_table_names()) == []
