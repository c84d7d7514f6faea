"""What the audit shows: events, and the outcome of verifying their chain."""

from collections.abc import Mapping
from datetime import datetime

from tieline.shapes import Shape


class AuditEvent(Shape):
    """`seq` and `hash` are null until the event is sealed, within a second."""

    id: str
    organization: str
    at: datetime
    actor: str
    action: str
    target: str
    outcome: str
    facts: Mapping[str, object]
    seq: int | None = None
    hash: str | None = None


class Verification(Shape):
    """`broken` is the first sequence number that does not hold, `unsealed` the tail that has none yet.

    `events` and `hash` of the last one, noted elsewhere as `12:9f86...`, show later that the end was cut off.
    """

    ok: bool
    events: int
    heads: int
    unsealed: int
    hash: str | None = None
    broken: int | None = None
    reason: str | None = None
