"""The registry, integrations and a vault on one database."""

import pytest

from tieline.connections.access import Access
from tieline.integrations import Integrations
from tieline.integrations.registration import registration
from tieline.providers import Documents, Providers
from tieline.providers import rows as provider_rows
from tieline.providers.builtin import store
from tieline.storage.keyring import KeyRing
from tieline.storage.vault import Vault

from .documents import document_of


@pytest.fixture
def documents() -> Documents:
    return Documents()


@pytest.fixture
def vault() -> Vault:
    return Vault(KeyRing.generate())


@pytest.fixture
def providers(database, documents) -> Providers:
    return Providers(database, documents, in_use=lambda connection, row: 0)


@pytest.fixture
def integrations(database, vault, documents) -> Integrations:
    return Integrations(database, vault, documents, public_url="https://connect.acme.example")


@pytest.fixture
async def crm(providers, tenants):
    return await providers.register(tenants.platform, document_of())


@pytest.fixture
def registered(database, vault):
    """What a flow of this actor would use."""

    async def registered(actor, provider="crm", method="default", variant=None):
        def load(connection):
            row = provider_rows.found(connection, actor, provider)
            return registration(connection, vault, actor, row.id, method, variant)

        return await database.read(load)

    return registered


@pytest.fixture
def access(database, documents, registered):
    """The account that a new connection of this actor would be."""

    async def access(actor, provider="crm", method="default"):
        used = await registered(actor, provider, method)

        def load(connection):
            row = provider_rows.found(connection, actor, provider)
            return documents.of(provider_rows.current(connection, row.id, pinned=used.pinned_version))

        return Access(await database.read(load), method, used)

    return access


@pytest.fixture
async def builtin_crm(database):
    await database.write(lambda connection: store(connection, document_of(id="public-crm", version="1.0.0")))
