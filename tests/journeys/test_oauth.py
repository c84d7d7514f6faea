"""A user's account at an OAuth provider: connected, used, renewed, lost, found again, deleted."""

import asyncio
import json

import pytest

from tieline import Reference
from tieline.errors import (
    AccountMismatch,
    AmbiguousConnection,
    NotConnected,
    NotFound,
    ReconnectRequired,
    ScopesMissing,
)
from tieline.testing import practice_document

from .places import World

pytestmark = pytest.mark.anyio

ADA = Reference(end_user="ada", provider="practice")
BO = "bo@practice.example"


@pytest.fixture
async def provider(world: World) -> str:
    return (await world.configured(practice_document(world.practice_url))).id


async def test_a_user_connects_and_the_application_calls(world, provider):
    before = await world.acme.integrations.get(provider)

    done = await world.connect(provider, context={"next": "/inbox"})

    assert before.redirect_uri.startswith(f"{world.url}/oauth/callback/")
    assert world.application.caught[0]["order"] == "7"
    assert (done.result, done.context) == ("connected", {"next": "/inbox"})
    connection = done.connection
    assert (connection.status, connection.usable, connection.attention) == ("active", True, None)
    assert (connection.end_user, connection.account_id, connection.binding) == ("ada", "person-1", "app")
    assert (connection.account.label, connection.account.email) == ("Ada Brightwater", "ada@practice.example")
    assert connection.scopes.granted == ("profile", "items")
    async with world.acme.http(connection.id) as http:
        me = await http.get("/me")
        items = await http.get("/items", params={"limit": 2})
    assert me.json()["name"] == "Ada Brightwater"
    assert (me.headers["tieline-connection"], me.headers["tieline-account"]) == (connection.id, "person-1")
    assert [item["id"] for item in items.json()["items"]] == ["item-1", "item-2"]


async def test_what_an_application_sees_later_is_the_same_connection(world, provider):
    done = await world.connect(provider)

    by_id, by_owner = await world.acme.connections.get(done.connection.id), await world.acme.connections.get(ADA)
    listed = await world.acme.connections.list(end_user="ada")
    labelled = await world.acme.connections.update(ADA, label="Work", metadata={"team": "sales"})
    checked = await world.acme.connections.check(ADA)
    explained = await world.acme.connections.explain(ADA)
    credential = await world.acme.connections.credentials(ADA)

    assert by_id == by_owner == done.connection
    assert [each.id for each in listed.items] == [by_id.id]
    assert (labelled.label, labelled.metadata) == ("Work", {"team": "sales"})
    assert checked.ok
    assert checked.account.id == "person-1"
    assert explained.usable
    assert credential.type == "oauth2"
    assert world.practice.ledger.use(credential.access_token.reveal()) is not None


async def test_an_expired_token_is_renewed_once_for_all_callers(world, provider):
    await world.connect(provider)
    world.practice.expire_access_tokens()

    async with world.acme.http(end_user="ada", provider=provider) as http:
        answers = await asyncio.gather(*(http.get("/me") for _ in range(6)))

    assert [answer.status_code for answer in answers] == [200] * 6
    assert world.practice.refreshes == 1


async def test_a_short_lived_token_is_renewed_before_it_ends(world, provider):
    world.practice.switches.access_token_lifetime = 2
    await world.connect(provider)
    await asyncio.sleep(1.7)

    async with world.acme.http(end_user="ada", provider=provider) as http:
        answer = await http.get("/me")

    assert answer.status_code == 200
    assert (world.practice.refreshes, world.practice.calls.count("GET /v1/me")) == (1, 2)


async def test_a_forgotten_grant_asks_for_the_user_and_reconnecting_keeps_the_id(world, provider):
    first = await world.connect(provider)
    world.practice.forget_grants()

    async with world.acme.http(end_user="ada", provider=provider) as http:
        with pytest.raises(ReconnectRequired) as caught:
            await http.get("/me")
    lost = await world.acme.connections.get(ADA)
    following = caught.value.facts["next"]
    again = await world.connect(following["provider"], following["endUser"], connection=following["connection"])

    assert (lost.status, lost.usable, lost.attention) == ("reconnect", False, "reconnect")
    assert lost.error.code == "grant-revoked"
    assert (again.result, again.connection.id) == ("reconnected", first.connection.id)
    assert (again.connection.status, again.connection.error, again.connection.error_count) == ("active", None, 0)
    async with world.acme.http(end_user="ada", provider=provider) as http:
        assert (await http.get("/me")).status_code == 200


