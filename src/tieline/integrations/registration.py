"""What a flow or a refresh uses of an integration: its client, and the admin's inputs, secret ones opened."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row

from tieline.actor import Actor
from tieline.integrations import rows
from tieline.manifest.origins import Origins
from tieline.secret import Secret
from tieline.storage.vault import About, Vault


@dataclass(frozen=True)
class Registration:
    """`origins` is where the client's secret may go, `input_origins` where secret admin inputs may: both fixed when
    they were entered, whatever the document says now. `inputs` are the plain ones."""

    integration_id: str
    source: str
    enabled: bool
    scopes: tuple[str, ...] | None
    pinned_version: str | None
    inputs: Mapping[str, object] = field(repr=False)
    secret_inputs: Mapping[str, object] = field(default_factory=dict[str, object], repr=False)
    input_origins: Origins | None = None
    client_row_id: str | None = None
    client_id: str | None = None
    client_secret: Secret | None = None
    origins: Origins | None = None

    @property
    def given(self) -> Mapping[str, object]:
        """All that the admin gave, secret or not."""
        return {**self.inputs, **self.secret_inputs}


def registration(
    connection: Connection, vault: Vault, actor: Actor, provider_id: str, method: str, variant: str | None
) -> Registration:
    """The one that a new connection of this actor uses; an empty one where nothing has been set."""
    row = rows.effective(connection, actor, provider_id)
    if row is None:
        return without_registration(actor, provider_id)
    wanted = {rows.client_row_id(row.id, method, variant), rows.client_row_id(row.id, method, None)}
    found = [client for client in rows.clients_of(connection, row.id) if client.id in wanted]
    # The client of the variant comes before the one that serves them all.
    found.sort(key=lambda client: client.variant == "")
    source = "own" if row.org == actor.organization else "platform"
    return _registration(vault, row, found[0] if found else None, source)


def registration_of_client(
    connection: Connection, vault: Vault, actor: Actor, provider_id: str, client_row_id: str | None
) -> Registration | None:
    """The one that an existing connection was made with. None when it has been deleted, and where a row names a client
    of somebody else, or of another provider."""
    client = None if client_row_id is None else rows.client(connection, client_row_id)
    row = None if client is None else rows.by_id(connection, client.integration_id)
    return None if client is None else registration_of_rows(vault, actor, provider_id, row, client)


def registration_of_rows(
    vault: Vault, actor: Actor, provider_id: str, row: Row[Any] | None, client: Row[Any]
) -> Registration | None:
    """As `registration_of_client`, of rows that have been read."""
    if row is None or row.provider_id != provider_id or {client.org, row.org} - {*actor.lineage}:
        return None
    return _registration(vault, row, client, "")


def without_registration(actor: Actor, provider_id: str) -> Registration:
    """Where nothing has been set."""
    return Registration(rows.integration_id(actor.organization, provider_id), "none", True, None, None, {})


def _registration(vault: Vault, row: Row[Any], client: Row[Any] | None, source: str) -> Registration:
    secret = open_secret(vault, client) if client is not None else None
    return Registration(
        integration_id=row.id,
        source=source,
        enabled=row.enabled,
        scopes=None if row.scopes is None else tuple(row.scopes),
        pinned_version=row.pinned_version,
        inputs=row.inputs,
        secret_inputs=open_inputs(vault, row),
        input_origins=Origins.parse(row.origins),
        client_row_id=None if client is None else client.id,
        client_id=None if client is None else client.client_id,
        client_secret=secret,
        # Without a secret there is nothing to keep in its place.
        origins=None if client is None or secret is None else Origins.parse(client.origins),
    )


def about_inputs(row_id: str, organization: str, origins: str) -> About:
    return About(organization, "integrations", row_id, "sealed", origins)


def about_secret(row_id: str, organization: str, origins: str) -> About:
    return About(organization, "clients", row_id, "sealed", origins)


def open_inputs(vault: Vault, row: Row[Any]) -> dict[str, Any]:
    """The secret admin inputs."""
    if row.sealed is None:
        return {}
    return json.loads(vault.open(row.sealed, about=about_inputs(row.id, row.org, row.origins)))


def open_secret(vault: Vault, client: Row[Any]) -> Secret | None:
    if client.sealed is None:
        return None
    return Secret(vault.open(client.sealed, about=about_secret(client.id, client.org, client.origins)).decode())
