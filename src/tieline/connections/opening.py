"""A connect session with all that its pages need: who, what, how, and what was left open to choose."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row

from tieline.actor import Actor
from tieline.connections.access import Access
from tieline.connections.forms import variants_of
from tieline.connections.loading import Loader
from tieline.connections.pages import Subject
from tieline.connections.sessions import about, hashed, require_connectable
from tieline.errors import TielineError
from tieline.manifest import Provider
from tieline.organizations.organizations import by_id as organization_by_id
from tieline.providers import rows as provider_rows


@dataclass(frozen=True)
class Picked:
    """What the user chose on the page; it counts where the application left it open."""

    method: str | None = None
    variant: str | None = None


@dataclass(frozen=True)
class Opened:
    """`material` is what is sealed in the session. `methods` and `variants` are what may be chosen; an `access` whose
    variant is not `decided` is only good to be shown."""

    row: Row[Any] = field(repr=False)
    actor: Actor
    provider: Row[Any] = field(repr=False)
    material: Mapping[str, Any] = field(repr=False)
    manifest: Provider
    methods: tuple[str, ...]
    variants: tuple[str | None, ...]
    access: Access | None
    decided: bool
    subject: Subject

    @property
    def fixed(self) -> Mapping[str, str | None]:
        """What the application chose; the row has what the user chose after it."""
        return _fixed(self.row, self.material)

    @property
    def given(self) -> Mapping[str, Any]:
        """The inputs that the application gave."""
        return self.material.get("given", {})

    @property
    def scopes(self) -> tuple[str, ...] | None:
        """Those of the session."""
        return None if self.row.scopes is None else tuple(self.row.scopes)

    def bound(self, browser: str | None) -> bool:
        """Whether this is the browser that went on with the session."""
        return browser is not None and secrets.compare_digest(hashed(browser), self.row.browser_hash or "")


@dataclass(frozen=True)
class _Session:
    connection: Connection
    loader: Loader
    actor: Actor
    provider: Row[Any]
    row: Row[Any]

    def access(self, method: str, variant: str | None) -> Access | None:
        """None where it cannot be connected: not supported, switched off, or without a client."""
        try:
            access, _ = self.loader.new(
                self.connection,
                self.actor,
                self.provider,
                method,
                variant,
                version=self.row.version,
                end_user=self.row.end_user,
            )
            require_connectable(access)
            access.require_client()
        except TielineError:
            return None
        return access


def load(connection: Connection, loader: Loader, row: Row[Any], picked: Picked | None) -> Opened:
    """`picked` None: what was chosen before, for a browser that comes back. Raises SealBroken."""
    organization = organization_by_id(connection, row.org)
    actor = Actor("endUser", row.end_user, row.org, organization.parent_id or row.org, frozenset())
    provider = provider_rows.by_id(connection, row.provider_id)
    manifest = loader.documents.of(provider_rows.version_row(connection, row.provider_id, row.version))
    material: dict[str, Any] = {} if row.sealed is None else json.loads(loader.vault.open(row.sealed, about=about(row)))
    session = _Session(connection, loader, actor, provider, row)
    fixed = _fixed(row, material) if picked else {"method": row.auth_method, "variant": row.variant}
    offered = variants_of(manifest, fixed["variant"]) if picked or row.auth_method is None else (row.variant,)
    names = [fixed["method"]] if fixed["method"] else list(manifest.auth)
    methods = tuple(name for name in names if any(session.access(name, each) for each in offered))
    method = picked.method if picked and picked.method in methods else methods[0] if len(methods) == 1 else None
    found = {each: access for each in offered if method and (access := session.access(method, each))}
    variant = (picked.variant or None) if picked else row.variant
    decided = variant in found or len(found) == 1
    access = found.get(variant) or next(iter(found.values()), None)
    subject = _subject(connection, organization, provider, manifest, row, access)
    return Opened(row, actor, provider, material, manifest, methods, tuple(found), access, decided, subject)


def _fixed(row: Row[Any], material: Mapping[str, Any]) -> Mapping[str, str | None]:
    return material.get("fixed") or {"method": row.auth_method, "variant": row.variant}


def _subject(
    connection: Connection,
    organization: Row[Any],
    provider: Row[Any],
    manifest: Provider,
    row: Row[Any],
    access: Access | None,
) -> Subject:
    platform = organization_by_id(connection, organization.parent_id) if organization.parent_id else organization
    branding = manifest.branding
    return Subject(
        application=platform.name,
        organization=organization.name,
        provider=(branding and branding.display_name) or manifest.name or provider.slug,
        logo_url=(branding and branding.logo_url) or manifest.logo_url,
        end_user=row.end_user_name or row.end_user,
        end_user_id=row.end_user,
        embed_origin=row.embed_origin,
        scopes=_scopes(access, row.scopes),
    )


def _scopes(access: Access | None, asked_for: Any) -> tuple[tuple[str, str], ...]:
    """What is asked for, with the catalogue's words for people."""
    if access is None or access.method.oauth2 is None:
        return ()
    catalog = {each.value: each for each in access.manifest.scope_catalog}
    scopes = access.scopes(None if asked_for is None else tuple(asked_for))
    return tuple(
        (scope, (catalog[scope].description or catalog[scope].label or scope) if scope in catalog else scope)
        for scope in scopes
    )
