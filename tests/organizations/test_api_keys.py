from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from tieline.actor import DEFAULT_PERMISSIONS, PERMISSIONS, Actor, Restriction
from tieline.audit.tables import audit_events
from tieline.errors import Forbidden, InvalidRequest, NotFound, Unauthorized
from tieline.organizations.keys import hash_key, new_key
from tieline.organizations.tables import api_keys as rows
from tieline.organizations.types import Restrictions

pytestmark = pytest.mark.anyio
SQLITE = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


def _header(key, **more):
    return {"authorization": f"Bearer {key.reveal()}", **more}


async def _answer(awaitable):
    """What somebody outside learns from a refusal."""
    with pytest.raises((Unauthorized, Forbidden, NotFound)) as raised:
        await awaitable
    error = raised.value
    return type(error), error.detail, dict(error.facts), error.status


async def test_a_key_authenticates_as_its_organization(api_keys, tenants):
    new = await api_keys.create(tenants.acme, "backend")

    actor = await api_keys.authenticate(_header(new.key))

    assert (actor.kind, actor.id, actor.organization) == ("apiKey", new.api_key.id, tenants.acme.organization)
    assert actor.platform == tenants.platform.organization
    assert actor.permissions == DEFAULT_PERMISSIONS
    assert actor.restriction == Restriction()


async def test_the_key_stands_nowhere_in_the_database(api_keys, tenants, database):
    new = await api_keys.create(tenants.acme, "backend")
    key = new.key.reveal()

    stored = await database.read(lambda connection: connection.execute(select(rows)).one())
    audited = await database.read(lambda connection: connection.execute(select(audit_events)).all())

    assert stored.hash == hash_key(key)
    assert key not in repr(stored) + repr(audited) + repr(new)
    assert key[3:20] not in repr(stored) + repr(audited)
    assert stored.hint == key[-4:]


async def test_what_is_shown_of_a_key_has_no_field_for_it(api_keys, tenants):
    new = await api_keys.create(tenants.acme, "backend")

    listed = (await api_keys.list(tenants.acme)).items

    assert listed == (new.api_key,)
    assert new.key.reveal() not in repr(listed[0].dump())
    assert "hash" not in listed[0].dump()


async def test_unknown_revoked_and_expired_keys_look_the_same(api_keys, tenants, database):
    revoked = await api_keys.create(tenants.acme, "revoked")
    expired = await api_keys.create(tenants.acme, "expired", expires_at=datetime.now(UTC) + timedelta(hours=1))
    await api_keys.authenticate(_header(revoked.key))
    await api_keys.authenticate(_header(expired.key))

    await api_keys.revoke(tenants.acme, revoked.api_key.id)
    past = update(rows).where(rows.c.id == expired.api_key.id).values(expires_at=datetime.now(UTC))
    await database.write(lambda connection: connection.execute(past))

    answers = [await _answer(api_keys.authenticate(_header(key))) for key in (new_key(), revoked.key, expired.key)]
    assert answers[0] == answers[1] == answers[2]
    assert answers[0][0] is Unauthorized


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer ", "Bearer tl_x", "Basic dGxfeDo=", "tl_x", "Bearer tl_" + "A" * 49, "Bearer é"]
)
@SQLITE
async def test_what_is_no_key_is_unauthorized(api_keys, tenants, value):
    with pytest.raises(Unauthorized):
        await api_keys.authenticate({"authorization": value})
    with pytest.raises(Unauthorized):
        await api_keys.authenticate({})


async def test_a_new_key_may_not_read_credentials_make_keys_or_customers_unless_asked(api_keys, tenants):
    new = await api_keys.create(tenants.acme, "backend")

    actor = await api_keys.authenticate(_header(new.key))

    assert set(PERMISSIONS) - actor.permissions == {"credentials:read", "api-keys:write", "organizations:write"}
    actor.require("proxy")
    for scope in ("credentials:read", "api-keys:write"):
        with pytest.raises(Forbidden) as raised:
            actor.require(scope)
        assert raised.value.facts == {"scope": scope}


async def test_a_key_cannot_give_what_it_does_not_have(api_keys, tenants):
    limited = await api_keys.create(tenants.acme, "limited", scopes={"api-keys:write", "proxy"})
    actor = await api_keys.authenticate(_header(limited.key))

    with pytest.raises(Forbidden) as raised:
        await api_keys.create(actor, "more", scopes={"proxy", "credentials:read"})
    child = await api_keys.create(actor, "same")

    assert raised.value.facts == {"scopes": ["credentials:read"]}
    assert set(child.api_key.scopes) == {"proxy"}
    assert [each.name for each in (await api_keys.list(tenants.acme)).items] == ["same", "limited"]


