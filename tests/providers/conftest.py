"""Two platforms that know nothing of each other, each with customers, and the registry they share."""

from dataclasses import dataclass

import pytest

from tieline import catalog
from tieline.actor import Actor
from tieline.organizations.organizations import create, platform_id
from tieline.providers import Documents, Providers
from tieline.providers.builtin import store


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
def used() -> dict[str, int]:
    """How many connections use the provider of a row id; "*" is every other."""
    return {}


@pytest.fixture
def providers(database, used) -> Providers:
    return Providers(database, Documents(), in_use=lambda connection, row: used.get(row, used.get("*", 0)))


@pytest.fixture
async def builtin(database) -> None:
    """The templates of the catalogue, and one provider of the instance."""

    def add(connection):
        for document in [*(catalog.document(slug) for slug in TEMPLATES), INSTANCE]:
            store(connection, document)

    await database.write(add)


TEMPLATES = ("rest-api-bearer", "webhook-hmac", "oauth2-standard")
INSTANCE = {
    "id": "weather",
    "name": "Weather of the World",
    "version": "2.1.0",
    "category": "data",
    "authType": "api_key",
    "api": {"baseUrl": "https://api.weather.example"},
    "apiKey": {"keyName": "X-Key"},
}
