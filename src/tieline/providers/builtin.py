"""Built-in documents as rows: inserts the versions that are not stored yet, and removes none."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select

from tieline.ids import new_id
from tieline.manifest.digest import digest, security_digest
from tieline.manifest.resolve import resolve
from tieline.providers.columns import columns
from tieline.providers.rows import INSTANCE
from tieline.providers.tables import provider_versions, providers
from tieline.storage.metadata import insert


def missing(connection: Connection, catalog: Mapping[str, str]) -> list[str]:
    """The ids of the catalog (id -> version) whose version is not stored."""
    query = (
        select(providers.c.slug, provider_versions.c.version)
        .join(provider_versions, provider_versions.c.provider_id == providers.c.id)
        .where(providers.c.org == INSTANCE)
    )
    stored = {(slug, version) for slug, version in connection.execute(query)}
    return [slug for slug, version in catalog.items() if (slug, version) not in stored]


def store(connection: Connection, document: Mapping[str, Any]) -> None:
    """One document of the catalog; two processes that start at once store it once."""
    resolved = resolve(document)
    now = datetime.now(UTC)
    fields = {**columns(resolved), "is_public": resolved.get("isPublic", True)}
    connection.execute(
        insert(connection, providers)
        .values(id=new_id("prv"), org=INSTANCE, slug=document["id"], source="builtin", created_at=now, **fields)
        .on_conflict_do_update(index_elements=["org", "slug"], set_=fields)
    )
    query = select(providers.c.id).where(providers.c.org == INSTANCE, providers.c.slug == document["id"])
    provider_id = connection.execute(query).scalar_one()
    numbers = select(provider_versions.c.number).where(provider_versions.c.provider_id == provider_id)
    connection.execute(
        insert(connection, provider_versions)
        .values(
            provider_id=provider_id,
            version=resolved.get("version", "1.0.0"),
            number=max(connection.execute(numbers).scalars(), default=0) + 1,
            channel=resolved.get("status", "stable"),
            source=json.dumps(document),
            resolved=resolved,
            bases={},
            digest=digest(resolved),
            security_digest=security_digest(resolved),
            published_at=now,
        )
        .on_conflict_do_nothing()
    )
