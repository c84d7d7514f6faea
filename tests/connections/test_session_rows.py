"""A connect session is for one user at one provider: neither a changed row nor another key turns it into another."""

from dataclasses import replace

import pytest
from sqlalchemy import select, update

from tieline.actor import Restriction
from tieline.connections.tables import connect_sessions
from tieline.errors import NotFound, SealBroken, SessionEnded
from tieline.providers.tables import providers
from tieline.testing import practice_key_document, serve

pytestmark = pytest.mark.anyio


async def typed(world, provider: str):
    """A session in which a key waits for its completion."""
    visit = await world.start(provider)
    visit.page = await world.hub.connect.flow.submit(visit.token, {"apiKey": "practice-key"}, method=None, browser=None)
    return visit


async def test_what_waits_in_a_session_goes_to_no_provider_that_was_written_into_its_row(world):
    asked: list[object] = []

    async def evil(scope, receive, send):
        asked.append(scope)

    visit = await typed(world, await world.register_key())
    async with serve(evil) as base:
        await world.hub.organization("other").providers.register(practice_key_document(base, id="evil"))
        elsewhere = select(providers.c.id).where(providers.c.slug == "evil").scalar_subquery()
        await world.change(update(connect_sessions).values(provider_id=elsewhere))
        asked.clear()

        with pytest.raises(SealBroken):
            await world.complete(visit)

    assert asked == []


@pytest.mark.parametrize("column", ["end_user", "connection_id", "account_id", "return_to", "embed_origin"])
async def test_what_waits_in_a_session_is_for_nobody_who_was_written_into_its_row(world, column):
    visit = await typed(world, await world.register_key())
    await world.change(update(connect_sessions).values({column: "mallory"}))
    end_user = "mallory" if column == "end_user" else "ada"

    with pytest.raises(SealBroken):
        await world.acme.connect.complete(nonce=visit.nonce, end_user=end_user)

    assert await world.count() == 0


@pytest.mark.parametrize("restriction", [Restriction(provider="other"), Restriction(connection="conn_other")])
async def test_a_restricted_key_has_nothing_to_do_with_other_sessions(world, restriction):
    visit = await typed(world, await world.register_key())
    actor = replace(await world.acme.actor(), restriction=restriction)
    connect, session = world.hub.connect, visit.session.session.id

    with pytest.raises(NotFound):
        await connect.get(actor, session)
    with pytest.raises(NotFound):
        await connect.cancel(actor, session)
    with pytest.raises(SessionEnded):
        await connect.complete(actor, nonce=visit.nonce, end_user="ada")

    assert (await world.complete(visit)).result == "connected"


async def test_a_key_restricted_to_the_provider_completes_its_sessions(world):
    provider = await world.register_key()
    visit = await typed(world, provider)
    actor = replace(await world.acme.actor(), restriction=Restriction(provider=provider))

    done = await world.hub.connect.complete(actor, nonce=visit.nonce, end_user="ada")

    assert done.result == "connected"
