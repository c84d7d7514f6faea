"""Pure decisions about connections: status, when to refresh, how long to wait, what a session is."""

import json
import random
from collections.abc import Mapping
from datetime import datetime, timedelta

from pydantic.alias_generators import to_camel

from tieline.connections.types import SessionStatus, Status
from tieline.errors import Fault, InvalidRequest

SESSION_LIFE = timedelta(minutes=10)
REPEATABLE = timedelta(minutes=10)
"""How long the same nonce and user get the same answer again."""
LEASE = timedelta(seconds=60)
"""Of a refresh, and of a completion: nothing is stuck longer than this."""
LONGEST_TEXT = 255
LARGEST_OBJECT = 64 << 10
_EARLIEST_BACKOFF, _LATEST_BACKOFF = 5.0, 300.0


def require_small(**given: str | Mapping[str, object] | None) -> None:
    """Of what an application keeps with a connection or a session, by its name in Python: lists show it whole.

    Raises InvalidRequest for a text of more than 255 characters, and an object of more than 64 KiB as JSON.
    """
    faults: list[Fault] = []
    for name, value in given.items():
        path = "/" + to_camel(name)
        if isinstance(value, str) and len(value) > LONGEST_TEXT:
            faults.append(Fault(path, "too_long", f"This may have at most {LONGEST_TEXT} characters."))
        elif isinstance(value, Mapping) and len(json.dumps(value, default=str)) > LARGEST_OBJECT:
            message = f"This may have at most {LARGEST_OBJECT >> 10} KiB as JSON."
            faults.append(Fault(path, "too_large", message, "Keep it in your own database, by the connection's id."))
    if faults:
        raise InvalidRequest("This is more than is kept here.", errors=faults)


def status_of(*, state: str, suspended: bool) -> Status:
    """What users see of a connection's state."""
    if suspended:
        return "suspended"
    match state:
        case "reconnect":
            return "reconnect"
        case "failing":
            return "error"
        case _:
            return "active"


def refresh_at(
    *, issued_at: datetime, expires_at: datetime | None, before: int, every: int | None, jitter: float | None = None
) -> datetime | None:
    """When the remaining life is under min(`before` seconds, a quarter of the life), up to a tenth of that earlier."""
    due = issued_at + timedelta(seconds=every) if every else None
    if expires_at is None:
        return due
    life = max((expires_at - issued_at).total_seconds(), 0.0)
    margin = min(float(before), life / 4)
    spread = random.random() if jitter is None else jitter  # noqa: S311  spreads load, protects nothing
    by_expiry = expires_at - timedelta(seconds=margin * (1 + 0.1 * spread))
    return min(due, by_expiry) if due else by_expiry


def needs_refresh(
    *, now: datetime, refresh_at: datetime | None, min_age_over: bool, access_token: str | None, stale: str | None
) -> bool:
    """Whether it is due, or the caller has just seen this very token refused."""
    if stale is not None and stale == access_token:
        return True
    return refresh_at is not None and now >= refresh_at and min_age_over


def backoff(failures: int) -> timedelta:
    """After the n-th passing failure in a row: doubling from 5 seconds to 5 minutes."""
    return timedelta(seconds=min(_EARLIEST_BACKOFF * 2 ** min(failures - 1, 10), _LATEST_BACKOFF))


def session_status(*, step: str, result: str | None, now: datetime, expires_at: datetime) -> SessionStatus:
    """open, awaitingCompletion, completed, failed or expired."""
    match step:
        case "done":
            return "completed" if result in ("connected", "reconnected") else "failed"
        case "burned":
            return "failed"
        case _ if now >= expires_at:
            return "expired"
        case "returned" | "completing":
            return "awaitingCompletion"
        case _:
            return "open"
