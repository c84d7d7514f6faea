"""Rows of integrations as outward values: no secret, only whether one is set."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from tieline.actor import Actor
from tieline.integrations import rows
from tieline.integrations.types import Client, Integration, Setup
from tieline.manifest import Input, Provider
from tieline.manifest.inputs import all_inputs


def integration(
    actor: Actor,
    slug: str,
    manifest: Provider,
    row: Row[Any] | None,
    identifier: str,
    stored: Sequence[Row[Any]],
    secrets_set: Sequence[str],
    public_url: str,
) -> Integration:
    clients = _clients(manifest, identifier, {client.id: client for client in stored}, public_url)
    # A provider without a client still has an address that its callbacks would have, so that the shape is one.
    first = next(iter(clients.values()), None) or _client("default", "", identifier, {}, public_url)
    inputs = {} if row is None else dict(row.inputs)
    return Integration(
        provider=slug,
        configured=_configured(manifest, clients, {*inputs, *secrets_set}),
        enabled=True if row is None else row.enabled,
        source="none" if row is None else "own" if row.org == actor.organization else "platform",
        client_id=first.client_id,
        client_secret_set=first.client_secret_set,
        redirect_uri=first.redirect_uri,
        scopes=None if row is None or row.scopes is None else tuple(row.scopes),
        clients=clients,
        admin_inputs=inputs,
        secret_inputs_set=tuple(secrets_set),
        fields=fields(manifest),
        setup=Setup(url=manifest.links.get("appRegistration") or manifest.documentation, steps=_steps(manifest, first)),
        overlay={} if row is None else row.overlay,
        channel="stable" if row is None else row.channel,
        pinned_version=None if row is None else row.pinned_version,
    )


def redirect_uri(public_url: str, client_row_id: str) -> str:
    """Never built from a Host header: the same whoever asks."""
    return f"{public_url}/oauth/callback/{client_row_id}"


def fields(manifest: Provider) -> dict[str, object]:
    """A JSON Schema (draft 2020-12) of the admin's inputs."""
    declared = {name: each for name, each in all_inputs(manifest).items() if each.from_ in ("admin", "adminOrUser")}
    required = [name for name, each in declared.items() if _required(each)]
    properties = {name: _property(each, name) for name, each in declared.items()}
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _property(each: Input, name: str) -> dict[str, object]:
    kinds = {"number": "number", "boolean": "boolean", "list": "array", "json": "object"}
    formats = {"url": "uri", "hostname": "hostname", "email": "email", "uuid": "uuid"}
    schema: dict[str, object] = {"type": kinds.get(each.type, "string"), "title": each.label or name}
    optional = {
        "description": each.help,
        "format": formats.get(each.type),
        "default": None if each.secret else each.default,
        "examples": None if each.example is None else [each.example],
        "enum": [option.value for option in each.options] or None,
        "pattern": each.pattern,
        "minLength": each.min_length,
        "maxLength": each.max_length,
        "writeOnly": each.secret or None,
    }
    return schema | {key: value for key, value in optional.items() if value is not None}


def _clients(manifest: Provider, identifier: str, stored: Mapping[str, Row[Any]], public_url: str) -> dict[str, Client]:
    """One per method that has a client; one per variant where the document lets the admin give several."""
    variants = ["", *(each.id for each in manifest.variants)] if manifest.variant_chosen_by == "user" else [""]
    return {
        f"{method}/{variant}" if variant else method: _client(method, variant, identifier, stored, public_url)
        for method, each in manifest.auth.items()
        if each.oauth2 or each.oauth1
        for variant in variants
    }


def _client(method: str, variant: str, identifier: str, stored: Mapping[str, Row[Any]], public_url: str) -> Client:
    row_id = rows.client_row_id(identifier, method, variant)
    row = stored.get(row_id)
    return Client(
        auth_method=method,
        variant=variant or None,
        client_id=None if row is None else row.client_id,
        client_secret_set=row is not None and row.sealed is not None,
        redirect_uri=redirect_uri(public_url, row_id),
    )


def _configured(manifest: Provider, clients: Mapping[str, Client], given: set[str]) -> bool:
    """Whether the admin's part is done for some method that has one; True where none has."""
    ready = {
        name: _ready(manifest, name, [client for client in clients.values() if client.auth_method == name], given)
        for name in manifest.auth
    }
    asking = [name for name in manifest.auth if not _ready(manifest, name, [], set())]
    return any(ready[name] for name in asking) if asking else True


def _ready(manifest: Provider, name: str, clients: Sequence[Client], given: set[str]) -> bool:
    method = manifest.auth[name]
    declared = {**manifest.inputs, **method.inputs}
    if any(each.from_ == "admin" and _required(each) and field not in given for field, each in declared.items()):
        return False
    if method.oauth2 is None or method.oauth2.client_from == "user":
        return True
    needs_secret = method.oauth2.client_auth != "none"
    return any(client.client_id and (client.client_secret_set or not needs_secret) for client in clients)


def _required(each: Input) -> bool:
    return each.required and each.default is None and each.visible_when is None


def _steps(manifest: Provider, first: Client) -> tuple[str, ...]:
    if not any(method.oauth2 or method.oauth1 for method in manifest.auth.values()):
        return ()
    name = manifest.name or "the provider"
    return (
        f"Register an application at {name}.",
        f"Enter {first.redirect_uri} as its redirect URI (callback URL).",
        "Copy its client id and client secret into this integration.",
    )
