"""Rows of the registry as outward values."""

import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row

from tieline.manifest import Provider as Manifest
from tieline.manifest.digest import Change, change_class
from tieline.manifest.support import not_yet
from tieline.providers.types import AuthMethodSummary, Provider, ProviderSummary, ProviderVersion

_LABELS = {
    "api_key": "API key",
    "basic": "User name and password",
    "oauth2": "OAuth 2",
    "oauth1": "OAuth 1",
    "app": "App",
    "session": "Login",
    "signature": "Keys",
    "webhook": "Webhooks",
}


def summary(row: Row[Any]) -> ProviderSummary:
    """`row` is of `providers`, with the newest `version` beside it."""
    return ProviderSummary.model_validate(_fields(row, row.version))


def provider(row: Row[Any], version: Row[Any], manifest: Manifest) -> Provider:
    methods = tuple(
        AuthMethodSummary(
            name=name,
            type=method.type or "none",
            label=method.label or _LABELS.get(method.type or "none", name),
            not_yet=tuple(not_yet(manifest, name)),
        )
        for name, method in manifest.auth.items()
    )
    return Provider.model_validate(
        {
            **_fields(row, version.version),
            "auth_methods": methods,
            "connectable": not row.is_template and any(not method.not_yet for method in methods),
            "document": json.loads(version.source),
        }
    )


def versions(newest_first: Iterable[Row[Any]]) -> tuple[ProviderVersion, ...]:
    """Looks at two of them at a time, however many there are."""
    found: list[ProviderVersion] = []
    newer: Row[Any] | None = None
    for row in newest_first:
        if newer is not None:
            found.append(_version(newer, change_class(row.resolved, newer.resolved)))
        newer = row
    return tuple(found) if newer is None else (*found, _version(newer, "none"))


def _version(row: Row[Any], change: Change) -> ProviderVersion:
    return ProviderVersion(
        version=row.version,
        channel=row.channel,
        change=change,
        digest=row.digest,
        security_digest=row.security_digest,
        published_at=row.published_at,
    )


def _fields(row: Row[Any], version: str) -> dict[str, object]:
    return {
        "id": row.slug.partition("~")[0],
        "provider_id": row.slug.partition("~")[0],
        "name": row.name,
        "description": row.description,
        "category": row.category,
        "auth_type": row.auth_type,
        "version": version,
        "status": row.status,
        "is_custom": row.source == "custom",
        "is_public": row.is_public,
        "is_template": row.is_template,
        "source": row.source,
        "created_by": row.created_by,
        "replaced_by": row.replaced_by,
        "logo_url": row.logo_url,
        "documentation": row.documentation,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }
