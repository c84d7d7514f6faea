"""Bring the schema up to date. When it already is, this is one SELECT, and Alembic is not even imported."""

from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from tieline.errors import Misconfigured
from tieline.storage.database import Database

_MIGRATIONS = Path(__file__).parent / "migrations"


async def migrate(database: Database) -> None:
    """Safe when several processes start at once. Raises Misconfigured when the schema is newer than this code."""
    known = revisions()
    stored = await stored_revision(database)
    if stored == known[-1]:
        return
    if stored and stored not in known:
        raise Misconfigured(
            f"The database has schema {stored}, this Tieline knows {known[-1]} at most. Install the newer Tieline.",
            stored=stored,
            known=known[-1],
        )
    await database.migrate(_upgrade)


async def stored_revision(database: Database) -> str:
    """The revision of the schema; empty when there is none yet."""
    return await database.read(_stored)


def revisions() -> list[str]:
    """Ascending: the number that each file of a version begins with."""
    return sorted(file.name.split("_")[0] for file in (_MIGRATIONS / "versions").glob("[0-9]*.py"))


def _stored(connection: Connection) -> str:
    try:
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or ""
    except DBAPIError as error:
        if "alembic_version" in str(error.orig):
            return ""
        raise


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    # A path with a percent sign would be read as an interpolation.
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