@SQLITE
async def test_a_restricted_key_makes_no_keys(api_keys, tenants):
    narrow = await api_keys.create(
        tenants.acme, "narrow", scopes={"api-keys:write"}, restrictions=Restrictions(end_user="ada")
    )
    actor = await api_keys.authenticate(_header(narrow.key))

    with pytest.raises(Forbidden):
        await api_keys.create(actor, "wide", scopes={"api-keys:write"})


@SQLITE
async def test_a_scope_that_does_not_exist_is_a_fault_each(api_keys, tenants):
    with pytest.raises(InvalidRequest) as raised:
        await api_keys.create(tenants.acme, "odd", scopes={"proxy", "root", "*"})

    assert [fault.code for fault in raised.value.errors] == ["unknown_scope", "unknown_scope"]


@SQLITE
async def test_restrictions_reach_the_actor(api_keys, tenants):
    restrictions = Restrictions(end_user="ada", provider="p", connection="conn_1", methods=("GET",), path="/v1")

    new = await api_keys.create(tenants.acme, "narrow", restrictions=restrictions)
    actor = await api_keys.authenticate(_header(new.key))

    assert new.api_key.restrictions == restrictions
    assert actor.restriction == Restriction("ada", "p", "conn_1", frozenset({"GET"}), "/v1")


@SQLITE
async def test_a_key_restricted_to_no_method_at_all_may_use_none(api_keys, tenants):
    new = await api_keys.create(tenants.acme, "none", restrictions=Restrictions(methods=()))

    assert (await api_keys.authenticate(_header(new.key))).restriction.methods == frozenset()


@SQLITE
async def test_an_expiry_without_a_zone_or_in_the_past_is_refused(api_keys, tenants):
    for expires_at in (datetime(2099, 1, 1), datetime.now(UTC) - timedelta(seconds=1)):
        with pytest.raises(InvalidRequest):
            await api_keys.create(tenants.acme, "odd", expires_at=expires_at)


async def test_a_platform_enters_its_customers_by_header(api_keys, tenants):
    new = await api_keys.create(tenants.platform, "platform")

    actor = await api_keys.authenticate(_header(new.key, **{"tieline-organization": "acme"}))

    assert (actor.organization, actor.platform) == (tenants.acme.organization, tenants.platform.organization)
    assert actor.permissions == DEFAULT_PERMISSIONS


async def test_a_key_may_name_its_own_organization(api_keys, tenants):
    for actor, slug in ((tenants.platform, "default"), (tenants.acme, "acme")):
        new = await api_keys.create(actor, "own")

        entered = await api_keys.authenticate(_header(new.key, **{"tieline-organization": slug}))

        assert (entered.organization, entered.platform) == (actor.organization, actor.platform)


@pytest.mark.parametrize(
    ("key_of", "entered"),
    [
        ("platform", "umbrella"),
        ("platform", "rival"),
        ("acme", "globex"),
        ("acme", "default"),
        ("acme", "umbrella"),
        ("rival", "acme"),
        ("umbrella", "rival"),
    ],
)
@SQLITE
async def test_a_foreign_organization_answers_like_one_that_is_not_there(api_keys, tenants, key_of, entered):
    new = await api_keys.create(getattr(tenants, key_of), "key")

    async def answer(slug):
        kind, detail, facts, status = await _answer(
            api_keys.authenticate(_header(new.key, **{"tieline-organization": slug}))
        )
        return kind, detail.replace(slug, "X"), facts, status

    foreign = await answer(entered)

    assert foreign == await answer("never-there")
    assert foreign[0] is Forbidden


async def test_two_platforms_may_have_customers_of_the_same_name(api_keys, organizations, tenants):
    await organizations.put(tenants.rival, "acme")
    ours = await api_keys.create(tenants.platform, "ours")
    theirs = await api_keys.create(tenants.rival, "theirs")

    entered = [
        await api_keys.authenticate(_header(each.key, **{"tieline-organization": "acme"})) for each in (ours, theirs)
    ]

    assert entered[0].organization == tenants.acme.organization
    assert entered[1].organization != tenants.acme.organization
    assert entered[1].platform == tenants.rival.organization


