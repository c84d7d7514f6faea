"""An organization's registration at a provider: its clients, with write-only secrets, and the admin's inputs."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from tieline import audit
from tieline.actor import Actor
from tieline.errors import Fault, InvalidInputs, InvalidRequest, NotFound
from tieline.integrations import rows, views
from tieline.integrations.registration import about_inputs, about_secret, open_inputs
from tieline.integrations.tables import clients, integrations
from tieline.integrations.types import ClientSettings, Integration
from tieline.manifest import Provider
from tieline.manifest.inputs import all_inputs, read_inputs
from tieline.manifest.origins import Origins, OriginSet, client_origins_of, origins_of
from tieline.providers import Documents
from tieline.providers import rows as provider_rows
from tieline.secret import Secret
from tieline.shapes import Page
from tieline.storage import Database
from tieline.storage.changes import bump
from tieline.storage.metadata import insert
from tieline.storage.vault import Vault

ADMIN = frozenset({"admin", "adminOrUser"})


class Integrations:
    """A customer inherits its platform's integration until it sets its own."""

    def __init__(self, db: Database, vault: Vault, documents: Documents, *, public_url: str) -> None:
        self._db = db
        self._vault = vault
        self._documents = documents
        self._url = public_url

    async def get(self, actor: Actor, provider: str) -> Integration:
        """Also before anything is set, so that the redirect URI can be entered at the provider first."""
        actor.require("integrations:read")
        return await self._db.read(lambda connection: self._load(connection, actor, provider))

    async def list(self, actor: Actor) -> Page[Integration]:
        """Those that are set, one's own and the platform's."""
        actor.require("integrations:read")
        query = select(integrations.c.provider_id).where(integrations.c.org.in_(actor.lineage)).distinct()

        def load(connection: Connection) -> Page[Integration]:
            found = [provider_rows.by_id(connection, row) for row in connection.execute(query).scalars()]
            live = sorted(row.slug for row in found if _is_meant(connection, actor, row))
            return Page(items=tuple(self._load(connection, actor, slug) for slug in live))

        return await self._db.read(load)

    async def put(
        self,
        actor: Actor,
        provider: str,
        *,
        client_id: str | None = None,
        client_secret: Secret | str | None = None,
        scopes: Sequence[str] | None = None,
        enabled: bool | None = None,
        admin_inputs: Mapping[str, object] | None = None,
        clients: Mapping[str, ClientSettings] | None = None,
        channel: str | None = None,
        pinned_version: str | None = None,
    ) -> Integration:
        """What is None stays as it is. `clients` is by `<method>` or `<method>/<variant>`, where one is not enough.

        Raises NotFound, InvalidInputs and InvalidRequest.
        """
        actor.require("integrations:write")
        given: dict[str, ClientSettings] = dict(clients or {})
        if client_id is not None or client_secret is not None:
            given[""] = ClientSettings(client_id, client_secret)
        columns = {
            "scopes": None if scopes is None else list(scopes),
            "enabled": enabled,
            "channel": channel,
            "pinned_version": pinned_version,
        }
        changes = {name: value for name, value in columns.items() if value is not None}

        def save(connection: Connection) -> Integration:
            row = provider_rows.found(connection, actor, provider)
            was = rows.own(connection, actor, row.id)
            pinned = pinned_version if pinned_version is not None or was is None else was.pinned_version
            manifest = self._manifest(connection, row.id, pinned)
            named = _named_clients(manifest, given)
            own = self._upsert(connection, actor, row.id, manifest, changes, admin_inputs or {})
            for (method, variant), settings in named.items():
                self._save_client(connection, own, manifest, method, variant, settings)
            bump(connection, "integrations")
            fields = [*changes, *(f"client:{method}" for method, _ in named), *(admin_inputs or {})]
            audit.record(connection, actor, "integration.updated", provider, fields=sorted(fields))
            return self._load(connection, actor, provider)

        return await self._db.write(save)

    async def delete(self, actor: Actor, provider: str) -> None:
        """Removes one's own, with its secrets; a customer then inherits its platform's again. Raises NotFound."""
        actor.require("integrations:write")

        def save(connection: Connection) -> None:
            row = provider_rows.found(connection, actor, provider)
            own = rows.own(connection, actor, row.id)
            if own is None:
                raise NotFound(f"This organization has not set an integration for {provider}.")
            connection.execute(delete(clients).where(clients.c.integration_id == own.id))
            connection.execute(delete(integrations).where(integrations.c.id == own.id))
            bump(connection, "integrations")
            audit.record(connection, actor, "integration.deleted", provider)

        await self._db.write(save)

    def _manifest(self, connection: Connection, provider_id: str, pinned: str | None) -> Provider:
        return self._documents.of(provider_rows.current(connection, provider_id, pinned=pinned))

    def _upsert(
        self,
        connection: Connection,
        actor: Actor,
        provider_id: str,
        manifest: Provider,
        changes: Mapping[str, object],
        given: Mapping[str, object],
    ) -> Row[Any]:
        was = rows.own(connection, actor, provider_id)
        known = {**was.inputs, **open_inputs(self._vault, was)} if was is not None else {}
        values = {**known, **_admin_inputs(manifest, given)}
        declared = all_inputs(manifest)
        secret = {name: value for name, value in values.items() if name in declared and declared[name].secret}
        plain = {name: value for name, value in values.items() if name not in secret}
        identifier = rows.integration_id(actor.organization, provider_id)
        # As with a client's secret: what is not entered now stays where it was entered for.
        entered = any(name in secret for name in given)
        origins = _input_origins(manifest, plain).text
        if was is not None and was.sealed is not None and not entered:
            origins = was.origins
        about = about_inputs(identifier, actor.organization, origins)
        now = datetime.now(UTC)
        stored = {
            "inputs": plain,
            "origins": origins,
            "sealed": self._vault.seal(json.dumps(secret).encode(), about=about) if secret else None,
            "updated_at": now,
            **changes,
        }
        if was is None:
            first = {"id": identifier, "org": actor.organization, "provider_id": provider_id, "created_at": now}
            defaults: dict[str, object] = {"enabled": True, "overlay": {}, "channel": "stable"}
            connection.execute(insert(connection, integrations).values(**first, **{**defaults, **stored}))
        else:
            version = was.row_version + 1
            connection.execute(
                update(integrations).where(integrations.c.id == identifier).values(row_version=version, **stored)
            )
        return rows.by_id(connection, identifier)

    def _save_client(
        self,
        connection: Connection,
        own: Row[Any],
        manifest: Provider,
        method: str,
        variant: str,
        settings: ClientSettings,
    ) -> None:
        identifier = rows.client_row_id(own.id, method, variant)
        was = rows.client(connection, identifier)
        origins = client_origins_of(manifest, manifest.auth[method], own.inputs).text
        changes: dict[str, object] = {"updated_at": datetime.now(UTC)}
        if settings.client_id is not None:
            changes["client_id"] = settings.client_id
        if settings.client_secret is not None:
            # Entering a secret is the consent to where it goes; the old origins stay for a secret that stays.
            about = about_secret(identifier, own.org, origins)
            sealed = self._vault.seal(_text(settings.client_secret).encode(), about=about)
            changes |= {"origins": origins, "sealed": sealed}
        if was is None:
            fixed = {"id": identifier, "org": own.org, "integration_id": own.id}
            place = {"auth_method": method, "variant": variant, "issuer": ""}
            connection.execute(insert(connection, clients).values(**fixed, **place, **{"origins": origins, **changes}))
        else:
            version = was.row_version + 1
            connection.execute(update(clients).where(clients.c.id == identifier).values(row_version=version, **changes))

    def _load(self, connection: Connection, actor: Actor, provider: str) -> Integration:
        row = provider_rows.found(connection, actor, provider)
        effective = rows.effective(connection, actor, row.id)
        pinned = None if effective is None else effective.pinned_version
        manifest = self._manifest(connection, row.id, pinned)
        identifier = rows.integration_id(actor.organization, row.id) if effective is None else effective.id
        stored = rows.clients_of(connection, identifier)
        secrets_set = () if effective is None else tuple(open_inputs(self._vault, effective))
        return views.integration(actor, provider, manifest, effective, identifier, stored, secrets_set, self._url)


