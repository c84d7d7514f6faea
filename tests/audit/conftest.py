"""An audit over a migrated database, and the actors that act in it."""

import pytest

from tieline.actor import Actor
from tieline.audit import Audit
from tieline.storage.keyring import KeyRing
from tieline.storage.vault import Vault


@pytest.fixture
def actor():
    return Actor("apiKey", "key_1", "org_a", "org_a")


@pytest.fixture
def stranger():
    return Actor("apiKey", "key_2", "org_b", "org_b")


@pytest.fixture
def vault():
    return Vault(KeyRing.generate())


@pytest.fixture
async def audit(database, vault):
    opened = Audit(database, vault)
    yield opened
    await opened.close()
