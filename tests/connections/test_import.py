"""Importing credentials that exist already: proved first, renewed where they are known, and never lost."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import update

from tieline.actor import Restriction
from tieline.connections.tables import connections
from tieline.errors import (
    CheckFailed,
    Forbidden,
    InvalidInputs,
    InvalidRequest,
    ProviderUnavailable,
)

pytestmark = pytest.mark.anyio

BOTH = pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"], indirect=True)
KEY = {"apiKey": "practice-key"}


async def test_an_import_is_checked_first(world):
    provider = await world.register_key()

    with pytest.raises(CheckFailed):
        await world.acme.connections.create(provider=provider, end_user="ada", inputs={"apiKey": "wrong-key"})
    connection = await world.acme.connections.create(provider=provider, end_user="ada", inputs=KEY)

    assert (connection.status, connection.account.label) == ("active", "Ada Brightwater")
    assert (connection.binding, connection.provider_type) == ("import", "api_key")
    assert await world.count() == 2


async def test_unproved_it_is_stored_as_it_is(world):
    provider = await world.register_key()

    connection = await world.acme.connections.create(provider=provider, inputs={"apiKey": "wrong-key"}, check=False)

    assert (connection.status, connection.account.id, connection.end_user) == ("active", None, None)
    assert world.practice.calls == []


async def test_the_same_user_and_account_are_renewed(world):
    provider = await world.register_key()
    first, new = await world.acme.connections.upsert(provider=provider, end_user="ada", inputs=KEY, label="Work")
    await world.change(update(connections).values(state="reconnect", error_code="x", error_count=3))

    again, new_again = await world.acme.connections.upsert(provider=provider, end_user="ada", inputs=KEY)

    assert (new, new_again, again.id) == (True, False, first.id)
    assert (again.status, again.error, again.error_count, again.label) == ("active", None, 0, "Work")
    assert await world.count() == 2


@BOTH
async def test_two_imports_of_one_account_at_once_make_one_connection(world):
    provider = await world.register_key()

    made = await asyncio.gather(
        *(world.acme.connections.upsert(provider=provider, end_user="ada", inputs=KEY) for _ in range(8))
    )

    assert len({connection.id for connection, _ in made}) == 1
    assert [new for _, new in made].count(True) == 1


async def test_every_fault_of_an_import_is_said_at_its_place(world):
    oauth, key = await world.register(), await world.register_key()

    with pytest.raises(InvalidInputs) as wrong_key:
        await world.acme.connections.create(provider=key, end_user="ada", inputs={"other": "x"})
    with pytest.raises(InvalidInputs) as wrong_token:
        await world.acme.connections.create(provider=oauth, end_user="ada", credentials={"token": "x"})

    assert {fault.path for fault in wrong_key.value.errors} >= {"/inputs/apiKey"}
    assert {fault.path for fault in wrong_token.value.errors} == {"/credentials/token", "/credentials/accessToken"}


async def test_a_method_that_needs_a_user_cannot_be_imported_by_inputs(world):
    provider = await world.register()

    with pytest.raises(InvalidRequest, match="connect session"):
        await world.acme.connections.create(provider=provider, end_user="ada", inputs={})


@pytest.mark.parametrize("with_access_token", [True, False])
async def test_a_refresh_token_proves_an_import_whose_access_token_is_over(world, with_access_token):
    provider = await world.register()
    granted = world.practice.issue_tokens()
    world.practice.expire_access_tokens()
    old = {"accessToken": granted["access_token"], "expiresAt": "2020-01-01T00:00:00Z"} if with_access_token else {}

    connection = await world.acme.connections.create(
        provider=provider, end_user="ada", credentials=old | {"refreshToken": granted["refresh_token"]}
    )

    assert connection.account.id == "person-1"
    assert (await world.call(connection)).status_code == 200
    assert world.practice.refreshes == 1


async def test_a_dead_refresh_token_is_not_imported(world):
    provider = await world.register()

    with pytest.raises(CheckFailed, match="refresh token"):
        await world.acme.connections.create(provider=provider, end_user="ada", credentials={"refreshToken": "old"})

    assert await world.count() == 0


async def test_a_refresh_token_rotated_by_an_import_is_not_lost(world):
    provider = await world.register()
    tokens = {"refreshToken": world.practice.issue_tokens()["refresh_token"]}
    world.practice.switches.api_status = {"/v1/me": 503}

    connection = await world.acme.connections.create(provider=provider, end_user="ada", credentials=tokens)
    world.practice.switches.api_status = {}

    assert (await world.call(connection)).status_code == 200
    assert world.practice.refreshes == 1


async def test_client_credentials_need_nobody(world):
    provider = await world.register(
        oauth2={"grant": "client_credentials", "authUrl": None, "clientFrom": "admin"}, refresh=None
    )

    connection = await world.acme.connections.create(provider=provider)
    world.practice.expire_access_tokens()

    assert connection.end_user is None
    assert (await world.call(connection)).status_code == 200


async def test_a_restricted_key_imports_for_its_own_only(world):
    provider = await world.register_key()
    noun, actor = world.hub.connections, await world.acme.actor()

    for narrowed in (Restriction(end_user="bo"), Restriction(provider="other"), Restriction(connection="conn_other")):
        with pytest.raises((Forbidden, InvalidRequest)):
            await noun.create(replace(actor, restriction=narrowed), provider=provider, end_user="ada", inputs=KEY)

    assert await world.count() == 0


async def test_a_provider_that_is_down_at_import_says_so(world):
    provider = await world.register_key()
    world.practice.switches.api_status = {"/v1/me": 503}

    with pytest.raises(ProviderUnavailable):
        await world.acme.connections.create(provider=provider, end_user="ada", inputs=KEY)

    assert await world.count() == 0


async def test_an_input_that_is_used_once_is_forgotten(world):
    inputs = {"pin": {"secret": True, "store": False}, "shop": {"store": False}, "note": {}}
    provider = await world.register_key(inputs=inputs)
    given = {**KEY, "pin": "1234-once", "shop": "seen-once", "note": "kept"}

    connection = await world.acme.connections.create(provider=provider, end_user="ada", inputs=given)

    row = await world.row(connection)
    credential = await world.acme.connections.credentials(connection.id)
    assert row.inputs == {"note": "kept"}
    assert set(credential.values) == {"apiKey", "note"}