def _text(secret: Secret | str) -> str:
    return secret.reveal() if isinstance(secret, Secret) else secret


def _is_meant(connection: Connection, actor: Actor, row: Row[Any]) -> bool:
    """Whether its slug means this provider for the actor, and not a nearer or a newer one."""
    nearest = provider_rows.find(connection, actor, row.slug)
    return nearest is not None and nearest.id == row.id


def _input_origins(manifest: Provider, values: Mapping[str, object]) -> Origins:
    """Where the admin can know that a secret input goes, whichever method uses it."""
    found = [client_origins_of(manifest, method, values) for method in manifest.auth.values()]
    everything = [pattern for each in (origins_of(manifest, None, values), *found) for pattern in each.all.patterns]
    return Origins({"inputs": OriginSet.of(*everything)})


def _admin_inputs(manifest: Provider, given: Mapping[str, object]) -> dict[str, object]:
    """Those given, checked; required ones may still be missing, since an admin fills a form bit by bit."""
    declared = {name: each for name, each in all_inputs(manifest).items() if each.from_ in ADMIN}
    if unknown := sorted(set(given) - set(declared)):
        hint = f"The admin's inputs are: {', '.join(declared) or 'none'}."
        raise InvalidInputs(
            "Some admin inputs are unknown.",
            errors=[Fault(f"/adminInputs/{name}", "unknown_input", f"{name!r} is no input.", hint) for name in unknown],
        )
    return read_inputs({name: declared[name] for name in given}, given, from_=set(ADMIN))


def _named_clients(manifest: Provider, given: Mapping[str, ClientSettings]) -> dict[tuple[str, str], ClientSettings]:
    """`<method>/<variant>` -> (method, variant); '' is the only method that has a client, or the first."""
    with_client = [name for name, method in manifest.auth.items() if method.oauth2 or method.oauth1]
    named: dict[tuple[str, str], ClientSettings] = {}
    faults: list[Fault] = []
    for key, settings in given.items():
        method, _, variant = key.partition("/")
        method = method or (with_client[0] if with_client else "")
        if method not in with_client:
            hint = f"Methods with a client: {', '.join(with_client) or 'none'}."
            faults.append(Fault(f"/clients/{key}", "unknown_method", "This method takes no client id.", hint))
        elif variant and variant not in {each.id for each in manifest.variants}:
            faults.append(Fault(f"/clients/{key}", "unknown_variant", f"There is no variant {variant!r}.", ""))
        else:
            named[method, variant] = settings
    if faults:
        raise InvalidRequest("The clients cannot be saved like this.", errors=faults)
    return named
