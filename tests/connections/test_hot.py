"""The hot path and the slow one find the same; whatever the hot one does not find, the slow one explains."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import delete, update

from tieline.connections import Hot, Reference
from tieline.connections.tables import connections
from tieline.errors import InvalidRequest, Unauthorized
from tieline.integrations.tables import clients
from tieline.organizations.types import Restrictions

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"], indirect=True),
]


async def by_hot(world, reference):
    return await world.hub.hot.by_actor(await world.acme.actor(), reference)


async def by_slow(world, reference):
    actor, loader = await world.acme.actor(), world.hub.hot._loader
    return await world.hub.db.read(lambda open_: loader.load(open_, actor, reference))


async def key(world, **more):
    scopes = {"credentials:read", "connections:read", "proxy"}
    return (await world.acme.api_keys.create("worker", scopes=scopes, **more)).key.reveal()


async def oauth(world):
    return await world.imported(await world.register())


async def typed(world):
    provider = await world.register_key()
    return await world.acme.connections.create(provider=provider, end_user="ada", inputs={"apiKey": "practice-key"})


def without_source(access):
    """How the registration was found is of no use to who acts as the connection."""
    return replace(access, registration=replace(access.registration, source=""))


@pytest.mark.parametrize("make", [oauth, typed], ids=["oauth2", "api_key"])
@pytest.mark.parametrize("by", ["id", "owner"])
async def test_both_ways_find_the_same(world, make, by):
    connection = await make(world)
    owner = Reference(end_user="ada", provider=connection.provider)
    reference = Reference(id=connection.id) if by == "id" else owner
    slow = await by_slow(world, reference)

    hot = await by_hot(world, reference)

    assert without_source(hot.access) == without_source(slow.access)
    assert hot.row._asdict() == {name: getattr(slow.row, name) for name in hot.row._fields}
    assert hot.credential._asdict() == slow.credential._asdict()


async def test_two_accounts_and_a_client_that_is_gone_are_left_to_the_slow_way(world):
    provider = await world.register()
    first = await world.imported(provider)
    await world.imported(provider, user="grace@practice.example")
    of_both = Reference(end_user="ada", provider=provider)

    assert await by_hot(world, of_both) is None
    await world.change(delete(clients))
    assert await by_hot(world, Reference(id=first.id)) is None


async def test_what_changes_is_seen_at_once(world):
    connection = await oauth(world)
    reference = Reference(id=connection.id)
    before = await by_hot(world, reference)
    await world.acme.integrations.put(connection.provider, client_secret="another secret")
    await world.acme.connections.suspend(connection.id)

    after = await by_hot(world, reference)

    assert before.access.registration.client_secret.reveal() == "practice-secret"
    assert after.access.registration.client_secret.reveal() == "another secret"
    assert after.row.suspended_at is not None


async def test_callers_at_the_same_moment_get_each_their_own(world):
    provider = await world.register()
    made = [await world.imported(provider, end_user=f"user-{number}") for number in range(3)]
    whole, narrow = await key(world), await key(world, restrictions=Restrictions(end_user="user-1"))
    revoked = await world.acme.api_keys.create("gone")
    await world.acme.api_keys.revoke(revoked.api_key.id)
    asked = [(one, each.id) for each in made for one in (whole, narrow, revoked.key.reveal())] * 10
    asked += [(whole, "conn_unknown"), (whole, "conn_with\0nul")] * 10

    async def found(text, identifier):
        try:
            answer = await world.hub.hot.by_key(text, None, Reference(id=identifier))
        except Unauthorized:
            return "unauthorized"
        except InvalidRequest:
            return "refused"
        return answer.loaded and answer.loaded.access.end_user

    got = await asyncio.gather(*(found(*each) for each in asked))

    for (text, identifier), answer in zip(asked, got, strict=True):
        known = next((each.end_user for each in made if each.id == identifier), None)
        if "\0" in identifier:
            assert answer in (None, "refused")
        elif text == revoked.key.reveal():
            assert answer == "unauthorized"
        elif text == narrow:
            assert answer == (known if known == "user-1" else None)
        else:
            assert answer == known


async def test_a_key_of_another_organization_finds_nothing(world):
    connection = await oauth(world)
    other = (await world.hub.organization("globex").api_keys.create("theirs")).key.reveal()

    answer = await world.hub.hot.by_key(other, None, Reference(id=connection.id))

    assert answer.loaded is None


async def test_a_row_whose_origins_were_changed_does_not_open_though_it_opened_before(world):
    connection = await oauth(world)
    reference = Reference(id=connection.id)
    await by_hot(world, reference)
    await world.change(update(connections).values(origins='{"api":["https://evil.example"]}'))

    with pytest.raises(Exception, match="does not open"):
        await by_hot(world, reference)


class Counting:
    """The database, with a count of the SELECTs that were prepared for it."""

    def __init__(self, db):
        self.db = db
        self.dialect = db.dialect
        self.selects = 0

    def prepare(self, select):
        return self.db.prepare(select)

    async def rows(self, query, given):
        self.selects += 1
        return await self.db.rows(query, given)


async def test_a_caller_alone_costs_one_select_and_a_hundred_at_once_share_a_few(world):
    connection, text = await oauth(world), await key(world)
    counting = Counting(world.hub.db)
    hot = Hot(counting, world.hub.hot._loader)

    alone = await hot.by_key(text, None, Reference(id=connection.id))
    of_one, counting.selects = counting.selects, 0
    found = await asyncio.gather(*(hot.by_key(text, None, Reference(id=connection.id)) for _ in range(100)))

    assert alone.loaded is not None
    assert of_one == 1
    assert all(each.loaded is not None for each in found)
    assert counting.selects <= (4 if counting.dialect == "postgresql" else 100)
