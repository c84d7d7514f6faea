"""The tree of two levels: platforms, and under each its customers."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, Connection, Row, select, update

from tieline import audit
from tieline.actor import PERMISSIONS, Actor
from tieline.errors import Fault, InvalidRequest, NotFound
from tieline.ids import new_id
from tieline.organizations.tables import organizations
from tieline.organizations.types import Organization
from tieline.shapes import Page
from tieline.storage import Database
from tieline.storage.metadata import insert

DEFAULT = "default"
_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class Organizations:
    """`put` is get-or-create: a platform names its customers as it meets them."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def put(
        self,
        actor: Actor,
        slug: str,
        *,
        name: str | None = None,
        return_urls: Sequence[str] | None = None,
        embed_origins: Sequence[str] | None = None,
    ) -> Organization:
        """The organization itself, or a customer of this platform, made if it is new. Raises InvalidRequest."""
        actor.require("organizations:write")
        faults = _faults(slug, return_urls or (), embed_origins or ())
        if faults:
            raise InvalidRequest("The organization cannot be saved like this.", errors=faults)
        changes = {
            "name": name,
            "return_urls": None if return_urls is None else list(return_urls),
            "embed_origins": None if embed_origins is None else list(embed_origins),
        }
        given = {key: value for key, value in changes.items() if value is not None}

        def save(connection: Connection) -> Organization:
            row = find(connection, actor, slug)
            if row is None and actor.organization != actor.platform:
                raise NotFound(f"There is no organization {slug} here. Only a platform makes customers.")
            if row is None and insert_new(
                connection,
                slug,
                parent_id=actor.platform,
                name=name or "",
                return_urls=return_urls or (),
                embed_origins=embed_origins or (),
            ):
                audit.record(connection, actor, "organization.created", slug)
            elif given:
                # Who came second in making it changes what the first one made.
                row = row or _found(find(connection, actor, slug), slug)
                connection.execute(update(organizations).where(organizations.c.id == row.id).values(given))
                audit.record(connection, actor, "organization.updated", row.id, fields=sorted(given))
            return _shape(_found(find(connection, actor, slug), slug), _parent(connection, actor))

        return await self._db.write(save)

    async def get(self, actor: Actor, slug: str) -> Organization:
        actor.require("organizations:read")
        return await self._db.read(
            lambda connection: _shape(_found(find(connection, actor, slug), slug), _parent(connection, actor))
        )

    async def list(self, actor: Actor, *, limit: int = 50, cursor: str | None = None) -> Page[Organization]:
        """The organization itself and its customers, oldest first."""
        actor.require("organizations:read")
        query = select(organizations).where(_visible(actor)).order_by(organizations.c.id).limit(limit + 1)
        if cursor:
            query = query.where(organizations.c.id > cursor)

        def load(connection: Connection) -> Page[Organization]:
            parent = _parent(connection, actor)
            rows = connection.execute(query).all()
            items = tuple(_shape(row, parent) for row in rows[:limit])
            return Page(items=items, next_cursor=items[-1].id if len(rows) > limit else None)

        return await self._db.read(load)

    async def library_actor(self, slug: str) -> Actor:
        """The actor of trusted code in this process: a platform of that slug, or a customer of the default platform,
        made if it is new."""

        def enter(connection: Connection) -> Actor:
            platform = platform_id(connection)
            row = connection.execute(
                select(organizations).where(organizations.c.slug == slug, organizations.c.parent_id.in_(["", platform]))
            ).first()
            organization = row.id if row else create(connection, slug, parent_id=platform)
            root = (row.parent_id or row.id) if row else platform
            return Actor("library", "library", organization, root, frozenset(PERMISSIONS))

        if not _SLUG.fullmatch(slug):
            raise InvalidRequest("The organization cannot be used like this.", errors=_faults(slug, (), ()))
        return await self._db.write(enter)


def platform_id(connection: Connection) -> str:
    """The default platform's id; made on first use, since a fresh install has one organization."""
    row = connection.execute(
        select(organizations.c.id).where(organizations.c.parent_id == "", organizations.c.slug == DEFAULT)
    ).first()
    return row.id if row else create(connection, DEFAULT, parent_id="", name="My application")


def create(connection: Connection, slug: str, *, parent_id: str, name: str = "") -> str:
    """Its id. Whoever else makes it at the same moment gets the same."""
    insert_new(connection, slug, parent_id=parent_id, name=name)
    made = select(organizations.c.id).where(organizations.c.parent_id == parent_id, organizations.c.slug == slug)
    return connection.execute(made).scalar_one()


def insert_new(
    connection: Connection,
    slug: str,
    *,
    parent_id: str,
    name: str = "",
    return_urls: Sequence[str] = (),
    embed_origins: Sequence[str] = (),
) -> bool:
    """False when it is there already, or somebody else has just made it."""
    made = connection.execute(
        insert(connection, organizations)
        .values(
            id=new_id("org"),
            parent_id=parent_id,
            slug=slug,
            name=name or slug,
            branding={},
            return_urls=list(return_urls),
            embed_origins=list(embed_origins),
            created_at=datetime.now(UTC),
        )
        .on_conflict_do_nothing(index_elements=["parent_id", "slug"])
    )
    return made.rowcount == 1


def find(connection: Connection, actor: Actor, slug: str) -> Row[Any] | None:
    return connection.execute(select(organizations).where(organizations.c.slug == slug, _visible(actor))).first()


def by_id(connection: Connection, organization: str) -> Row[Any]:
    """The row of an organization that something visible names."""
    return connection.execute(select(organizations).where(organizations.c.id == organization)).one()


def _visible(actor: Actor) -> ColumnElement[bool]:
    return (organizations.c.id == actor.organization) | (organizations.c.parent_id == actor.organization)


def _parent(connection: Connection, actor: Actor) -> tuple[str, str]:
    slug = connection.execute(select(organizations.c.slug).where(organizations.c.id == actor.platform)).scalar_one()
    return actor.platform, slug


def _found(row: Row[Any] | None, slug: str) -> Row[Any]:
    if row is None:
        raise NotFound(f"There is no organization {slug} here.")
    return row


def _shape(row: Row[Any], parent: tuple[str, str]) -> Organization:
    return Organization(
        id=row.id,
        slug=row.slug,
        name=row.name,
        parent=parent[1] if row.parent_id else None,
        return_urls=tuple(row.return_urls),
        embed_origins=tuple(row.embed_origins),
        created_at=row.created_at,
    )


def _faults(slug: str, return_urls: Sequence[str], embed_origins: Sequence[str]) -> list[Fault]:
    faults: list[Fault] = []
    if not _SLUG.fullmatch(slug):
        hint = "Use lower-case letters, digits, - and _, at most 63."
        faults.append(Fault("/slug", "slug", f"{slug[:80]!r} cannot be the name of an organization.", hint))
    for field, urls in (("returnUrls", return_urls), ("embedOrigins", embed_origins)):
        for index, url in enumerate(urls):
            if not is_safe_url(url):
                hint = "Give an https address, or one on this machine while developing."
                faults.append(Fault(f"/{field}/{index}", "insecure_url", "This address cannot be used.", hint))
    return faults


def is_safe_url(url: str) -> bool:
    """https, or http on loopback; without user, password or fragment."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return False
    if any(ord(letter) <= 32 for letter in url) or "\\" in url or "@" in parts.netloc or parts.fragment or not host:
        return False
    loopback = host in {"localhost", "127.0.0.1", "::1"}
    return parts.scheme == "https" or (parts.scheme == "http" and loopback)
