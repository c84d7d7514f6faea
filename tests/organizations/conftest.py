"""Two platforms that know nothing of each other, each with customers."""

from dataclasses import dataclass

import pytest

from tieline.actor import Actor
from tieline.organizations import ApiKeys, Organizations
from tieline.organizations.organizations import create, platform_id


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
def organizations(database) -> Organizations:
    return Organizations(database)


@pytest.fixture
def api_keys(database) -> ApiKeys:
    return ApiKeys(database)
