"""Which key ring a database is opened with.

A wrong or missing key is a refusal to start, never plaintext and never a new key beside old data.
"""

import hmac
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, select, update

from tieline.errors import Misconfigured
from tieline.settings import Settings
from tieline.storage import key_file
from tieline.storage.changes import bump
from tieline.storage.database import Database
from tieline.storage.keyring import HOW, KeyRing
from tieline.storage.metadata import alone, insert
from tieline.storage.tables import encryption_keys

TOPIC = "keys"
"""Of `changes`: which keys there are, and which one seals."""


async def load_key_ring(settings: Settings, database: Database) -> KeyRing:
    """As `read_key_ring`, checked against what the database was sealed with. Raises Misconfigured."""
    ring = await read_key_ring(settings, database)
    await admit(ring, database)
    return ring


async def read_key_ring(settings: Settings, database: Database) -> KeyRing:
    """From the settings; for SQLite from its 0600 key file, which a fresh install makes. Raises Misconfigured."""
    if settings.keys:
        return KeyRing.parse(settings.key_ring)
    if not settings.is_embedded:
        raise Misconfigured(f"This database needs a key ring. {HOW}")
    return key_file.read(settings.key_file) or await _first(settings.key_file, database)


async def admit(ring: KeyRing, database: Database) -> None:
    """Check the ring against the stored check values, enter keys that are new, and have the first one seal from now on.

    Raises Misconfigured.
    """
    if await fits(ring, database):
        return
    await database.write(lambda connection: _enter(connection, ring))


async def fits(ring: KeyRing, database: Database) -> bool:
    """Whether the database already knows all these keys, and seals with the first one. Raises Misconfigured."""
    return await database.read(lambda connection: _entered(connection, ring))


def _entered(connection: Connection, ring: KeyRing) -> bool:
    """True when the table already says what the ring says."""
    rows = connection.execute(select(encryption_keys)).all()
    for row in rows:
        if row.id not in ring.keys:
            # With a new one nothing has been sealed yet: who is started anew before it learns of it goes on.
            if row.state not in ("new", "retired"):
                raise Misconfigured(
                    f"The key {row.id} is missing from the key ring, and rows are still sealed with it. "
                    "Put it back behind the first one."
                )
        elif not hmac.compare_digest(ring.check_value(row.id), row.check_value):
            raise Misconfigured(f"The key {row.id} is not the one that this database was sealed with.")
    states = {row.id: row.state for row in rows}
    if states.get(ring.primary) == "retired":
        raise Misconfigured(f"The key {ring.primary} was dropped, and may seal no more. Put another one first.")
    primary = [key_id for key_id, state in states.items() if state == "primary"]
    return primary == [ring.primary] and states.keys() >= ring.keys.keys()


def _enter(connection: Connection, ring: KeyRing) -> None:
    # Of servers that start at once with rings of their own, the second one must see what the first one entered.
    alone(connection, "keys")
    _entered(connection, ring)
    for key_id in ring.keys:
        row = {"id": key_id, "check_value": ring.check_value(key_id), "created_at": datetime.now(UTC)}
        connection.execute(insert(connection, encryption_keys).values(**row, state="new").on_conflict_do_nothing())
    keys = encryption_keys.c
    connection.execute(update(encryption_keys).where(keys.state == "primary").values(state="readable"))
    connection.execute(update(encryption_keys).where(keys.id == ring.primary).values(state="primary"))
    bump(connection, TOPIC)


async def _first(file: Path, database: Database) -> KeyRing:
    """The key file of a fresh install."""
    if await database.read(lambda connection: connection.execute(select(encryption_keys.c.id)).first()):
        raise Misconfigured(f"The key file {file} is missing. Put it back, or set TIELINE_KEYS.")
    return key_file.make(file)
