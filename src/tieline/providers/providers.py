"""The registry: providers as documents, registered, published, found and retired at run time."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, Row, select, update

from tieline import audit
from tieline.actor import Actor
from tieline.errors import Conflict, Fault, Forbidden, InvalidProvider, InvalidRequest
from tieline.ids import new_id
from tieline.manifest.digest import change_class, digest, security_digest
from tieline.manifest.resolve import merge, resolve
from tieline.manifest.validate import find_faults
from tieline.providers import rows, views
from tieline.providers.bases import Bases
from tieline.providers.columns import columns
from tieline.providers.discovery import Discovery
from tieline.providers.documents import Documents
from tieline.providers.rules import next_version, numbered, read_version, slug_of
from tieline.providers.tables import provider_versions, providers
from tieline.providers.types import Provider, ProviderVersion
from tieline.shapes import Page
from tieline.storage import Database
from tieline.storage.changes import bump
from tieline.storage.metadata import insert

Document = Mapping[str, object]
NOTHING: Mapping[str, str] = MappingProxyType({})
InUse = Callable[[Connection, str], int]
"""How many connections use the provider of that row id: passed in, since connections stand above."""


@dataclass(frozen=True)
class _Checked:
    """A document without faults, its normal form, and the exact versions of what it extends."""

    source: Document
    resolved: dict[str, Any]
    bases: Mapping[str, str]


class Providers(Discovery):
    """Documents of one's own can be changed; what one may see, one can connect and extend."""

    def __init__(self, db: Database, documents: Documents, *, in_use: InUse) -> None:
        super().__init__(db)
        self._documents = documents
        self._in_use = in_use

    async def register(self, actor: Actor, document: Document, *, created_by: str | None = None) -> Provider:
        """A custom provider of the actor's organization; without an id, one is made of the name.

        Raises InvalidProvider with every fault, and Conflict when the id is visible already: nothing is shadowed.
        """
        actor.require("providers:write")

        def save(connection: Connection) -> Provider:
            checked = self._checked(connection, actor, document)
            slug = _free_slug(connection, actor, checked.source)
            source = {**checked.source, "id": slug, "isCustom": True}
            version = str(source.get("version", "1.0.0"))
            provider_id = new_id("prv")
            stored = connection.execute(
                insert(connection, providers)
                .values(
                    id=provider_id,
                    org=actor.organization,
                    slug=slug,
                    source="custom",
                    created_by=created_by or actor.id,
                    is_public=False,
                    created_at=datetime.now(UTC),
                    **columns(checked.resolved),
                )
                .on_conflict_do_nothing(index_elements=["org", "slug"])
            )
            if stored.rowcount == 0:
                raise Conflict(f"Somebody registered {slug} at the same moment. Choose another id.", provider=slug)
            _insert_version(connection, provider_id, 1, version, source, checked)
            bump(connection, "providers")
            audit.record(connection, actor, "provider.registered", slug, version=version)
            return self._load(connection, actor, slug)

        return await self._db.write(save)

    async def publish(self, actor: Actor, provider: str, document: Document) -> Provider:
        """A new version. Without one, the number is bumped by what changed: major for security, minor for behaviour,
        patch for cosmetics. The same document again changes nothing. Raises InvalidProvider, NotFound, Conflict."""
        actor.require("providers:write")

        def save(connection: Connection) -> Provider:
            row = _own(connection, actor, provider)
            checked = self._checked(connection, actor, {**document, "id": provider}, own=row.id)
            self._publish(connection, actor, row, checked, explicit="version" in document)
            return self._load(connection, actor, provider)

        return await self._db.write(save)

    async def edit(self, actor: Actor, provider: str, patch: Document) -> Provider:
        """A cosmetic change by JSON merge patch (RFC 7396). Raises InvalidRequest when it is more than that."""
        actor.require("providers:write")

        def save(connection: Connection) -> Provider:
            row = _own(connection, actor, provider)
            newest = rows.latest(connection, row.id)
            source = _without_nulls(merge(json.loads(newest.source), {**patch, "id": provider}))
            checked = self._checked(connection, actor, source, own=row.id, kept=newest.bases)
            change = change_class(newest.resolved, checked.resolved)
            if change not in ("none", "cosmetic"):
                raise InvalidRequest(
                    f"This changes more than looks ({change}). PUT the whole document to publish a new version.",
                    change=change,
                )
            self._publish(connection, actor, row, checked, explicit=False)
            return self._load(connection, actor, provider)

        return await self._db.write(save)

    async def retire(self, actor: Actor, provider: str, *, force: bool = False) -> None:
        """Takes it out of the catalogue. Raises Conflict while connections use it; forced, those keep working."""
        actor.require("providers:write")

        def save(connection: Connection) -> None:
            row = _own(connection, actor, provider)
            used = self._in_use(connection, row.id)
            if used and not force:
                raise Conflict(
                    f"{used} connections use this provider. Delete them first, or retire it with force=true: "
                    "they keep working, and nobody can connect anew.",
                    connections=used,
                )
            # The slug becomes free for another document; the row stays for the connections that refer to it.
            connection.execute(
                update(providers)
                .where(providers.c.id == row.id)
                .values(retired_at=datetime.now(UTC), slug=f"{row.slug}~{row.id}")
            )
            bump(connection, "providers")
            audit.record(connection, actor, "provider.retired", provider, connections=used)

        await self._db.write(save)

    async def get(self, actor: Actor, provider: str, *, version: str | None = None) -> Provider:
        """Raises NotFound."""
        actor.require("providers:read")
        return await self._db.read(lambda connection: self._load(connection, actor, provider, version))

    async def versions(self, actor: Actor, provider: str) -> Page[ProviderVersion]:
        """Newest first, each with what kind of change it was."""
        actor.require("providers:read")

        def load(connection: Connection) -> Page[ProviderVersion]:
            row = rows.found(connection, actor, provider)
            return Page(items=views.versions(rows.newest_first(connection, row.id)))

        return await self._db.read(load)

    async def validate(self, actor: Actor, document: Document) -> tuple[Fault, ...]:
        """Every fault and warning at once; nothing is stored."""
        actor.require("providers:read")
        return await self._db.read(lambda connection: tuple(find_faults(document, base=Bases(connection, actor))))

    async def instantiate(
        self,
        actor: Actor,
        template: str,
        *,
        params: Document | None = None,
        name: str | None = None,
        id: str | None = None,  # noqa: A002
        changes: Document | None = None,
    ) -> Provider:
        """A provider made from a template; `changes` are merged over it. Raises NotFound, InvalidProvider."""
        actor.require("providers:write")
        source = await self.get(actor, template)
        if not source.is_template:
            raise InvalidRequest(f"{template} is no template. GET /v1/templates lists them.")
        document: dict[str, object] = {
            "extends": f"{template}@{source.version}",
            "name": name or source.name,
            "isTemplate": False,
            "params": dict(params or {}),
            **(changes or {}),
        }
        if id:
            document["id"] = id
        return await self.register(actor, document)

    def _checked(
        self,
        connection: Connection,
        actor: Actor,
        document: Document,
        *,
        own: str | None = None,
        kept: Mapping[str, str] = NOTHING,
    ) -> _Checked:
        """`kept` are the exact versions that references of an earlier version meant: they mean these again."""
        bases = Bases(connection, actor, own=own)
        bases.used.update(kept)
        faults = find_faults(document, base=bases)
        errors = [fault for fault in faults if fault.severity == "error"]
        if errors:
            raise InvalidProvider(_summary(errors), errors=faults)
        resolved = resolve(document, base=bases)
        return _Checked(dict(document), resolved, bases.used)

    def _publish(
        self, connection: Connection, actor: Actor, row: Row[Any], checked: _Checked, *, explicit: bool
    ) -> None:
        newest = rows.latest(connection, row.id)
        change = change_class(newest.resolved, checked.resolved)
        given = checked.source["version"] if explicit else newest.version
        pairs = ((checked.source, json.loads(newest.source)), (checked.resolved, newest.resolved))
        if given == newest.version and all(_authored(now) == _authored(was) for now, was in pairs):
            return
        version = _version(checked.source, newest.version, change, explicit=explicit)
        source = {**checked.source, "version": version, "isCustom": row.source == "custom"}
        resolved = {**checked.resolved, "version": version}
        changed = connection.execute(
            update(providers)
            .where(providers.c.id == row.id, providers.c.row_version == row.row_version)
            .values(row_version=row.row_version + 1, **columns(resolved))
        )
        if changed.rowcount == 0:
            raise Conflict("Somebody published a version at the same moment. Read it, then publish yours.")
        _insert_version(
            connection, row.id, newest.number + 1, version, source, _Checked(source, resolved, checked.bases)
        )
        bump(connection, "providers")
        audit.record(connection, actor, "provider.published", row.slug, version=version, change=change)

    def _load(self, connection: Connection, actor: Actor, provider: str, version: str | None = None) -> Provider:
        row = rows.found(connection, actor, provider)
        if version:
            chosen = rows.version_row(connection, row.id, version)
        else:
            chosen = rows.latest(connection, row.id)
        return views.provider(row, chosen, self._documents.of(chosen))


