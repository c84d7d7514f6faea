import pytest

from .documents import document_of, resolved_of

pytestmark = pytest.mark.anyio


def at(host):
    return {"baseUrl": f"https://{host}"}


async def test_a_base_of_a_base_is_the_one_its_owner_meant(providers, tenants):
    await providers.register(tenants.acme, document_of(id="root", api=at("of-the-customer.example")))
    await providers.register(tenants.platform, document_of(id="root", api=at("of-the-platform.example")))
    await providers.register(tenants.platform, {"id": "middle", "name": "Middle", "extends": "root"})

    await providers.register(tenants.acme, {"id": "leaf", "name": "Leaf", "extends": "middle"})

    assert (await resolved_of(providers, "leaf"))["api"] == at("of-the-platform.example")
