"""Queries over jobs. Every change after the lease is bound to its fence, so that who came too late changes nothing."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, delete, or_, select, update

from tieline.ids import new_id
from tieline.jobs.tables import jobs
from tieline.storage.metadata import insert, now

_MAX_WAIT = timedelta(hours=1)


@dataclass(frozen=True)
class Job:
    """One due piece of work. `attempts` counts this one; `payload` is JSON and holds no secret."""

    id: str
    kind: str
    key: str
    due_at: datetime
    fence: int
    attempts: int
    payload: object


def schedule(connection: Connection, kind: str, key: str, *, due_at: datetime, payload: object = None) -> None:
    """In the caller's transaction. One job per kind and key: scheduled again, it is moved to the new time."""
    values = {"due_at": due_at, "payload": payload, "attempts": 0}
    statement = insert(connection, jobs).values(id=new_id("job"), kind=kind, key=key, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["kind", "key"], set_=values))


def ensure(connection: Connection, kind: str) -> None:
    """A periodic job's row, due at once when it is new."""
    row = {"id": new_id("job"), "kind": kind, "key": "", "due_at": now(connection)}
    connection.execute(insert(connection, jobs).values(row).on_conflict_do_nothing())


def cancel(connection: Connection, kind: str, key: str) -> None:
    """What runs already is not stopped."""
    connection.execute(delete(jobs).where(jobs.c.kind == kind, jobs.c.key == key))


def any_due(connection: Connection, kinds: Collection[str]) -> bool:
    return connection.execute(select(jobs.c.id).where(_due(kinds, now(connection))).limit(1)).first() is not None


def claim(connection: Connection, kinds: Collection[str], *, lease: timedelta, limit: int) -> list[Job]:
    """Lease what is due, the longest due first. What another process is claiming is left to it."""
    moment = now(connection)
    due = select(jobs.c.id).where(_due(kinds, moment)).order_by(jobs.c.due_at).limit(limit)
    ids = connection.execute(due.with_for_update(skip_locked=True)).scalars().all()
    if not ids:
        return []
    connection.execute(
        update(jobs)
        .where(jobs.c.id.in_(ids))
        .values(leased_until=moment + lease, fence=jobs.c.fence + 1, attempts=jobs.c.attempts + 1)
    )
    columns = (jobs.c[name] for name in Job.__dataclass_fields__)
    return [Job(*row) for row in connection.execute(select(*columns).where(jobs.c.id.in_(ids)))]


def finish(connection: Connection, job: Job, *, again_after: timedelta | None) -> None:
    """Done: the row goes, or is due again. If it was scheduled anew meanwhile, that time stands."""
    mine = _mine(job)
    unmoved = and_(mine, jobs.c.due_at == job.due_at)
    if again_after is None:
        connection.execute(delete(jobs).where(unmoved))
    else:
        due_at = now(connection) + again_after
        connection.execute(update(jobs).where(unmoved).values(due_at=due_at, attempts=0, leased_until=None))
    connection.execute(update(jobs).where(mine).values(leased_until=None))


def fail(connection: Connection, job: Job, *, at_most: timedelta | None) -> None:
    """Due again after 1, 2, 4 ... seconds, an hour at most; a periodic job no later than its next round."""
    wait = min(timedelta(seconds=2 ** min(job.attempts - 1, 12)), at_most or _MAX_WAIT)
    unmoved = and_(_mine(job), jobs.c.due_at == job.due_at)
    connection.execute(update(jobs).where(unmoved).values(due_at=now(connection) + wait))
    release(connection, job)


def release(connection: Connection, job: Job) -> None:
    """Due as before: somebody else may run it at once."""
    connection.execute(update(jobs).where(_mine(job)).values(leased_until=None))


def _due(kinds: Collection[str], moment: datetime) -> ColumnElement[bool]:
    free = or_(jobs.c.leased_until.is_(None), jobs.c.leased_until < moment)
    return and_(jobs.c.kind.in_(kinds), jobs.c.due_at <= moment, free)


def _mine(job: Job) -> ColumnElement[bool]:
    return and_(jobs.c.id == job.id, jobs.c.fence == job.fence)