async def test_keys_of_others_are_not_there_to_list_or_revoke(api_keys, tenants):
    theirs = await api_keys.create(tenants.umbrella, "theirs")
    customers = await api_keys.create(tenants.acme, "customers")

    for stranger in (tenants.platform, tenants.globex, tenants.rival):
        assert (await api_keys.list(stranger)).items == ()
        assert await _answer(api_keys.revoke(stranger, theirs.api_key.id)) == _unknown(theirs.api_key.id)
        assert await _answer(api_keys.revoke(stranger, customers.api_key.id)) == _unknown(customers.api_key.id)
    assert await _answer(api_keys.revoke(tenants.acme, "key_nothing")) == _unknown("key_nothing")
    await api_keys.authenticate(_header(theirs.key))


def _unknown(key):
    return NotFound, f"There is no API key {key} here.", {}, 404


async def test_revoking_twice_keeps_the_first_moment(api_keys, tenants):
    new = await api_keys.create(tenants.acme, "backend")

    first = await api_keys.revoke(tenants.acme, new.api_key.id)
    second = await api_keys.revoke(tenants.acme, new.api_key.id)

    assert first.revoked_at is not None
    assert second.revoked_at == first.revoked_at


async def test_the_first_use_is_remembered_and_later_ones_at_most_once_a_minute(api_keys, tenants, database):
    new = await api_keys.create(tenants.acme, "backend")
    assert new.api_key.last_used_at is None

    await api_keys.authenticate(_header(new.key))
    first = (await api_keys.list(tenants.acme)).items[0].last_used_at
    await api_keys.authenticate(_header(new.key))
    second = (await api_keys.list(tenants.acme)).items[0].last_used_at
    earlier = update(rows).values(last_used_at=first - timedelta(minutes=2))
    await database.write(lambda connection: connection.execute(earlier))
    await api_keys.authenticate(_header(new.key))

    assert first is not None
    assert second == first
    assert (await api_keys.list(tenants.acme)).items[0].last_used_at > first


async def test_keys_are_listed_newest_first_page_by_page(api_keys, tenants):
    for number in range(5):
        await api_keys.create(tenants.acme, f"k{number}")

    first = await api_keys.list(tenants.acme, limit=2)
    second = await api_keys.list(tenants.acme, limit=2, cursor=first.next_cursor)
    third = await api_keys.list(tenants.acme, limit=2, cursor=second.next_cursor)

    names = [each.name for page in (first, second, third) for each in page.items]
    assert sorted(names) == ["k0", "k1", "k2", "k3", "k4"]
    assert third.next_cursor is None


@pytest.mark.parametrize("method", ["create", "list", "revoke"])
@SQLITE
async def test_managing_keys_needs_the_scope_for_it(api_keys, tenants, method):
    actor = Actor("apiKey", "key_1", tenants.acme.organization, tenants.acme.platform, DEFAULT_PERMISSIONS)
    arguments = () if method == "list" else ("x",)

    with pytest.raises(Forbidden) as raised:
        await getattr(api_keys, method)(actor, *arguments)

    assert raised.value.facts == {"scope": "api-keys:write"}


async def test_making_and_revoking_a_key_is_audited_with_the_change(api_keys, tenants, database):
    new = await api_keys.create(tenants.acme, "backend", scopes={"proxy"})
    await api_keys.revoke(tenants.acme, new.api_key.id)

    query = select(audit_events.c.action, audit_events.c.target, audit_events.c.org).order_by(audit_events.c.id)
    events = await database.read(lambda connection: [tuple(row) for row in connection.execute(query)])

    assert events == [
        ("apiKey.created", new.api_key.id, tenants.acme.organization),
        ("apiKey.revoked", new.api_key.id, tenants.acme.organization),
    ]


async def test_a_key_that_expires_makes_none_that_outlives_it(api_keys, tenants):
    soon = datetime.now(UTC) + timedelta(hours=1)
    expiring = replace(tenants.platform, expires_at=soon)

    with pytest.raises(Forbidden, match="outlives"):
        await api_keys.create(expiring, "for good")
    with pytest.raises(Forbidden, match="outlives"):
        await api_keys.create(expiring, "longer", expires_at=soon + timedelta(seconds=1))

    assert (await api_keys.create(expiring, "as long", expires_at=soon)).api_key.expires_at == soon
