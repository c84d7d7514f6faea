"""In process as over HTTP: an actor of another organization finds nothing by an id that is not its own."""

from functools import reduce

import pytest

from tieline.connections import Call, Reference
from tieline.errors import Conflict, TielineError

from .test_matrix import contents

pytestmark = pytest.mark.anyio

STRANGERS = ("platform", "globex", "rival", "umbrella")


def nouns(hub, actor, target):
    """Every method of the library that takes an id, by its name."""
    one, theirs = target.connection, Reference(end_user=target.end_user, provider=target.provider)
    connections, api, flow = hub.connections, hub.integrations, hub.connect
    document = {"name": "Mine", "authType": "api_key", "apiKey": {"keyName": "X-Key"}}
    for name in ("get", "delete", "credentials", "refresh", "check", "suspend", "resume", "explain"):
        yield f"connections.{name}", getattr(connections, name)(actor, Reference(id=one))
        yield f"connections.{name} by owner", getattr(connections, name)(actor, theirs)
    yield "connections.update", connections.update(actor, one, label="mine")
    yield "proxy", proxied(hub, actor, Reference(id=one))
    yield "proxy by owner", proxied(hub, actor, theirs)
    yield "integrations.get", api.get(actor, target.provider)
    yield "integrations.put", api.put(actor, target.provider, client_id="mine")
    yield "integrations.delete", api.delete(actor, target.provider)
    for name in ("get", "versions", "retire"):
        yield f"providers.{name}", getattr(hub.providers, name)(actor, target.provider)
    yield "providers.publish", hub.providers.publish(actor, target.provider, document)
    yield "providers.edit", hub.providers.edit(actor, target.provider, {"description": "mine"})
    yield "providers.instantiate", hub.providers.instantiate(actor, target.template)
    yield "connect.start", flow.start(actor, provider=target.provider, end_user="ada")
    yield "connect.start to renew", flow.start(actor, provider="crm", end_user=target.end_user, connection=one)
    yield "api_keys.revoke", hub.api_keys.revoke(actor, target.key)
    yield "connect.get", flow.get(actor, target.session)
    yield "connect.cancel", flow.cancel(actor, target.session)


async def proxied(hub, actor, reference):
    async with hub.proxy.open(actor, reference, Call("GET", "/me")) as answer:
        return answer.status


async def outcome(awaitable):
    try:
        return await awaitable
    except TielineError as error:
        return f"{type(error).__name__} {error.detail} {dict(error.facts)}"


async def test_the_library_finds_nothing_of_anybody_else(town):
    theirs, faults = town.targets["acme"], []
    never = theirs.unknown()
    before = await contents(town)

    for slug in STRANGERS:
        actor = getattr(town.tenants, slug)
        pairs = zip(nouns(town.hub, actor, theirs), nouns(town.hub, actor, never), strict=True)
        for (name, one), (_, other) in pairs:
            if slug == "platform" and name in ("connect.get", "connect.cancel"):
                # A platform sees the sessions of its customers.
                one.close()
                other.close()
                continue
            foreign, unknown = told(await outcome(one), theirs), told(await outcome(other), never)
            if foreign != unknown or not foreign.startswith(("NotFound", "NotConnected")):
                faults.append((slug, name, foreign, unknown))

    assert faults == []
    assert await contents(town) == before


def told(what, target):
    """Without the ids that were asked for."""
    ids = sorted(target.ids, key=len, reverse=True)
    return reduce(lambda text, value: text.replace(value, "X"), ids, str(what))


async def test_a_taken_name_is_a_conflict_only_where_it_can_be_seen(town):
    """Somebody else's provider does not take its id away."""
    document = town.document("acme", "crm-globex")

    made = await town.hub.providers.register(town.tenants.acme, document)
    with pytest.raises(Conflict):
        await town.hub.providers.register(town.tenants.acme, town.document("acme", "crm-default"))

    assert made.id == "crm-globex"
