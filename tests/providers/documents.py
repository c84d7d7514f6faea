"""The document that the tests of this folder change, and what they ask of the registry."""

import json

import pytest
from sqlalchemy import select

from tieline.errors import NotFound
from tieline.providers.tables import provider_versions
from tieline.providers.tables import providers as rows


def document_of(name="My Custom API", **changes):
    document = {
        "name": name,
        "category": "custom",
        "authType": "api_key",
        "api": {"baseUrl": "https://api.acme.example/v1"},
        "apiKey": {"keyName": "X-API-Key"},
        "rateLimits": {"requestsPerMinute": 60},
    }
    return {**document, **changes}


async def refusal_of(awaitable, slug):
    with pytest.raises(NotFound) as raised:
        await awaitable
    facts = json.dumps(raised.value.facts, default=str)
    return raised.value.detail.replace(slug, "X"), facts.replace(slug, "X")


async def resolved_of(providers, slug):
    query = select(provider_versions.c.resolved).join(rows, rows.c.id == provider_versions.c.provider_id)
    query = query.where(rows.c.slug == slug).order_by(provider_versions.c.number.desc()).limit(1)
    return await providers._db.read(lambda connection: connection.execute(query).scalar_one())
