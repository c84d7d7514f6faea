"""The queries of connections. Each starts from what the actor may see."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    ScalarSelect,
    Select,
    bindparam,
    case,
    func,
    literal,
    or_,
    select,
    update,
)

from tieline.actor import Actor
from tieline.audit import Also
from tieline.connections.tables import connections, credentials
from tieline.connections.types import Reference, SessionRequest
from tieline.errors import AmbiguousConnection, Forbidden, InvalidRequest, NotConnected, NotFound
from tieline.providers.tables import provider_versions, providers

TOUCH_EVERY = timedelta(minutes=1)
_TOUCH = update(connections).where(connections.c.id == bindparam("touched")).values(last_used_at=bindparam("at"))


def as_reference(reference: Reference | str) -> Reference:
    """A text is an id."""
    return Reference(id=reference) if isinstance(reference, str) else reference


def visible(actor: Actor) -> list[ColumnElement[bool]]:
    """The organization's own, narrowed by what the key is restricted to."""
    narrowed = actor.restriction
    conditions: list[ColumnElement[bool]] = [connections.c.org == actor.organization]
    if narrowed.connection is not None:
        conditions.append(connections.c.id == narrowed.connection)
    if narrowed.end_user is not None:
        conditions.append(connections.c.end_user == narrowed.end_user)
    if narrowed.provider is not None:
        conditions.append(of_provider(narrowed.provider))
    return conditions


def of_provider(slug: str | ColumnElement[str]) -> ColumnElement[bool]:
    """By slug; a retired provider keeps its connections, under its slug and row id."""
    wanted = literal(slug) if isinstance(slug, str) else slug
    start = func.substr(providers.c.slug, 1, func.length(wanted) + 1)
    return or_(providers.c.slug == wanted, start == wanted.concat("~"))


def newest(column: str, *, consented: bool = False) -> ScalarSelect[Any]:
    """Of the provider's newest version; of the newest one that does what was consented to."""
    versions = provider_versions.alias("versions")
    query = select(versions.c[column]).where(
        versions.c.provider_id == connections.c.provider_id, versions.c.channel != "draft"
    )
    if consented:
        query = query.where(versions.c.security_digest == connections.c.security_digest)
    order = (case((versions.c.channel == "beta", 1), else_=0), versions.c.number.desc())
    return query.order_by(*order).limit(1).correlate(connections).scalar_subquery()


@cache
def query() -> Select[Any]:
    """Connections with their credential's state, their provider's slug, and the versions they run and could run."""
    return (
        select(
            connections,
            credentials.c.token_type,
            credentials.c.expires_at,
            credentials.c.state.label("credential_state"),
            providers.c.slug.label("provider"),
            providers.c.retired_at.label("provider_retired_at"),
            newest("version", consented=True).label("effective_version"),
            newest("security_digest").label("newest_digest"),
            newest("version").label("newest_version"),
        )
        .join(providers, providers.c.id == connections.c.provider_id)
        .join(credentials, credentials.c.connection_id == connections.c.id)
    )


def find(connection: Connection, actor: Actor, reference: Reference) -> Row[Any]:
    """Raises NotFound, NotConnected and AmbiguousConnection; the latter two carry `next`."""
    if reference.id is not None:
        row = connection.execute(query().where(connections.c.id == reference.id, *visible(actor))).first()
        if row is None:
            raise NotFound(f"There is no connection {reference.id[:60]!r} here.")
        return row
    end_user, provider = reference.end_user or "", reference.provider or ""
    conditions = [*visible(actor), connections.c.end_user == end_user, of_provider(provider)]
    if reference.account is not None:
        conditions.append(connections.c.account_id == reference.account)
    found = connection.execute(query().where(*conditions).order_by(connections.c.id)).all()
    if len(found) == 1:
        return found[0]
    start = SessionRequest(provider=provider, end_user=end_user or None).dump()
    if not found:
        raise NotConnected(
            "This user has not connected this provider. Start a connect session with `next`.", next=start
        )
    accounts = [{"accountId": row.account_id, "connection": row.id, "label": row.label} for row in found]
    raise AmbiguousConnection(
        "Several accounts are connected. Say which with `account`.", accounts=accounts, next=start
    )


def credential(connection: Connection, connection_id: str) -> Row[Any]:
    """The sealed credential of a connection that the actor was seen to have."""
    return connection.execute(select(credentials).where(credentials.c.connection_id == connection_id)).one()


def mark(connection: Connection, connection_id: str, *, state: str, code: str | None, message: str | None) -> None:
    """Sets what went wrong, and counts it; `state` ok clears it."""
    count = 0 if state == "ok" else connections.c.error_count + 1
    connection.execute(
        update(connections)
        .where(connections.c.id == connection_id)
        .values(
            state=state,
            error_code=code,
            error_message=message,
            error_count=count,
            row_version=connections.c.row_version + 1,
            updated_at=datetime.now(UTC),
        )
    )


def has_status(status: str) -> ColumnElement[bool]:
    """Of a list filtered by status. Raises InvalidRequest for a word that is none."""
    going = connections.c.suspended_at.is_(None)
    match status:
        case "suspended":
            return connections.c.suspended_at.is_not(None)
        case "reconnect":
            return going & (connections.c.state == "reconnect")
        case "error":
            return going & (connections.c.state == "failing")
        case "active":
            return going & (connections.c.state == "ok")
        case _:
            raise InvalidRequest("`status` is one of active, error, reconnect, suspended.")


def used(row: Row[Any]) -> Also | None:
    """Written with the audit event of a use, at most once a minute: of several in a batch, the newest counts."""
    now = datetime.now(UTC)
    if row.last_used_at is not None and now - row.last_used_at < TOUCH_EVERY:
        return None

    def run(connection: Connection) -> None:
        connection.execute(_TOUCH, {"touched": row.id, "at": now})

    return Also(row.id, run)


def count_of_provider(connection: Connection, provider_id: str) -> int:
    return connection.execute(
        select(func.count()).select_from(connections).where(connections.c.provider_id == provider_id)
    ).scalar_one()


def require_end_user(actor: Actor, end_user: str) -> None:
    """Raises Forbidden when the key is for another user."""
    narrowed = actor.restriction.end_user
    if narrowed is not None and narrowed != end_user:
        raise Forbidden("This key is restricted to another end user.")
