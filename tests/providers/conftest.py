"""The registry on one database, and how many connections use each provider."""

import pytest

from tieline import catalog
from tieline.providers import Documents, Providers
from tieline.providers.builtin import store


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
