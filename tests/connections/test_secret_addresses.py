"""Some providers want their key in the path of every address: nobody who may not read it sees it there."""

import json

import pytest

from tieline.connections import Reference
from tieline.connections.proxy import Call

pytestmark = pytest.mark.anyio

KEY = "practice-key-in-the-path"
APPLY = {"default": {"type": "api_key", "apply": {"headers": {"X-Other": "1"}}}}


def document(base: str, base_url: str, **more: object) -> dict[str, object]:
    inputs = {
        "apiKey": {"secret": True},
        "hook": {"type": "url", "secret": True},
        "segment": {"from": "computed", "value": "bot{{ apiKey }}"},
    }
    return {"name": "Bots", "inputs": inputs, "auth": APPLY, "api": {"baseUrl": base_url.replace("BASE", base), **more}}


@pytest.mark.parametrize("base_url", ["BASE/bot{{ apiKey }}/v1", "{{ hook }}", "BASE/{{ segment }}"])
async def test_a_secret_of_the_base_url_is_neither_audited_nor_explained(world, base_url):
    provider = await world.acme.providers.register(document(world.base, base_url))
    inputs = {"apiKey": KEY, "hook": f"{world.base}/services/{KEY}"}
    connection = await world.acme.connections.create(provider=provider.id, end_user="ada", inputs=inputs)
    call = Call("GET", "/items", "page=1")

    async with world.hub.proxy.open(await world.acme.actor(), Reference(id=connection.id), call):
        explained = await world.acme.connections.explain(connection.id)
    events = (await world.acme.audit.list(action="connection.called")).items

    assert events[0].facts["path"] == "/items"
    assert explained.base_url == world.base
    assert KEY not in json.dumps([each.dump() for each in (explained, *events)])


async def test_a_secret_of_a_named_server_is_not_audited(world):
    servers = {"bots": world.base + "/bot{{ apiKey }}"}
    provider = await world.acme.providers.register(document(world.base, "BASE/v1", servers=servers))
    inputs = {"apiKey": KEY, "hook": world.base}
    connection = await world.acme.connections.create(provider=provider.id, end_user="ada", inputs=inputs)
    actor = await world.acme.actor()

    for server in ("bots", None):
        async with world.hub.proxy.open(actor, Reference(id=connection.id), Call("GET", "/items", server=server)):
            pass
    events = (await world.acme.audit.list(action="connection.called")).items

    assert [event.facts["path"] for event in events] == ["/v1/items", "/items"]
