"""A provider may have very many versions of a large document: listing them does not read them all into memory."""

import tracemalloc

import pytest

from .documents import document_of

pytestmark = pytest.mark.anyio

SIZE = 500_000


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_listing_versions_holds_few_documents_at_a_time(providers, tenants):
    padding = {"x-padding": "y" * SIZE}
    made = await providers.register(tenants.acme, document_of(**padding))
    for number in range(20):
        await providers.publish(tenants.acme, made.id, document_of(description=str(number), **padding))

    tracemalloc.start()
    listed = (await providers.versions(tenants.acme, made.id)).items
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert [each.version for each in listed] == [f"1.0.{number}" for number in range(20, -1, -1)]
    assert {each.change for each in listed[:-1]} == {"cosmetic"}
    assert peak < 20 * SIZE
