"""Who consented to a host stays with it: no edit, no swap of rows and no admin's mistake moves a credential."""

from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from sqlalchemy import select, update

from tieline.connections import Reference
from tieline.connections.tables import connect_sessions, connections, credentials
from tieline.errors import AddressRefused, Forbidden, PathRefused, RateLimited, SealBroken, TielineError
from tieline.integrations.tables import clients
from tieline.providers.tables import providers
from tieline.testing import PracticeProvider, practice_document, practice_key_document, serve

pytestmark = pytest.mark.anyio


@pytest.fixture
def elsewhere() -> PracticeProvider:
    """Another server, which nobody has consented to."""
    return PracticeProvider()


@pytest.fixture
async def moved(elsewhere: PracticeProvider) -> AsyncIterator[str]:
    async with serve(elsewhere.app) as url:
        yield url


async def test_a_behaviour_edit_reaches_connections_at_once(world):
    provider = await world.register()
    connection = await world.imported(provider)

    document = practice_document(world.base, rateLimits={"requestsPerMinute": 1})
    del document["version"]
    published = await world.acme.providers.publish(provider, document)

    assert (await world.call(connection)).status_code == 200
    with pytest.raises(RateLimited):
        await world.call(connection)
    shown = await world.acme.connections.get(connection.id)
    assert (shown.provider_version, shown.attention) == (published.version, None)


async def test_a_security_edit_moves_no_connection(world, moved, elsewhere):
    provider = await world.register()
    connection = await world.imported(provider)
    document = practice_document(moved)
    del document["version"]
    await world.acme.providers.publish(provider, document)
    await world.age(connection, living=False)

    answer = await world.call(connection)
    checked = await world.acme.connections.check(connection.id)
    shown = await world.acme.connections.get(connection.id)
    await world.acme.connections.delete(connection.id)

    assert (answer.status_code, checked.ok) == (200, True)
    assert (shown.attention, shown.provider_version, shown.status, shown.usable) == (
        "approveUpdate",
        "1.0.0",
        "active",
        True,
    )
    assert (world.practice.refreshes, world.practice.revoked) == (1, 2)
    assert elsewhere.calls == []


async def test_a_session_keeps_the_version_that_the_user_saw(world, moved, elsewhere):
    provider = await world.register()
    visit = await world.visited(provider)
    document = practice_document(moved)
    del document["version"]
    await world.acme.providers.publish(provider, document)

    connection = (await world.complete(visit)).connection

    assert (connection.provider_version, connection.attention) == ("1.0.0", "approveUpdate")
    assert (await world.call(connection)).status_code == 200
    assert elsewhere.calls == []


async def test_a_new_consent_moves_the_connection(world, moved, elsewhere):
    provider = await world.register_key()
    connection = await world.acme.connections.create(
        provider=provider, end_user="ada", inputs={"apiKey": "practice-key"}
    )
    document = practice_key_document(moved)
    del document["version"]
    await world.acme.providers.publish(provider, document)

    again = await world.acme.connections.create(provider=provider, end_user="ada", inputs={"apiKey": "practice-key"})
    world.practice.calls.clear()
    await world.call(again)

    assert (again.id, again.attention) == (connection.id, None)
    assert elsewhere.calls[-1] == "GET /v1/me"
    assert world.practice.calls == []


async def test_a_clients_secret_does_not_go_to_a_moved_token_host(world, moved, elsewhere):
    provider = await world.register()
    document = practice_document(world.base, oauth2={"tokenUrl": f"{moved}/token", "revokeUrl": f"{moved}/revoke"})
    del document["version"]
    await world.acme.providers.publish(provider, document)
    visit = await world.visited(provider)

    with pytest.raises(TielineError) as caught:
        await world.complete(visit)

    assert caught.value.code in ("address-refused", "not-configured")
    assert elsewhere.calls == []
    assert await world.count() == 0


async def test_an_admin_who_sees_the_new_host_sends_the_secret_there(world, moved, elsewhere):
    provider = await world.register()
    document = practice_document(world.base, oauth2={"tokenUrl": f"{moved}/token"})
    del document["version"]
    await world.acme.providers.publish(provider, document)
    await world.acme.integrations.put(provider, client_id="practice-client", client_secret="practice-secret")
    visit = await world.visited(provider)

    with pytest.raises(TielineError):
        await world.complete(visit)

    assert elsewhere.calls == ["POST /token"]


async def test_what_an_admin_switches_off_meanwhile_is_not_completed(world):
    provider = await world.register()
    visit = await world.visited(provider)
    await world.acme.integrations.put(provider, enabled=False)

    with pytest.raises(Forbidden):
        await world.complete(visit)

    assert world.practice.codes_exchanged == 0
    assert await world.count() == 0


