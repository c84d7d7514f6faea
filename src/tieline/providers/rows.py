"""The queries of the registry: what an actor sees by a slug, and which version of it is meant."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, case, or_, select

from tieline.actor import Actor
from tieline.errors import NotConnectable, NotFound
from tieline.providers.tables import provider_versions, providers

INSTANCE = ""
_FEW = 4


def visible(actor: Actor) -> ColumnElement[bool]:
    """One's own, the platform's, and what the instance shows to all."""
    return or_(providers.c.org.in_(actor.lineage), providers.c.org == INSTANCE)


def nearness(actor: Actor) -> ColumnElement[int]:
    """0 for one's own, 1 for the platform's, 2 for the instance's."""
    return case((providers.c.org == actor.organization, 0), (providers.c.org == actor.platform, 1), else_=2)


def find(connection: Connection, actor: Actor, slug: str) -> Row[Any] | None:
    """The provider that this slug means for the actor: one's own, then the platform's, then the instance's."""
    query = (
        select(providers)
        .where(providers.c.slug == slug, providers.c.retired_at.is_(None), visible(actor))
        .order_by(nearness(actor))
        .limit(1)
    )
    return connection.execute(query).first()


def found(connection: Connection, actor: Actor, slug: str) -> Row[Any]:
    """Raises NotFound, saying where to look."""
    row = find(connection, actor, slug)
    narrowed = actor.restriction.provider
    if row is None or (narrowed is not None and narrowed != slug):
        raise NotFound(f"There is no provider {slug[:100]!r} here. GET /v1/providers lists them.", provider=slug[:100])
    return row


def by_id(connection: Connection, provider_id: str) -> Row[Any]:
    """The row that something visible refers to; retired ones too."""
    return connection.execute(select(providers).where(providers.c.id == provider_id)).one()


def versions_of(connection: Connection, provider_id: str) -> Sequence[str]:
    """The version numbers, without the documents."""
    columns = provider_versions.c
    return connection.execute(select(columns.version).where(columns.provider_id == provider_id)).scalars().all()


def version_row(connection: Connection, provider_id: str, version: str) -> Row[Any]:
    """Raises NotFound."""
    query = select(provider_versions).where(
        provider_versions.c.provider_id == provider_id, provider_versions.c.version == version
    )
    row = connection.execute(query).first()
    if row is None:
        raise NotFound(f"This provider has no version {version[:40]!r}.", version=version[:40])
    return row


def latest(connection: Connection, provider_id: str) -> Row[Any]:
    """The newest version on any channel."""
    return connection.execute(_newest(provider_id).limit(1)).one()


def current(connection: Connection, provider_id: str, *, pinned: str | None = None) -> Row[Any]:
    """The version that a new connection gets: the pinned one, else the newest that is not a draft; stable before beta.

    Raises NotConnectable when there are drafts only.
    """
    if pinned:
        return version_row(connection, provider_id, pinned)
    channel = provider_versions.c.channel
    query = _newest(provider_id, case((channel == "beta", 1), else_=0)).where(channel != "draft").limit(1)
    row = connection.execute(query).first()
    if row is None:
        raise NotConnectable("This provider has only drafts. Publish a version as stable or beta first.")
    return row


def newest_first(connection: Connection, provider_id: str) -> Iterator[Row[Any]]:
    """Every version without its source, a few at a time: each has a document of up to a megabyte."""
    of = provider_versions.c
    shown = [of.number, of.version, of.channel, of.digest, of.security_digest, of.published_at, of.resolved]
    first = select(*shown).where(of.provider_id == provider_id).order_by(of.number.desc()).limit(_FEW)
    found = connection.execute(first).all()
    while found:
        yield from found
        found = connection.execute(first.where(of.number < found[-1].number)).all()


def _newest(provider_id: str, *first: ColumnElement[int]) -> Select[Any]:
    query = select(provider_versions).where(provider_versions.c.provider_id == provider_id)
    return query.order_by(*first, provider_versions.c.number.desc())
