"""The noun: import, read, label, check, suspend, delete; each visible to whom it belongs, and each in the audit."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import update

from tieline.actor import Restriction
from tieline.connections import Reference
from tieline.connections.tables import credentials
from tieline.errors import (
    AmbiguousConnection,
    Forbidden,
    InvalidRequest,
    NotConnected,
    NotFound,
    ReconnectRequired,
    SealBroken,
)
from tieline.testing import practice_document

pytestmark = pytest.mark.anyio

BOTH = pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"], indirect=True)
KEY = {"apiKey": "practice-key"}


async def test_metadata_is_merged_and_null_removes(world):
    connection = await world.imported(await world.register(), metadata={"a": 1, "b": {"c": 2}})

    changed = await world.acme.connections.update(connection.id, metadata={"b": None, "d": [1]}, label="Home")
    kept = await world.acme.connections.update(connection.id, metadata={"e": 1})
    bare = await world.acme.connections.update(connection.id, label="")

    assert (changed.metadata, changed.label) == ({"a": 1, "d": [1]}, "Home")
    assert (kept.metadata, kept.label) == ({"a": 1, "d": [1], "e": 1}, "Home")
    assert bare.label is None


@BOTH
async def test_changes_at_once_are_all_kept(world):
    connection = await world.imported(await world.register())

    changes = [world.acme.connections.update(connection.id, metadata={str(each): each}) for each in range(8)]
    await asyncio.gather(*changes)

    assert len((await world.acme.connections.get(connection.id)).metadata) == 8


async def test_a_check_says_whether_the_credential_works(world):
    connection = await world.imported(await world.register())

    result = await world.acme.connections.check(connection.id)

    assert (result.ok, result.account.id, result.problem) == (True, "person-1", None)
    assert (await world.acme.connections.get(connection.id)).last_checked_at == result.checked_at


async def test_a_check_renews_a_token_that_the_provider_ended_early(world):
    connection = await world.imported(await world.register())
    world.practice.expire_access_tokens()

    result = await world.acme.connections.check(connection.id)

    assert result.ok
    assert world.practice.refreshes == 1
    assert (await world.acme.connections.get(connection.id)).status == "active"


async def test_a_key_that_is_no_longer_accepted_needs_the_user(world):
    provider = await world.register_key()
    connection = await world.acme.connections.create(provider=provider, end_user="ada", inputs=KEY)
    world.practice.api_keys.clear()

    result = await world.acme.connections.check(connection.id)

    assert (result.ok, result.problem.code) == (False, "check-failed")
    assert (await world.acme.connections.get(connection.id)).status == "reconnect"
    with pytest.raises(ReconnectRequired):
        await world.call(connection)


async def test_a_key_that_is_accepted_again_can_be_checked_back(world):
    provider = await world.register_key()
    connection = await world.acme.connections.create(provider=provider, end_user="ada", inputs=KEY)
    known = dict(world.practice.api_keys)
    world.practice.api_keys.clear()
    await world.acme.connections.check(connection.id)
    world.practice.api_keys.update(known)

    result = await world.acme.connections.check(connection.id)

    assert result.ok
    assert (await world.call(connection)).status_code == 200


@pytest.mark.parametrize("status", [404, 429, 500, 503])
async def test_a_check_that_cannot_be_made_breaks_nothing(world, status):
    provider = await world.register_key()
    connection = await world.acme.connections.create(provider=provider, end_user="ada", inputs=KEY)
    world.practice.switches.api_status = {"/v1/me": status}

    result = await world.acme.connections.check(connection.id)
    shown = await world.acme.connections.get(connection.id)
    world.practice.switches.api_status = {}

    assert (result.ok, shown.status, shown.usable) == (False, "error", True)
    assert (await world.call(connection)).status_code == 200
    assert (await world.acme.connections.check(connection.id)).ok
    assert (await world.acme.connections.get(connection.id)).status == "active"


async def test_a_late_check_does_not_demote_what_the_user_reconnected(world):
    provider = await world.register_key()
    connection = await world.acme.connections.create(provider=provider, end_user="ada", inputs=KEY)
    world.practice.api_keys = {"newer-key": "ada@practice.example"}
    world.practice.switches.api_slow = 0.5
    late = asyncio.create_task(world.acme.connections.check(connection.id))
    await world.until(lambda: world.practice.calls.count("GET /v1/me") == 2)

    renewed = await world.acme.connections.create(
        provider=provider, end_user="ada", inputs={"apiKey": "newer-key"}, account_id="person-1", check=False
    )
    result = await late

    assert (renewed.id, result.ok) == (connection.id, False)
    assert (await world.acme.connections.get(connection.id)).status == "active"


async def test_a_deletion_revokes_and_shreds(world):
    connection = await world.imported(await world.register())

    await world.acme.connections.delete(connection.id)

    assert world.practice.revoked >= 1
    assert world.practice.ledger.grants[0].alive is False
    assert await world.count() == 0
    assert (await world.acme.audit.list(action="connection.deleted")).items[0].outcome == "ok"
    with pytest.raises(NotFound):
        await world.acme.connections.get(connection.id)


@pytest.mark.parametrize("trouble", ["refused", "down", "suspended", "sealed", "moved"])
async def test_a_deletion_shreds_even_what_cannot_be_revoked(world, trouble):
    provider = await world.register()
    connection = await world.imported(provider)
    match trouble:
        case "refused":
            world.practice.switches.revoke_fails = True
        case "down":
            await world.acme.integrations.put(provider, client_secret="another")
        case "suspended":
            await world.acme.connections.suspend(connection.id)
        case "sealed":
            await world.change(update(credentials).values(sealed=b"nothing that opens" * 5))
        case "moved":
            # The admin entrusted his secret to another host since.
            document = practice_document("http://127.0.0.1:9")
            del document["version"]
            await world.acme.providers.publish(provider, document)
            await world.acme.integrations.put(provider, client_id="practice-client", client_secret="practice-secret")

    await world.acme.connections.delete(connection.id)

    assert await world.count() == 0
    assert (await world.acme.audit.list(action="connection.deleted")).items[0].outcome == "notRevoked"


async def test_a_list_is_filtered_and_paged(world):
    provider, key = await world.register(), await world.register_key()
    for user in ("ada", "bo", "cy"):
        await world.imported(provider, end_user=user)
    shared = await world.acme.connections.create(provider=key, inputs=KEY)
    await world.acme.connections.suspend(Reference(end_user="bo", provider=provider))
    noun = world.acme.connections

    async def users(**filters):
        return [each.end_user for each in (await noun.list(**filters)).items]

    assert await users() == ["ada", "bo", "cy", None]
    assert await users(end_user="bo") == ["bo"]
    assert await users(end_user="") == [None]
    assert await users(provider=key) == [None]
    assert await users(status="suspended") == ["bo"]
    assert await users(status="active", provider=provider) == ["ada", "cy"]
    first = await noun.list(limit=3)
    assert [each.end_user for each in (await noun.list(limit=3, cursor=first.next_cursor)).items] == [None]
    assert (await noun.list(limit=4)).next_cursor is None
    assert (await noun.get(Reference(end_user="", provider=key))).id == shared.id
    for wrong in ({"limit": 0}, {"limit": 201}, {"status": "broken"}):
        with pytest.raises(InvalidRequest):
            await noun.list(**wrong)


async def test_a_list_opens_no_seal(world):
    connection = await world.imported(await world.register())
    await world.change(update(credentials).values(sealed=b"nothing that opens" * 5))

    listed = await world.acme.connections.list()
    shown = await world.acme.connections.get(connection.id)

    assert [each.id for each in listed.items] == [shown.id]
    with pytest.raises(SealBroken):
        await world.token(connection)


async def test_whose_it_is_finds_it_too(world):
    provider = await world.register()
    connection = await world.imported(provider)
    named = Reference(end_user="ada", provider=provider)

    assert (await world.acme.connections.get(named)).id == connection.id
    with pytest.raises(NotConnected) as nobody:
        await world.acme.connections.get(Reference(end_user="bo", provider=provider))
    await world.imported(provider, user="bo@practice.example")
    with pytest.raises(AmbiguousConnection) as several:
        await world.acme.connections.get(named)
    one = await world.acme.connections.get(replace(named, account="person-2"))

    assert nobody.value.facts["next"]["endUser"] == "bo"
    assert [each["accountId"] for each in several.value.facts["accounts"]] == ["person-1", "person-2"]
    assert one.account.id == "person-2"


METHODS = ["get", "credentials", "refresh", "check", "suspend", "resume", "update", "explain", "delete"]


@pytest.mark.parametrize("method", METHODS)
async def test_another_organization_can_do_nothing_with_it(world, method):
    provider = await world.register()
    connection = await world.imported(provider)
    world.practice.calls.clear()
    other = world.hub.organization("other").connections

    for reference in (connection.id, Reference(end_user="ada", provider=provider)):
        with pytest.raises((NotFound, NotConnected)):
            await getattr(other, method)(reference)

    assert (await other.list()).items == ()
    assert world.practice.calls == []
    assert (await world.acme.connections.get(connection.id)).status == "active"


@pytest.mark.parametrize(
    "restriction", [Restriction(end_user="bo"), Restriction(provider="other"), Restriction(connection="conn_other")]
)
async def test_a_restricted_key_sees_its_own_only(world, restriction):
    connection = await world.imported(await world.register())
    actor = replace(await world.acme.actor(), restriction=restriction)
    noun = world.hub.connections

    assert (await noun.list(actor)).items == ()
    for method in METHODS:
        with pytest.raises(NotFound):
            await getattr(noun, method)(actor, connection.id)


PERMISSION = {
    "get": "connections:read",
    "explain": "connections:read",
    "credentials": "credentials:read",
    **dict.fromkeys(["refresh", "check", "suspend", "resume", "update", "delete"], "connections:write"),
}


@pytest.mark.parametrize("method", METHODS)
async def test_each_action_needs_its_scope(world, method):
    connection = await world.imported(await world.register())
    actor = await world.acme.actor()
    without = replace(actor, permissions=actor.permissions - {PERMISSION[method]})

    with pytest.raises(Forbidden, match=PERMISSION[method]):
        await getattr(world.hub.connections, method)(without, connection.id)


async def test_each_action_is_in_the_audit(world):
    connection = await world.imported(await world.register())
    noun = world.acme.connections

    await noun.update(connection.id, label="x")
    await noun.check(connection.id)
    await noun.refresh(connection.id)
    await noun.credentials(connection.id)
    await noun.suspend(connection.id)
    await noun.resume(connection.id)
    await noun.delete(connection.id)

    assert await world.actions(target=connection.id) == [
        "connection.created",
        "connection.updated",
        "connection.checked",
        "credential.refreshed",
        "credential.read",
        "connection.suspended",
        "connection.resumed",
        "connection.deleted",
    ]
    assert (await world.acme.audit.verify()).ok


async def test_an_explanation_names_and_shows_nothing(world):
    connection = await world.imported(await world.register())
    token = await world.token(connection)

    explained = await world.acme.connections.explain(connection.id)
    await world.acme.connections.suspend(connection.id)
    suspended = await world.acme.connections.explain(connection.id)

    assert (explained.usable, explained.account.id) == (True, "person-1")
    assert explained.placements == ("header Authorization",)
    assert token not in explained.model_dump_json()
    assert (suspended.usable, len(suspended.reasons)) == (False, 1)


async def test_a_scope_that_is_missing_limits_but_does_not_stop(world):
    world.practice.switches.granted_scopes = ["profile"]
    connection = await world.connected(await world.register())

    explained = await world.acme.connections.explain(connection.id)

    assert explained.usable
    assert "items" in explained.reasons[0]


async def test_a_retired_provider_keeps_its_connections(world):
    provider = await world.register()
    connection = await world.imported(provider)

    await world.acme.providers.retire(provider, force=True)

    assert (await world.call(connection)).status_code == 200
    assert (await world.acme.connections.get(Reference(end_user="ada", provider=provider))).provider == provider
