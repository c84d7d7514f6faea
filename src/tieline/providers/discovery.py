"""What there is to connect: search by text and facet, with counts per category; templates; the built-in catalogue."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from tieline.actor import Actor
from tieline.errors import InvalidRequest
from tieline.providers import rows, views
from tieline.providers.tables import provider_versions, providers
from tieline.providers.types import ProviderPage, ProviderSummary
from tieline.shapes import Page
from tieline.storage import Database


class Discovery:
    """Sees what the actor may see; what it may not see is not there."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def list(
        self,
        actor: Actor,
        *,
        search: str | None = None,
        category: str | None = None,
        auth_type: str | None = None,
        status: str | None = None,
        custom: bool | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> ProviderPage:
        """Providers by slug, without templates; every word of `search` stands in name, slug, category or text."""
        actor.require("providers:read")
        conditions = [_seen(actor), providers.c.is_template.is_(False), *_search(search)]
        facets = {"auth_type": auth_type, "status": status}
        conditions += [providers.c[name] == value for name, value in facets.items() if value is not None]
        if custom is not None:
            conditions.append((providers.c.source == "custom") == custom)
        if actor.restriction.provider is not None:
            conditions.append(providers.c.slug == actor.restriction.provider)
        counted = select(providers.c.category, func.count()).where(and_(*conditions)).group_by(providers.c.category)
        if category is not None:
            conditions.append(providers.c.category == category)
        query = _summaries(conditions, limit, cursor)

        def load(connection: Connection) -> ProviderPage:
            items, next_cursor = _page(connection, query, limit)
            counts = connection.execute(counted.order_by(providers.c.category)).all()
            categories: dict[str, int] = {row[0]: row[1] for row in counts}
            return ProviderPage(items=items, next_cursor=next_cursor, categories=categories)

        return await self._db.read(load)

    async def templates(self, actor: Actor, *, limit: int = 50, cursor: str | None = None) -> Page[ProviderSummary]:
        """What a provider can be made from."""
        actor.require("providers:read")
        query = _summaries([_seen(actor), providers.c.is_template], limit, cursor)

        def load(connection: Connection) -> Page[ProviderSummary]:
            items, next_cursor = _page(connection, query, limit)
            return Page(items=items, next_cursor=next_cursor)

        return await self._db.read(load)


def _seen(actor: Actor) -> ColumnElement[bool]:
    """One's own and the platform's, listed or not, and what the instance lists; the nearest of a slug."""
    nearer = providers.alias("nearer")
    shadowed = (
        select(nearer.c.id)
        .where(
            nearer.c.slug == providers.c.slug,
            nearer.c.retired_at.is_(None),
            or_(
                and_(nearer.c.org == actor.organization, providers.c.org != actor.organization),
                and_(nearer.c.org == actor.platform, providers.c.org == rows.INSTANCE),
            ),
        )
        .exists()
    )
    listed = or_(providers.c.org.in_(actor.lineage), providers.c.is_public)
    return and_(rows.visible(actor), listed, providers.c.retired_at.is_(None), ~shadowed)


def _search(text: str | None) -> list[ColumnElement[bool]]:
    fields = (providers.c.name, providers.c.slug, providers.c.category, providers.c.description)
    return [or_(*(field.icontains(word, autoescape=True) for field in fields)) for word in (text or "").split()[:8]]


def _summaries(conditions: list[ColumnElement[bool]], limit: int, cursor: str | None) -> Select[Any]:
    if not 1 <= limit <= 200:
        raise InvalidRequest("`limit` is between 1 and 200.")
    newest = (
        select(provider_versions.c.version)
        .where(provider_versions.c.provider_id == providers.c.id)
        .order_by(provider_versions.c.number.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = select(providers, newest.label("version")).where(*conditions)
    if cursor:
        query = query.where(providers.c.slug > cursor)
    return query.order_by(providers.c.slug).limit(limit + 1)


def _page(connection: Connection, query: Select[Any], limit: int) -> tuple[tuple[ProviderSummary, ...], str | None]:
    found = connection.execute(query).all()
    items = tuple(views.summary(row) for row in found[:limit])
    return items, items[-1].id if len(found) > limit else None