async def test_origins_changed_in_the_database_open_no_seal(world, moved, elsewhere):
    connection = await world.imported(await world.register())
    row = await world.row(connection)
    theirs = row.origins.replace(world.base, moved)
    await world.change(update(connections).where(connections.c.id == connection.id).values(origins=theirs))

    for attempt in (world.call(connection), world.token(connection), world.acme.connections.check(connection.id)):
        with pytest.raises(SealBroken):
            await attempt

    assert elsewhere.calls == []
    assert "GET /v1/me" not in world.practice.calls[1:]


async def test_a_credential_moved_to_another_row_does_not_open(world):
    provider = await world.register()
    ada = await world.imported(provider)
    bo = await world.imported(provider, end_user="bo", user="bo@practice.example")
    first, second = await world.credential(ada), await world.credential(bo)
    for row, sealed in ((first, second.sealed), (second, first.sealed)):
        change = update(credentials).where(credentials.c.connection_id == row.connection_id)
        await world.change(change.values(sealed=sealed))

    for connection in (ada, bo):
        with pytest.raises(SealBroken):
            await world.call(connection)


async def test_a_changed_organization_opens_no_seal(world):
    connection = await world.imported(await world.register())
    other = await world.hub.organization("other").actor()
    await world.change(update(connections).where(connections.c.id == connection.id).values(org=other.organization))

    with pytest.raises(SealBroken):
        await world.hub.organization("other").connections.credentials(Reference(id=connection.id))


async def test_a_connection_that_was_written_to_another_user_opens_no_seal(world):
    connection = await world.imported(await world.register())
    await world.change(update(connections).values(end_user="mallory"))

    for reference in (Reference(end_user="mallory", provider="practice"), Reference(id=connection.id)):
        with pytest.raises(SealBroken):
            await world.acme.connections.credentials(reference)


async def test_a_connection_that_was_written_to_another_provider_opens_no_seal(world):
    connection = await world.imported(await world.register())
    await world.register(id="other")
    other = select(providers.c.id).where(providers.c.slug == "other").scalar_subquery()
    await world.change(update(connections).values(provider_id=other))

    with pytest.raises(SealBroken):
        await world.acme.connections.credentials(connection.id)


async def test_a_clients_secret_with_other_origins_does_not_open(world, moved, elsewhere):
    provider = await world.register()
    visit = await world.visited(provider)
    actor = await world.acme.actor()
    row = await world.hub.db.read(lambda open_: open_.execute(clients.select()).one())
    theirs = row.origins.replace(world.base, moved)
    await world.change(update(clients).where(clients.c.org == actor.organization).values(origins=theirs))

    with pytest.raises(SealBroken):
        await world.complete(visit)

    assert elsewhere.calls == []


async def test_a_session_moved_to_another_users_row_does_not_open(world):
    provider = await world.register()
    ada, mallory = await world.visited(provider), await world.visited(provider, end_user="mallory")
    sealed = (await world.session(ada)).sealed
    change = update(connect_sessions).where(connect_sessions.c.id == mallory.session.session.id)
    await world.change(change.values(sealed=sealed))

    with pytest.raises(SealBroken):
        await world.complete(mallory, end_user="mallory")

    assert world.practice.codes_exchanged == 0


@pytest.mark.parametrize("path", ["//{host}/v1/me", "/..//{host}/v1/me", "/@{host}/v1/me", "/%2f%2f{host}/v1/me"])
async def test_no_path_leads_to_another_host(world, moved, elsewhere, path):
    connection = await world.imported(await world.register())

    with suppress(PathRefused, AddressRefused):
        await world.call(connection, path.format(host=moved.removeprefix("http://")))

    assert elsewhere.calls == []


async def test_no_whole_address_leads_to_another_host(world, moved, elsewhere):
    connection = await world.imported(await world.register())
    port = moved.rpartition(":")[2]

    for url in (
        f"{moved}/v1/me",
        f"http://localhost:{port}/",
        f"{world.base}@127.0.0.1:{port}/",
        f"{moved}#{world.base}",
    ):
        with pytest.raises((PathRefused, AddressRefused)):
            await world.call(connection, url)

    assert elsewhere.calls == []


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_a_redirect_takes_no_credential_along(world, moved, elsewhere, code):
    connection = await world.imported(await world.register())

    answer = await world.call(connection, f"/redirect?to={moved}/v1/me&code={code}")

    assert answer.status_code == code
    assert elsewhere.calls == []