def _own(connection: Connection, actor: Actor, provider: str) -> Row[Any]:
    row = rows.found(connection, actor, provider)
    if row.org != actor.organization:
        raise Forbidden(f"{provider} belongs to somebody else. Register your own with `extends: {provider}`.")
    return row


def _free_slug(connection: Connection, actor: Actor, document: Document) -> str:
    """The document's id, which must not be visible yet, or a free one made of its name."""
    query = select(providers.c.slug).where(rows.visible(actor), providers.c.retired_at.is_(None))
    wanted = document.get("id")
    if not isinstance(wanted, str):
        slug = slug_of(str(document.get("name") or "provider"))
        return numbered(slug, connection.execute(query.where(providers.c.slug.startswith(slug))).scalars())
    if connection.execute(query.where(providers.c.slug == wanted)).first():
        raise Conflict(
            f"There is a provider {wanted} already. Choose another id, or PUT /v1/providers/{wanted} if it is yours.",
            provider=wanted,
        )
    return wanted


def _version(source: Document, was: str, change: str, *, explicit: bool) -> str:
    if not explicit:
        return next_version(was, change)
    version = str(source["version"])
    if (read_version(version) or (0, 0, 0)) <= (read_version(was) or (0, 0, 0)):
        raise Conflict(
            f"Version {version} is not newer than {was}. Leave `version` out to have it counted.", version=was
        )
    return version


def _insert_version(
    connection: Connection, provider_id: str, number: int, version: str, source: Document, checked: _Checked
) -> None:
    connection.execute(
        insert(connection, provider_versions).values(
            provider_id=provider_id,
            version=version,
            number=number,
            channel=checked.resolved.get("status", "stable"),
            source=json.dumps(source),
            resolved=checked.resolved,
            bases=dict(checked.bases),
            digest=digest(checked.resolved),
            security_digest=security_digest(checked.resolved),
            published_at=datetime.now(UTC),
        )
    )


def _authored(document: Document) -> dict[str, object]:
    """The document without what the registry sets."""
    return {name: value for name, value in document.items() if name not in ("id", "version", "isCustom")}


def _without_nulls(document: Document) -> dict[str, object]:
    """What a merge patch removes is gone (RFC 7396); an extending document keeps nulls, to remove from its base."""
    if "extends" in document:
        return dict(document)
    return {key: value for key, value in document.items() if value is not None}


def _summary(errors: Sequence[Fault]) -> str:
    count = f"{len(errors)} fault" + ("s" if len(errors) > 1 else "")
    return f"The document has {count}. Mend each at its path, and send it again."
