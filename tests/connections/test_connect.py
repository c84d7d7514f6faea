"""The connect flow: who starts is who completes, a code is exchanged once, and nothing is stored by halves."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
from sqlalchemy import update

from tieline.actor import Restriction
from tieline.connections.pages import Ended, Form
from tieline.connections.tables import connect_sessions
from tieline.errors import (
    CheckFailed,
    CodeExpired,
    EndUserMismatch,
    NotFound,
    ProviderUnavailable,
    ScopesMissing,
    SessionEnded,
)
from tieline.testing import Browser

pytestmark = pytest.mark.anyio

BOTH = pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"], indirect=True)


@BOTH
async def test_a_connected_account_says_who_it_is_and_works(world):
    visit = await world.visited(await world.register(), context={"plan": "pro"})

    done = await world.complete(visit)

    assert (done.result, done.context) == ("connected", {"plan": "pro"})
    assert (done.connection.account.id, done.connection.account.label) == ("person-1", "Ada Brightwater")
    assert (done.connection.status, done.connection.binding) == ("active", "app")
    assert done.connection.scopes.granted == ("profile", "items")
    assert (await world.call(done.connection)).json()["email"] == "ada@practice.example"
    assert await world.actions(target=done.connection.id) == ["connection.created", "connection.called"]


async def test_the_browser_comes_back_with_a_nonce_and_its_own_query(world):
    visit = await world.visited(await world.register())

    address = urlsplit(visit.page.url.reveal())

    assert (address.scheme, address.netloc, address.path) == ("https", "app.example", "/done")
    assert [name for name, _ in parse_qsl(address.query)] == ["from", "tieline_nonce"]
    assert world.practice.codes_exchanged == 0


async def test_opening_the_page_consumes_nothing(world):
    visit = await world.start(await world.register())

    pages = [await world.hub.connect.flow.open(visit.token) for _ in range(3)]

    assert all(isinstance(page, Form) for page in pages)
    assert (await world.session(visit)).step == "new"


async def test_a_state_that_comes_twice_leads_to_the_same_nonce_and_one_exchange(world):
    visit = await world.visited(await world.register())
    first = visit.nonce

    await world.come_back(visit)
    done = await world.complete(visit)

    assert visit.nonce == first
    assert done.result == "connected"
    assert world.practice.codes_exchanged == 1


async def test_a_state_is_over_once_the_session_is_completed(world):
    visit = await world.visited(await world.register())
    await world.complete(visit)

    page = await world.come_back(visit)

    assert isinstance(page, Ended)
    assert world.practice.codes_exchanged == 1


async def test_the_same_nonce_and_user_get_the_same_answer_again(world):
    visit = await world.visited(await world.register())

    answers = [await world.complete(visit) for _ in range(3)]

    assert {(each.result, each.connection.id) for each in answers} == {("connected", answers[0].connection.id)}
    assert world.practice.codes_exchanged == 1


async def test_a_nonce_is_repeatable_for_ten_minutes_only(world):
    visit = await world.visited(await world.register())
    await world.complete(visit)
    past = datetime.now(UTC) - timedelta(minutes=10, seconds=1)
    await world.change(update(connect_sessions).values(expires_at=past))

    with pytest.raises(SessionEnded):
        await world.complete(visit)


@BOTH
async def test_twenty_completions_at_once_exchange_one_code(world):
    visit = await world.visited(await world.register())

    async with world.open_hub() as other:
        acmes = [hub.organization("acme") for hub in (world.hub, other)] * 10
        answers = await asyncio.gather(*(acme.connect.complete(nonce=visit.nonce, end_user="ada") for acme in acmes))

    assert len({each.connection.id for each in answers}) == 1
    assert world.practice.codes_exchanged == 1
    assert await world.count() == 2


async def test_another_user_burns_the_flow_and_nothing_is_exchanged(world):
    visit = await world.visited(await world.register())

    with pytest.raises(EndUserMismatch):
        await world.complete(visit, end_user="mallory")

    with pytest.raises(SessionEnded):
        await world.complete(visit)
    assert world.practice.codes_exchanged == 0
    assert await world.count() == 0
    assert (await world.session(visit)).sealed is None
    assert "connectSession.burned" in await world.actions()


async def test_another_user_cannot_undo_what_is_completed(world):
    visit = await world.visited(await world.register())
    done = await world.complete(visit)

    with pytest.raises(EndUserMismatch):
        await world.complete(visit, end_user="mallory")

    assert (await world.complete(visit)).connection.id == done.connection.id


async def test_another_organization_sees_and_completes_nothing(world):
    visit = await world.visited(await world.register())
    other = world.hub.organization("other")
    session = visit.session.session.id

    with pytest.raises(SessionEnded):
        await other.connect.complete(nonce=visit.nonce, end_user="ada")
    for attempt in (other.connect.get(session), other.connect.cancel(session)):
        with pytest.raises(NotFound):
            await attempt

    assert (await world.complete(visit)).result == "connected"


async def test_a_platform_completes_for_its_customer(world):
    visit = await world.visited(await world.register())

    done = await world.hub.organization("default").connect.complete(nonce=visit.nonce, end_user="ada")

    assert (await world.acme.connections.get(done.connection.id)).id == done.connection.id


async def test_a_key_of_one_user_completes_for_nobody_else(world):
    visit = await world.visited(await world.register())
    actor = replace(await world.acme.actor(), restriction=Restriction(end_user="bo"))

    with pytest.raises(Exception, match="another end user"):
        await world.hub.connect.complete(actor, nonce=visit.nonce, end_user="ada")

    assert (await world.complete(visit)).result == "connected"


async def test_an_expired_session_takes_nothing_any_more(world):
    visit = await world.visited(await world.register())
    await world.change(update(connect_sessions).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))

    with pytest.raises(SessionEnded):
        await world.complete(visit)

    page = await world.hub.connect.flow.open(visit.token)
    assert isinstance(page, Ended)
    assert (await world.acme.connect.get(visit.session.session.id)).status == "expired"
    assert world.practice.codes_exchanged == 0


async def test_a_session_that_the_application_cancelled_connects_nothing(world):
    visit = await world.visited(await world.register())

    await world.acme.connect.cancel(visit.session.session.id)

    with pytest.raises(SessionEnded):
        await world.complete(visit)
    assert world.practice.codes_exchanged == 0
    assert (await world.acme.connect.get(visit.session.session.id)).status == "failed"


async def test_a_session_cancelled_while_it_is_completed_stores_nothing(world):
    visit = await world.visited(await world.register())
    world.practice.switches.slow_seconds = 0.4
    completing = asyncio.create_task(world.complete(visit))
    await world.until(lambda: world.practice.codes_exchanged == 1)

    await world.acme.connect.cancel(visit.session.session.id)

    with pytest.raises(SessionEnded):
        await completing
    assert await world.count() == 0


async def test_a_caller_that_goes_away_does_not_stop_the_completion(world):
    visit = await world.visited(await world.register())
    world.practice.switches.slow_seconds = 0.3
    caller = asyncio.create_task(world.complete(visit))
    await world.until(lambda: world.practice.codes_exchanged == 1)

    caller.cancel()

    assert (await world.complete(visit)).result == "connected"
    assert world.practice.codes_exchanged == 1


async def test_a_user_who_says_no_is_told_as_cancelled(world):
    world.practice.switches.consent = "page"
    visit = await world.start(await world.register())
    page = await world.hub.connect.flow.submit(visit.token, {}, method=None, browser=None)
    async with Browser() as browser:
        consent = await browser.open(page.url.reveal())
        back = urlsplit(await browser.submit_until(consent.form("consent"), world.hub.settings.url, decision="deny"))
    params = dict(parse_qsl(back.query))
    visit.page = await world.hub.connect.flow.callback(
        back.path.rpartition("/")[2], params, browser=page.browser.reveal()
    )

    done = await world.complete(visit)

    assert (done.result, done.connection, done.restart.end_user) == ("cancelled", None, "ada")
    assert await world.count() == 0


async def test_a_user_who_cancels_on_our_page_goes_back_too(world):
    visit = await world.start(await world.register())

    visit.page = await world.hub.connect.flow.cancel(visit.token, browser=None)

    assert (await world.complete(visit)).result == "cancelled"
    assert (await world.acme.connect.get(visit.session.session.id)).reason == "cancelled"


async def test_an_error_of_the_provider_comes_back_as_its_code_not_its_prose(world):
    visit = await world.visited(await world.register(), scopes=["nonsense"])

    done = await world.complete(visit)

    assert (done.result, done.problem.code) == ("failed", "provider-refused")
    assert "invalid_scope" in done.problem.detail
    assert "nonsense" not in done.problem.detail
    assert await world.count() == 0


async def test_a_callback_without_a_code_is_a_failure(world):
    visit = await world.start(await world.register())
    await world.leave(visit)
    visit.callback[1].pop("code")
    await world.come_back(visit)

    assert (await world.complete(visit)).problem.code == "provider-unreadable"


async def test_a_refused_code_is_told_again_and_stores_nothing(world):
    visit = await world.visited(await world.register())
    world.practice.ledger.codes.clear()

    for _ in range(2):
        with pytest.raises(CodeExpired):
            await world.complete(visit)

    assert await world.count() == 0
    assert world.practice.calls.count("POST /token") == 1
    assert (await world.acme.connect.get(visit.session.session.id)).reason == "code-expired"


async def test_a_failed_check_stores_nothing(world):
    visit = await world.visited(await world.register())
    world.practice.switches.api_status = {"/v1/me": 401}

    with pytest.raises(CheckFailed):
        await world.complete(visit)

    assert await world.count() == 0


async def test_a_code_exchanged_before_the_check_failed_in_passing_is_not_lost(world):
    visit = await world.visited(await world.register())
    world.practice.switches.api_status = {"/v1/me": 503}
    with pytest.raises(ProviderUnavailable):
        await world.complete(visit)
    assert await world.count() == 0
    world.practice.switches.api_status = {}

    done = await world.complete(visit)

    assert done.result == "connected"
    assert (await world.call(done.connection)).status_code == 200
    assert world.practice.codes_exchanged == 1


async def test_a_token_endpoint_that_is_down_may_be_tried_again(world):
    visit = await world.visited(await world.register())
    world.practice.switches.token_answer = "500"
    with pytest.raises(ProviderUnavailable):
        await world.complete(visit)
    world.practice.switches.token_answer = "json"

    assert (await world.complete(visit)).result == "connected"


async def test_whoever_waited_for_a_completion_that_failed_in_passing_may_try_again_too(world):
    visit = await world.visited(await world.register())
    world.practice.switches.api_status = {"/v1/me": 503}
    world.practice.switches.slow_seconds = 0.3
    first = asyncio.create_task(world.complete(visit))
    await world.until(lambda: world.practice.codes_exchanged == 1)

    outcomes = await asyncio.gather(first, world.complete(visit), return_exceptions=True)
    world.practice.switches.api_status = {}

    assert [type(each) for each in outcomes] == [ProviderUnavailable, ProviderUnavailable]
    assert (await world.complete(visit)).result == "connected"


async def test_a_code_that_was_exchanged_meanwhile_is_not_exchanged_again(world):
    """Between reading the session and claiming it another process exchanges the code, and fails after that."""
    visit = await world.visited(await world.register())
    stale = await world.session(visit)
    world.practice.switches.api_status = {"/v1/me": 503}
    with pytest.raises(ProviderUnavailable):
        await world.complete(visit)
    world.practice.switches.api_status = {}

    completing = world.hub.connect._completing
    done = await completing.complete(await world.acme.actor(), stale, binding="app")

    assert (done.result, world.practice.codes_exchanged) == ("connected", 1)


async def test_less_than_the_required_scopes_is_said_by_name(world):
    world.practice.switches.granted_scopes = ["items"]
    visit = await world.visited(await world.register())

    with pytest.raises(ScopesMissing) as caught:
        await world.complete(visit)

    assert caught.value.facts["missing"] == ["profile"]
    assert await world.count() == 0


async def test_scopes_that_are_wanted_only_may_be_missing(world):
    world.practice.switches.granted_scopes = ["profile"]

    connection = await world.connected(await world.register())

    assert connection.scopes.missing == ("items",)
    assert connection.status == "active"
