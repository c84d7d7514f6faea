"""What a refresh must not do: ask for each call, ask too early, forget what was told, or bury what can be mended."""

from datetime import UTC, datetime, timedelta

import pytest

from tieline.connections import Credentials, Loader, Reference
from tieline.connections.tables import credentials
from tieline.errors import ProviderUnavailable, ReconnectRequired
from tieline.providers import Documents

pytestmark = pytest.mark.anyio


async def test_an_endpoint_that_refuses_whatever_token_does_not_cost_a_refresh_for_each_call(world):
    connection = await world.imported(await world.register())
    world.practice.switches.api_status = {"/v1/items": 401}

    answers = [await world.call(connection, "/items") for _ in range(10)]

    assert {answer.status_code for answer in answers} == {401}
    assert world.practice.refreshes == 2
    assert (await world.call(connection)).status_code == 200


async def test_a_token_that_ended_is_renewed_though_another_was_refused_in_vain(world):
    connection = await world.imported(await world.register())
    world.practice.switches.api_status = {"/v1/items": 401}
    for _ in range(4):
        await world.call(connection, "/items")
    await world.age(connection, living=False)

    answer = await world.call(connection)

    assert answer.status_code == 200
    assert world.practice.refreshes == 3


@pytest.mark.parametrize("answer", ["error_200", "error_400", "html"])
async def test_a_provider_that_is_down_in_whatever_words_is_left_alone_after_three_failures(world, answer):
    provider = await world.register()
    ada = await world.imported(provider)
    bo = await world.imported(provider, end_user="bo", user="bo@practice.example")
    await world.age(ada, living=False)
    await world.age(bo, living=False)
    world.practice.switches.token_answer = answer

    for connection in [ada] * 3 + [bo] * 3:
        with pytest.raises(ProviderUnavailable):
            await world.token(connection)

    assert world.practice.calls.count("POST /token") == 3


async def test_what_the_provider_asks_to_wait_is_waited_by_every_process_though_the_token_is_over(world):
    connection = await world.imported(await world.register())
    await world.age(connection, living=False)
    world.practice.switches.token_answer, world.practice.switches.retry_after = "429", 60
    with pytest.raises(ProviderUnavailable):
        await world.token(connection)
    world.practice.switches.token_answer = "json"

    waits = []
    async with world.open_hub() as other:
        for hub in (world.hub, other):
            with pytest.raises(ProviderUnavailable) as caught:
                await world.token(connection, hub)
            waits.append(caught.value.retry_after)

    assert all(50 < wait <= 60 for wait in waits)
    assert world.practice.calls.count("POST /token") == 1


async def test_a_slow_token_endpoint_does_not_hold_up_callers_whose_token_lives(world):
    connection = await world.imported(await world.register())
    before = await world.token(connection)
    await world.age(connection, living=True)
    world.practice.switches.slow_seconds = 1.6
    started = datetime.now(UTC)

    token = await world.token(connection)

    assert token == before
    assert datetime.now(UTC) - started < timedelta(seconds=1.5)
    await world.until(lambda: world.practice.refreshes == 1)
    await world.hub.fresh.drain()
    assert await world.token(connection) != before


async def test_scopes_that_a_refresh_brings_are_shown(world):
    connection = await world.imported(await world.register())
    (grant,) = world.practice.ledger.grants
    grant.scopes = ("profile",)

    await world.acme.connections.refresh(connection.id)

    shown = (await world.acme.connections.get(connection.id)).scopes
    assert (shown.granted, shown.missing) == (("profile",), ("items",))


async def test_an_import_that_says_no_scopes_misses_none(world):
    provider = await world.register()
    granted = world.practice.issue_tokens()
    tokens = {"accessToken": granted["access_token"], "refreshToken": granted["refresh_token"]}

    connection = await world.acme.connections.create(provider=provider, end_user="ada", credentials=tokens)
    await world.acme.connections.refresh(connection.id)

    assert connection.scopes.missing == ()
    assert (await world.acme.connections.get(connection.id)).scopes.granted == ("profile", "items")


