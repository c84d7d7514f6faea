"""Two platforms that know nothing of each other, each with customers, and a vault."""

from dataclasses import dataclass

import pytest

from tieline.actor import Actor
from tieline.integrations import Integrations
from tieline.organizations.organizations import create, platform_id
from tieline.providers import Documents, Providers
from tieline.storage.keyring import KeyRing
from tieline.storage.vault import Vault


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
