"""Two platforms that know nothing of each other, each with customers, and a vault."""

from dataclasses import dataclass

import pytest

from tieline.actor import Actor
from tieline.connections.access import Access
from tieline.integrations import Integrations
from tieline.integrations.registration import registration
from tieline.organizations.organizations import create, platform_id
from tieline.providers import Documents, Providers
from tieline.providers import rows as provider_rows
from tieline.providers.builtin import store
from tieline.storage.keyring import KeyRing
from tieline.storage.vault import Vault

from .documents import document_of


@dataclass(frozen=True)
class Tenants:
    platform: Actor
    acme: Actor
    globex: Actor
    rival: Actor
    umbrella: Actor


@pytest.fixture
async def tenants(database) -> Tenants:
    def make(connection):
        platform = platform_id(connection)
        rival = create(connection, "rival", parent_id="")
        tree = {"platform": (platform, platform), "rival": (rival, rival)}
        tree |= {slug: (create(connection, slug, parent_id=platform), platform) for slug in ("acme", "globex")}
        tree["umbrella"] = (create(connection, "umbrella", parent_id=rival), rival)
        return {name: Actor("library", "test", own, root) for name, (own, root) in tree.items()}

    return Tenants(**await database.write(make))


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
