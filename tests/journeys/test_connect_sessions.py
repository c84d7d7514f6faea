"""Connect sessions that go another way: declined, abandoned, repeated, brought back by somebody else."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from tieline import Reference
from tieline.errors import (
    CodeExpired,
    EndUserMismatch,
    NotConfigured,
    NotConnected,
    NotFound,
    ProviderUnavailable,
    SessionEnded,
    TielineError,
)
from tieline.testing import practice_document

from .places import World

pytestmark = pytest.mark.anyio

ADA = Reference(end_user="ada", provider="practice")


@pytest.fixture
async def provider(world: World) -> str:
    return (await world.configured(practice_document(world.practice_url))).id


async def test_the_same_nonce_gives_the_same_answer_again(world, provider):
    first = await world.connect(provider)

    again = await world.acme.connect.complete(nonce=world.application.nonce, end_user="ada")

    assert again == first
    assert world.practice.codes_exchanged == 1


async def test_completions_at_once_exchange_the_code_once(world, provider):
    await world.visit(await world.start(provider))
    nonce = world.application.nonce

    done = await asyncio.gather(*(world.acme.connect.complete(nonce=nonce, end_user="ada") for _ in range(3)))

    assert len({each.connection.id for each in done}) == 1
    assert world.practice.codes_exchanged == 1


async def test_another_user_burns_the_flow_and_nothing_is_exchanged(world, provider):
    session = await world.start(provider, "ada")
    await world.visit(session)

    with pytest.raises(EndUserMismatch):
        await world.acme.connect.complete(nonce=world.application.nonce, end_user="mallory")
    with pytest.raises(SessionEnded):
        await world.acme.connect.complete(nonce=world.application.nonce, end_user="ada")

    assert world.practice.codes_exchanged == 0
    assert (await world.acme.connections.list()).items == ()
    assert (await world.acme.connect.get(session.session.id)).status == "failed"
    assert "connectSession.burned" in {event.action for event in (await world.acme.audit.list()).items}


async def test_without_an_application_the_user_confirms_who_receives_it(world, provider):
    session = await world.start(provider, return_to=None)

    asked = await world.visit(session)
    exchanged_before = world.practice.codes_exchanged
    ended = await world.browser.submit(asked.form("confirm"))

    assert "ada" in asked.text
    assert exchanged_before == 0
    assert ended.status == 200
    assert "connected" in ended.title.lower()
    assert (await world.acme.connections.get(ADA)).binding == "confirmedByUser"


async def test_a_user_who_does_not_confirm_is_not_connected(world, provider):
    asked = await world.visit(await world.start(provider, return_to=None))

    ended = await world.browser.submit(asked.form("decline"))

    assert ended.status == 200
    assert world.practice.codes_exchanged == 0
    with pytest.raises(NotConnected):
        await world.acme.connections.get(ADA)


async def test_a_user_who_cancels_comes_back_and_the_application_is_told(world, provider):
    session = await world.start(provider, context={"next": "/"})
    page = await world.browser.open(session.url.reveal())

    back = await world.browser.submit(page.form("cancel"))
    done = await world.acme.connect.complete(nonce=world.application.nonce, end_user="ada")

    assert back.title == "The application"
    assert (done.result, done.connection, done.context) == ("cancelled", None, {"next": "/"})
    assert done.restart.provider == provider


async def test_a_user_who_says_no_at_the_provider_comes_back_too(world, provider):
    world.practice.switches.consent = "page"
    session = await world.start(provider)

    consent = await world.visit(session)
    back = await world.browser.submit(consent.form(having="decision"), decision="deny")
    done = await world.acme.connect.complete(nonce=world.application.nonce, end_user="ada")

    assert back.title == "The application"
    assert done.result == "cancelled"
    assert (await world.acme.connect.get(session.session.id)).status == "failed"


async def test_a_session_that_the_application_cancels_connects_nothing(world, provider):
    session = await world.start(provider)

    await world.acme.connect.cancel(session.session.id)
    page = await world.browser.open(session.url.reveal())

    assert page.status in (200, 410)
    assert page.forms == []
    assert (await world.acme.connect.get(session.session.id)).status == "failed"


async def test_opening_the_page_twice_consumes_nothing(world, provider):
    session = await world.start(provider)

    for _ in range(2):
        page = await world.browser.open(session.url.reveal())
        assert page.form("connect")

    assert (await world.acme.connect.get(session.session.id)).status == "open"


async def test_a_session_ends_after_ten_minutes(world, provider):
    session = await world.start(provider)

    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=11)):
        page = await world.browser.open(session.url.reveal())
        seen = await world.acme.connect.get(session.session.id)

    assert seen.status == "expired"
    assert page.forms == []
    assert "expired" in page.text


async def test_waiting_for_a_session_ends_when_the_user_comes_back(world, provider):
    session = await world.start(provider)
    waiting = asyncio.create_task(world.acme.connect.get(session.session.id, wait=20))

    await world.visit(session)

    assert (await waiting).status == "awaitingCompletion"


async def test_a_provider_that_is_down_may_be_asked_again_with_the_same_nonce(world, provider):
    await world.visit(await world.start(provider))
    nonce = world.application.nonce
    world.practice.switches.token_answer = "500"

    with pytest.raises(ProviderUnavailable):
        await world.acme.connect.complete(nonce=nonce, end_user="ada")
    world.practice.switches.token_answer = "json"
    done = await world.acme.connect.complete(nonce=nonce, end_user="ada")

    assert done.result == "connected"


@pytest.mark.parametrize("answer", ["html", "empty_400"])
async def test_a_token_endpoint_that_answers_nonsense_is_told_as_the_providers_fault(world, provider, answer):
    await world.visit(await world.start(provider))
    world.practice.switches.token_answer = answer

    with pytest.raises(TielineError) as caught:
        await world.acme.connect.complete(nonce=world.application.nonce, end_user="ada")

    assert caught.value.code in ("provider-unreadable", "provider-refused", "provider-unavailable")
    assert "<" not in caught.value.detail
    assert (await world.acme.connections.list()).items == ()


async def test_a_code_that_the_provider_no_longer_takes_says_start_again(world, provider):
    await world.visit(await world.start(provider))
    world.practice.ledger.codes.clear()

    with pytest.raises(CodeExpired):
        await world.acme.connect.complete(nonce=world.application.nonce, end_user="ada")
    with pytest.raises(CodeExpired):
        await world.acme.connect.complete(nonce=world.application.nonce, end_user="ada")


async def test_a_page_in_another_browser_takes_no_code(world, provider):
    """The victim's browser comes back with a code of a flow that an attacker started elsewhere."""
    session = await world.start(provider)
    page = await world.browser.open(session.url.reveal())
    callback = await world.browser.submit_until(page.form("connect"), f"{world.url}/oauth/callback/")
    world.browser.client.cookies.clear()

    refused = await world.browser.open(callback)

    assert refused.status >= 400
    assert world.application.caught == []
    assert world.practice.codes_exchanged == 0


async def test_what_cannot_be_started_says_what_to_do(world):
    await world.acme.providers.register(practice_document(world.practice_url))

    with pytest.raises(NotFound):
        await world.start("nobody-knows-this")
    with pytest.raises(NotConfigured, match="PUT /v1/integrations/practice"):
        await world.start("practice")
