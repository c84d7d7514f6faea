"""What a database keeps: the bytes of every file of SQLite, and of every row of every table of PostgreSQL."""

import io
from pathlib import Path

import asyncpg
from sqlalchemy import make_url


async def at_rest(database_url: str) -> dict[str, bytes]:
    """By the name of the file or table."""
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        file = Path(url.database)
        beside = (each for each in file.parent.glob(f"{file.name}*") if each.suffix != ".keys")
        return {each.name: each.read_bytes() for each in sorted(beside)}
    connection = await asyncpg.connect(database_url)
    try:
        names = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {each["tablename"]: await _table(connection, each["tablename"]) for each in names}
    finally:
        await connection.close()


async def _table(connection: asyncpg.Connection, name: str) -> bytes:
    """In COPY's binary format, where text and bytes stand as they are."""
    rows = io.BytesIO()
    await connection.copy_from_table(name, output=rows, format="binary")
    return rows.getvalue()
