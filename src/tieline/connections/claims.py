"""The claim on a refresh, as four conditional changes of the credential's row: claim, save, release, bury.

Each holds only while the row is the one that was read. Times are the database's, since the clocks of processes differ.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, update

from tieline.connections.tables import credentials
from tieline.storage.metadata import now as database_now


@dataclass(frozen=True)
class Claim:
    """Whoever has the newest fence may call the provider and write what came of it."""

    connection_id: str
    version: int
    fence: int


@dataclass(frozen=True)
class Claimed:
    """`claim` is None when somebody else has it, or has renewed the credential meanwhile, when it is not due by the
    database's clock, and when it must `wait` after a failure. `now` is that clock."""

    claim: Claim | None
    now: datetime
    wait: timedelta | None = None


def claim(connection: Connection, seen: Row[Any], *, lease: timedelta, due: Callable[[datetime], bool]) -> Claimed:
    """Records the intent before anybody is called: what a process that dies leaves behind is seen by the next."""
    now = database_now(connection)
    if not due(now):
        return Claimed(None, now)
    if seen.failures and seen.refresh_at is not None and seen.refresh_at > now:
        return Claimed(None, now, seen.refresh_at - now)
    free = credentials.c.claimed_until.is_(None) | (credentials.c.claimed_until < now)
    changed = connection.execute(
        update(credentials)
        .where(credentials.c.connection_id == seen.connection_id, free, credentials.c.state != "dead")
        .where(credentials.c.version == seen.version, credentials.c.fence == seen.fence)
        .values(fence=seen.fence + 1, claimed_until=now + lease, attempt=now.isoformat())
    )
    won = Claim(seen.connection_id, seen.version, seen.fence + 1) if changed.rowcount == 1 else None
    return Claimed(won, now)


def save(connection: Connection, held: Claim, columns: Mapping[str, Any]) -> bool:
    return _change(connection, held, {**columns, "version": held.version + 1})


def release(connection: Connection, held: Claim, *, failures: int, attempt: str | None, pause: timedelta) -> bool:
    """After a failure that passes; it is tried again after the pause."""
    columns = {"attempt": attempt, "failures": failures, "refresh_at": database_now(connection) + pause}
    return _change(connection, held, {**columns, "claimed_until": None})


def bury(connection: Connection, held: Claim, *, state: str, attempt: str | None) -> bool:
    """The refresh token is refused for good, unless `state` is ok: then only this client may not use it."""
    return _change(connection, held, {"state": state, "claimed_until": None, "refresh_at": None, "attempt": attempt})


def _change(connection: Connection, held: Claim, columns: Mapping[str, Any]) -> bool:
    mine = (
        (credentials.c.connection_id == held.connection_id)
        & (credentials.c.version == held.version)
        & (credentials.c.fence == held.fence)
    )
    return connection.execute(update(credentials).where(mine).values(**columns)).rowcount == 1
