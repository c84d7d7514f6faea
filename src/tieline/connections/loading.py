"""From rows to an Access: opens the seal and brings the document, the registration and the inputs together."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row

from tieline.actor import Actor
from tieline.connections import rows
from tieline.connections.access import Access
from tieline.connections.grant import Grant
from tieline.integrations.registration import Registration, registration, registration_of_client
from tieline.manifest import Provider
from tieline.manifest.origins import Origins
from tieline.providers import Documents
from tieline.providers import rows as provider_rows
from tieline.storage.vault import About, Vault


@dataclass(frozen=True)
class Loaded:
    """One connection with all that using it takes. `credential` is the row that a refresh compares with."""

    row: Row[Any] = field(repr=False)
    credential: Row[Any] = field(repr=False)
    access: Access


class Loader:
    """Works inside a transaction: its methods take the open Connection."""

    def __init__(self, vault: Vault, documents: Documents) -> None:
        self.vault = vault
        self.documents = documents

    def load(self, connection: Connection, actor: Actor, reference: rows.Reference) -> Loaded:
        """Raises as rows.find does."""
        row = rows.find(connection, actor, reference)
        credential = rows.credential(connection, row.id)
        # The newest version with the digest that was consented to: no document is read for a connection in use.
        version = row.effective_version or row.consented_version
        manifest = self.documents.load(connection, row.provider_id, version, row.variant)
        used = registration_of_client(connection, self.vault, actor, row.provider_id, row.client_row_id)
        if used is None:
            used = registration(connection, self.vault, actor, row.provider_id, row.auth_method, row.variant)
        return self.opened(row, credential, manifest, used)

    def opened(self, row: Row[Any], credential: Row[Any], manifest: Provider, used: Registration) -> Loaded:
        """Opens the seal. Raises SealBroken, Misconfigured."""
        sealing = about(row.org, row.id, row.end_user, row.provider_id, row.origins, credential.version)
        access = Access(
            manifest=manifest,
            method_name=row.auth_method,
            registration=used,
            variant=row.variant,
            inputs=row.inputs,
            grant=Grant.load(self.vault.open(credential.sealed, about=sealing)),
            origins=Origins.parse(row.origins),
            connection_id=row.id,
            end_user=row.end_user,
        )
        return Loaded(row, credential, access)

    def new(
        self,
        connection: Connection,
        actor: Actor,
        provider: Row[Any],
        method: str,
        variant: str | None,
        *,
        version: str | None = None,
        inputs: Mapping[str, object] | None = None,
        end_user: str = "",
    ) -> tuple[Access, Row[Any]]:
        """An account that is about to be connected, and the row of the version it consents to."""
        used = self.registration(connection, actor, provider.id, method, variant)
        if version is None:
            chosen = provider_rows.current(connection, provider.id, pinned=used.pinned_version)
        else:
            chosen = provider_rows.version_row(connection, provider.id, version)
        manifest = self.documents.of(chosen, variant)
        return Access(manifest, method, used, variant, inputs or {}, end_user=end_user), chosen

    def registration(
        self, connection: Connection, actor: Actor, provider_id: str, method: str, variant: str | None
    ) -> Registration:
        return registration(connection, self.vault, actor, provider_id, method, variant)


def about(organization: str, connection_id: str, end_user: str, provider_id: str, origins: str, version: int) -> About:
    """Where a credential is sealed: its row, whose it is, at whom, which one it is of those that stood there, and the
    text of the origins it may go to."""
    fixed = f"{version}:{len(end_user)}:{end_user}{len(provider_id)}:{provider_id}{origins}"
    return About(organization, "credentials", connection_id, "sealed", fixed)