async def test_a_refresh_token_that_ends_before_the_access_token_is_used_in_time(world):
    token = {"capture": {"refreshExpiresIn": "{{ '1000' }}"}}
    connection = await world.imported(await world.register(oauth2={"token": token}))

    await world.acme.connections.refresh(connection.id)

    row = await world.credential(connection)
    assert timedelta(seconds=745) <= row.refresh_at - row.issued_at <= timedelta(seconds=801)


async def test_a_grant_of_another_client_id_says_so_and_lives_again_with_the_old_one(world):
    provider = await world.register()
    connection = await world.imported(provider)
    await world.age(connection, living=False)
    await world.acme.integrations.put(provider, client_id="another", client_secret="practice-secret")
    world.practice.client_id = "another"
    world.practice.ledger.grants[0].alive = False

    with pytest.raises(ReconnectRequired, match="another client id") as caught:
        await world.token(connection)
    shown = await world.acme.connections.get(connection.id)
    await world.acme.integrations.put(provider, client_id="practice-client", client_secret="practice-secret")
    world.practice.client_id = "practice-client"
    world.practice.ledger.grants[0].alive = True

    assert caught.value.facts["next"]["connection"] == connection.id
    assert (shown.status, shown.error.code) == ("reconnect", "client-changed")
    assert world.practice.ledger.use(await world.token(connection)) is not None
    assert (await world.acme.connections.get(connection.id)).status == "active"


async def test_after_a_lost_answer_a_strict_provider_is_asked_again_only_when_the_old_token_is_over(world):
    connection = await world.imported(await world.register())
    before = await world.token(connection)
    await world.age(connection, living=True)
    world.practice.switches.drop_answer = 1
    await world.token(connection)
    await world.change(credentials.update().values(refresh_at=datetime.now(UTC) - timedelta(seconds=1)))

    tokens = {await world.token(connection) for _ in range(5)}

    assert tokens == {before}
    assert (await world.call(connection)).status_code == 200
    assert world.practice.calls.count("POST /token") == 1
    await world.age(connection, living=False)
    with pytest.raises(ReconnectRequired) as caught:
        await world.acme.connections.credentials(Reference(id=connection.id))
    assert caught.value.facts["reason"] == "refresh-unknown"


async def test_where_refresh_tokens_do_not_rotate_a_lost_answer_explains_no_refusal(world):
    world.practice.switches.rotation = "none"
    connection = await world.imported(await world.register(refresh={"rotation": "none"}))
    await world.age(connection, living=False)
    world.practice.switches.drop_answer = 1
    with pytest.raises(ProviderUnavailable):
        await world.token(connection)
    world.practice.forget_grants()

    with pytest.raises(ReconnectRequired) as caught:
        await world.token(connection)

    assert caught.value.facts["reason"] == "grant-revoked"


async def test_a_process_whose_clock_is_ahead_refreshes_no_token_before_its_time(world):
    connection = await world.imported(await world.register())
    world.practice.switches.access_token_lifetime = 300
    await world.acme.connections.refresh(connection.id)
    loader = Loader(world.hub.vault, Documents())
    ahead = Credentials(world.hub.db, loader, world.hub.egress, clock=lambda: datetime.now(UTC) + timedelta(minutes=10))

    loaded = await ahead.current(await world.acme.actor(), Reference(id=connection.id))

    assert world.practice.ledger.use(loaded.access.grant.access_token.reveal()) is not None
    assert world.practice.refreshes == 1


async def test_a_token_that_a_process_with_a_wrong_clock_saves_ends_for_all_when_it_ends(world):
    connection = await world.imported(await world.register())
    world.practice.switches.access_token_lifetime = 300
    loader = Loader(world.hub.vault, Documents())
    behind = Credentials(
        world.hub.db, loader, world.hub.egress, clock=lambda: datetime.now(UTC) - timedelta(minutes=10)
    )
    await world.age(connection, living=False)

    await behind.renew(await world.acme.actor(), Reference(id=connection.id))

    left = (await world.credential(connection)).expires_at - datetime.now(UTC)
    assert timedelta(seconds=290) < left <= timedelta(seconds=301)
