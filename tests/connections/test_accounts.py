"""Whose account a connection is: renewed with the same one, beside it with another, never swapped in silence."""

import asyncio

import pytest

from tieline.errors import (
    AccountMismatch,
    Conflict,
    NotFound,
)

pytestmark = pytest.mark.anyio

BOTH = pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"], indirect=True)


async def test_a_reconnect_keeps_the_id_and_clears_the_error(world):
    provider = await world.register()
    connection = await world.connected(provider)
    world.practice.forget_grants()
    await world.age(connection, living=False)
    with pytest.raises(Exception, match="connect again"):
        await world.token(connection)

    visit = await world.visited(provider, connection=connection.id)
    done = await world.complete(visit)

    assert done.result == "reconnected"
    assert done.connection.id == connection.id
    assert (done.connection.status, done.connection.error, done.connection.error_count) == ("active", None, 0)
    assert await world.count() == 2


async def test_the_same_account_again_renews_its_connection(world):
    provider = await world.register()
    first = await world.connected(provider)

    again = await world.connected(provider)

    assert again.id == first.id


async def test_a_second_account_stands_beside_the_first(world):
    provider = await world.register()
    first = await world.connected(provider)
    world.practice.switches.current_user = "bo@practice.example"

    second = await world.connected(provider)

    assert second.id != first.id
    assert (first.account_id, second.account_id) == ("person-1", "person-2")


@BOTH
async def test_one_account_connected_twice_at_once_is_one_connection(world):
    provider = await world.register()
    visits = [await world.visited(provider) for _ in range(4)]

    done = await asyncio.gather(*(world.complete(visit) for visit in visits))

    assert len({each.connection.id for each in done}) == 1
    assert await world.count() == 2


@pytest.mark.parametrize("account_id", [None, "default", "work"])
async def test_a_reconnect_with_another_account_leaves_the_old_credential_as_it_was(world, account_id):
    provider = await world.register()
    connection = await world.connected(provider, account_id=account_id)
    before = await world.credential(connection)
    world.practice.switches.current_user = "bo@practice.example"
    visit = await world.visited(provider, connection=connection.id)

    with pytest.raises(AccountMismatch) as caught:
        await world.complete(visit)

    assert await world.credential(connection) == before
    assert caught.value.facts["restart"]["provider"] == provider
    assert (await world.call(connection)).json()["email"] == "ada@practice.example"


async def test_a_name_of_the_applications_does_not_hide_another_account(world):
    provider = await world.register()
    connection = await world.connected(provider, account_id="work")
    before = await world.credential(connection)
    world.practice.switches.current_user = "bo@practice.example"
    visit = await world.visited(provider, account_id="work")

    with pytest.raises(AccountMismatch):
        await world.complete(visit)

    assert await world.credential(connection) == before


async def test_an_account_that_the_application_named_can_be_reconnected(world):
    provider = await world.register()
    connection = await world.connected(provider, account_id="work")

    visit = await world.visited(provider, connection=connection.id)
    done = await world.complete(visit)

    assert (done.result, done.connection.account_id) == ("reconnected", "work")


async def test_without_an_identity_a_second_connect_says_which(world):
    provider = await world.register(check=None)
    first = await world.connected(provider)
    visit = await world.visited(provider)

    with pytest.raises(Conflict) as caught:
        await world.complete(visit)

    assert caught.value.facts["restart"]["connection"] == first.id
    assert (await world.connected(provider, connection=first.id)).id == first.id
    assert (await world.connected(provider, account_id="second")).id != first.id


async def test_a_reconnect_of_another_users_connection_is_not_found(world):
    provider = await world.register()
    connection = await world.connected(provider)

    for end_user, organization in (("bo", world.acme), ("ada", world.hub.organization("other"))):
        with pytest.raises(NotFound):
            await organization.connect.start(provider=provider, end_user=end_user, connection=connection.id)
