"""Pure decisions about connections: status, when to refresh, how long to wait, what a session is."""

import json
import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

from pydantic.alias_generators import to_camel

from tieline.connections.types import SessionStatus, Status
from tieline.errors import Fault, InvalidRequest

Rotation = Literal["none", "grace", "until_used", "strict"]
SESSION_LIFE = timedelta(minutes=10)
REPEATABLE = timedelta(minutes=10)
"""How long the same nonce and user get the same answer again."""
LEASE = timedelta(seconds=60)
"""Of a refresh, and of a completion: nothing is stuck longer than this."""
FORGIVING_LEASE = timedelta(seconds=25)
"""Of a refresh at a provider that takes an old refresh token once more: as long as one call."""
ANSWER_LOST = "answer lost"
ANSWER_UNCLEAR = "answer unclear"
LONGEST_TEXT = 255
LARGEST_OBJECT = 64 << 10
_EARLIEST_BACKOFF, _LATEST_BACKOFF = 5.0, 300.0
_LONGEST_ASKED = 3600.0
_TOLERATED = 2
"""Of passing failures in a row: with a token that is over, and of refusals of a token just renewed."""


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
    *,
    issued_at: datetime,
    expires_at: datetime | None,
    before: int | None = None,
    every: int | None = None,
    refresh_expires_at: datetime | None = None,
    jitter: float | None = None,
) -> datetime | None:
    """At 75 to 80 % of the life of the access token and of the refresh token, by chance, or `before` seconds before
    the end where that is later; and `every` so many seconds."""
    spread = random.random() if jitter is None else jitter  # noqa: S311  spreads load, protects nothing
    due = [issued_at + timedelta(seconds=every)] if every else []
    if expires_at is not None:
        due.append(expires_at - _margin(expires_at - issued_at, before, spread))
    if refresh_expires_at is not None:
        due.append(refresh_expires_at - _margin(refresh_expires_at - issued_at, None, spread))
    return min(due, default=None)


def _margin(life: timedelta, before: int | None, spread: float) -> timedelta:
    share = max(life.total_seconds(), 0.0) * (0.2 + 0.05 * spread)
    return timedelta(seconds=share if before is None else min(before * (1 + 0.1 * spread), share))


def lease(rotation: Rotation) -> timedelta:
    """How long a refresh has its claim. Where a second use of the old refresh token ends the grant, long enough that
    no call of before can still be under way; elsewhere short, so that a crash is mended within the grace."""
    return LEASE if rotation == "strict" else FORGIVING_LEASE


def is_last_try(rotation: Rotation, attempt: str | None) -> bool:
    """Whether an answer was lost that may have replaced the refresh token for good. To use it again may then end the
    grant with its living access token: it waits for that one's end. `attempt` is the mark of the credential."""
    return rotation == "strict" and attempt is not None and attempt != ANSWER_UNCLEAR


def is_unknown(rotation: Rotation, attempt: str | None) -> bool:
    """Whether a refused refresh token may have been replaced in an answer that was lost."""
    return rotation != "none" and attempt is not None


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


def pause(failures: int, *, asked: float | None, left: timedelta | None) -> timedelta:
    """Before a refresh is tried again: what the provider asked for, and what is ours. `left` is the life that the old
    token still has (None: no end known); ours ends with it, and without it begins with the third failure."""
    own = backoff(failures)
    if left is not None:
        own = min(own, left) if left > timedelta(0) or failures <= _TOLERATED else own
    return max(own, timedelta(seconds=min(asked or 0.0, _LONGEST_ASKED)))


def is_worth_renewing(refusals: int, age: timedelta) -> bool:
    """Whether a token that the provider's API refused is renewed. `refusals` of tokens renewed for that reason came
    before, and it is so old: what is refused however often it is renewed waits from a minute up to an hour."""
    return refusals < _TOLERATED or age.total_seconds() >= min(60.0 * 2 ** min(refusals - _TOLERATED, 10), 3600.0)


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
