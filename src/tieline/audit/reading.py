"""Queries over one organization's audit: a page of events, and the whole chain in batches."""

from datetime import datetime

from sqlalchemy import Connection, func, select

from tieline.audit.chain import Entry, Head, read_facts
from tieline.audit.tables import audit_events, audit_heads
from tieline.audit.types import AuditEvent
from tieline.shapes import Page

BATCH = 1000

_events = audit_events.c
_heads = audit_heads.c
_ENTRY = select(*(audit_events.c[name] for name in Entry.__dataclass_fields__))


def page(
    connection: Connection,
    org: str,
    *,
    target: str | None,
    action: str | None,
    since: datetime | None,
    limit: int,
    cursor: str | None,
) -> Page[AuditEvent]:
    """Newest first."""
    query = _ENTRY.where(_events.org == org).order_by(_events.id.desc()).limit(limit + 1)
    if target:
        query = query.where(_events.target == target)
    if action:
        query = query.where(_events.action == action)
    if since:
        query = query.where(_events.at >= since)
    if cursor:
        query = query.where(_events.id < cursor)
    entries = [Entry(*row) for row in connection.execute(query)]
    items = tuple(_shape(entry) for entry in entries[:limit])
    return Page(items=items, next_cursor=items[-1].id if len(entries) > limit else None)


def last(connection: Connection, org: str) -> int:
    """The last sequence number of an event or a head. One statement, since a seal may happen between two."""
    event = select(func.max(_events.seq)).where(_events.org == org).scalar_subquery()
    head = select(func.max(_heads.seq)).where(_heads.org == org).scalar_subquery()
    row = connection.execute(select(event.label("event"), head.label("head"))).one()
    return max(row.event or 0, row.head or 0)


def stretch(connection: Connection, org: str, *, after: int, end: int) -> tuple[list[Entry | Head], int]:
    """At most BATCH events from `after` to `end`, each head right behind its event; and how far that reaches."""
    query = _ENTRY.where(_events.org == org, _events.seq > after, _events.seq <= end)
    events = [Entry(*row) for row in connection.execute(query.order_by(_events.seq).limit(BATCH))]
    until = (events[-1].seq or end) if len(events) == BATCH else end
    query = select(_heads.org, _heads.seq, _heads.hash, _heads.at, _heads.signature)
    query = query.where(_heads.org == org, _heads.seq > after, _heads.seq <= until)
    heads = [Head(*row) for row in connection.execute(query)]
    return sorted([*events, *heads], key=lambda item: (item.seq or 0, isinstance(item, Head))), until


def unsealed(connection: Connection, org: str, *, after: str = "", limit: int = BATCH) -> list[Entry]:
    """From the oldest on; `after` is an event's id."""
    query = _ENTRY.where(_events.org == org, _events.seq.is_(None), _events.id > after)
    return [Entry(*row) for row in connection.execute(query.order_by(_events.id).limit(limit))]


def _shape(entry: Entry) -> AuditEvent:
    return AuditEvent(
        id=entry.id,
        organization=entry.org,
        at=entry.at,
        actor=entry.actor,
        action=entry.action,
        target=entry.target,
        outcome=entry.outcome,
        facts=read_facts(entry.facts),
        seq=entry.seq,
        hash=entry.hash,
    )