async def test_two_accounts_of_one_user_stand_side_by_side(world, provider):
    first = await world.connect(provider)
    world.practice.switches.current_user = BO
    second = await world.connect(provider)

    async with world.acme.http(end_user="ada", provider=provider) as http:
        with pytest.raises(AmbiguousConnection) as caught:
            await http.get("/me")
    async with world.acme.http(end_user="ada", provider=provider, account="person-2") as http:
        me = await http.get("/me")

    assert second.connection.id != first.connection.id
    assert [each["accountId"] for each in caught.value.facts["accounts"]] == ["person-1", "person-2"]
    assert caught.value.facts["next"]["provider"] == provider
    assert me.json()["id"] == "person-2"


async def test_another_account_does_not_take_the_place_of_the_one_to_renew(world, provider):
    first = await world.connect(provider)
    world.practice.switches.current_user = BO

    with pytest.raises(AccountMismatch) as caught:
        await world.connect(provider, connection=first.connection.id)

    assert caught.value.facts["restart"]["provider"] == provider
    assert (await world.acme.connections.get(ADA)).account.id == "person-1"
    async with world.acme.http(end_user="ada", provider=provider) as http:
        assert (await http.get("/me")).json()["id"] == "person-1"


async def test_deleting_revokes_at_the_provider(world, provider):
    done = await world.connect(provider)
    token = (await world.acme.connections.credentials(ADA)).access_token.reveal()

    await world.acme.connections.delete(ADA)

    assert world.practice.revoked >= 1
    assert world.practice.ledger.use(token) is None
    with pytest.raises(NotFound):
        await world.acme.connections.get(done.connection.id)
    with pytest.raises(NotConnected) as caught:
        await world.acme.connections.get(ADA)
    assert caught.value.facts["next"] == {**caught.value.facts["next"], "provider": provider, "endUser": "ada"}


async def test_deleting_goes_through_when_the_provider_does_not_revoke(world, provider):
    await world.connect(provider)
    world.practice.switches.revoke_fails = True

    await world.acme.connections.delete(ADA)

    with pytest.raises(NotConnected):
        await world.acme.connections.get(ADA)
    events = await world.acme.audit.list(action="connection.deleted")
    assert events.items[0].outcome == "notRevoked"


async def test_a_user_who_grants_less_than_is_required_is_not_connected(world, provider):
    world.practice.switches.granted_scopes = ["items"]

    with pytest.raises(ScopesMissing) as caught:
        await world.connect(provider)

    assert caught.value.facts["missing"] == ["profile"]
    assert (await world.acme.connections.list()).items == ()


async def test_a_whole_address_inside_the_origins_is_called_and_no_other(world, provider):
    await world.connect(provider)

    async with world.acme.http(end_user="ada", provider=provider) as http:
        inside = await http.get(f"{world.practice_url}/v1/me")
        with pytest.raises(Exception, match=r"origins|hosts|reach"):
            await http.get(f"{world.application.url}/connected")

    assert inside.json()["id"] == "person-1"
    assert world.application.caught == [world.application.caught[0]]


async def test_the_audit_tells_the_whole_story_and_holds(world, provider):
    await world.connect(provider)
    async with world.acme.http(end_user="ada", provider=provider) as http:
        await http.get("/me")
    await world.acme.connections.credentials(ADA)
    await asyncio.sleep(1)

    events = [event.action for event in (await world.acme.audit.list()).items]
    verified = await world.acme.audit.verify()
    lines = [line async for line in await world.acme.audit.export()]

    assert events[:2] == ["credential.read", "connection.called"]
    assert {"provider.registered", "integration.updated", "connectSession.started", "connection.created"} < set(events)
    assert verified.ok
    assert json.loads(lines[-1])["type"] == "end"
