"""Typed credentials: checked on the page, stored on completion by the right user, or confirmed on a page of ours."""

import pytest

from tieline.connections.pages import Confirm, Ended, Form, Posted, Redirect
from tieline.errors import EndUserMismatch, SessionEnded
from tieline.testing import practice_basic_document

pytestmark = pytest.mark.anyio

GOOD = {"apiKey": "practice-key"}


async def typed(world, visit, values=GOOD, *, browser="b" * 43):
    visit.browser = browser
    visit.page = await world.hub.connect.flow.submit(visit.token, values, method=None, browser=browser)
    return visit.page


async def test_a_wrong_key_is_said_on_the_page_and_nothing_is_stored(world):
    visit = await world.start(await world.register_key())

    page = await typed(world, visit, {"apiKey": "wrong-key-1"})

    assert isinstance(page, Form)
    assert "does not accept" in page.message
    assert [(field.name, field.value) for field in page.fields] == [("apiKey", "")]
    assert (await world.session(visit)).step == "new"
    assert await world.count() == 0


async def test_a_link_is_no_way_to_guess_keys(world):
    provider = await world.register_key()
    visit, other = await world.start(provider), await world.start(provider)
    pages = [await typed(world, visit, {"apiKey": f"wrong-key-{number}"}) for number in range(30)]

    refused = await typed(world, visit)

    assert len(world.practice.calls) == 20
    assert "too often" in pages[-1].message
    assert isinstance(refused, Form)
    assert isinstance(await typed(world, other), Redirect)


async def test_an_empty_form_says_which_field(world):
    visit = await world.start(await world.register_key())

    page = await typed(world, visit, {})

    assert isinstance(page, Form)
    assert page.fields[0].error
    assert world.practice.calls == []


async def test_a_good_key_is_stored_by_the_completion_alone(world):
    visit = await world.start(await world.register_key())

    page = await typed(world, visit)
    between = await world.count()
    done = await world.complete(visit)

    assert isinstance(page, Redirect)
    assert between == 0
    assert (done.result, done.connection.account.email) == ("connected", "ada@practice.example")
    assert (await world.call(done.connection)).status_code == 200


async def test_a_key_that_another_user_completes_is_forgotten(world):
    visit = await world.start(await world.register_key())
    await typed(world, visit)

    with pytest.raises(EndUserMismatch):
        await world.complete(visit, end_user="mallory")

    with pytest.raises(SessionEnded):
        await world.complete(visit)
    assert await world.count() == 0
    assert (await world.session(visit)).sealed is None


async def test_a_user_and_password_work_alike(world):
    provider = (await world.acme.providers.register(practice_basic_document(world.base))).id
    visit = await world.start(provider)

    await typed(world, visit, {"username": "ada@practice.example", "password": "practice-password"})

    assert (await world.call((await world.complete(visit)).connection)).status_code == 200


async def test_what_the_application_gave_cannot_be_changed_by_the_form(world):
    where = {"type": "choice", "label": "Where", "from": "user", "options": [{"value": "v1"}, {"value": "v2"}]}
    provider = await world.register_key(inputs={"where": where}, api={"headers": {"X-Where": "{{ where }}"}})
    visit = await world.start(provider, inputs={"where": "v1"})

    page = await world.hub.connect.flow.open(visit.token)
    await typed(world, visit, GOOD | {"where": "v2"})
    connection = (await world.complete(visit)).connection

    assert [field.name for field in page.fields] == ["apiKey"]
    assert (await world.call(connection, "/echo")).json()["headers"]["x-where"] == "v1"


async def test_without_an_application_the_user_confirms_who_receives_it(world):
    visit = await world.start(await world.register_key(), return_to=None, end_user="ada")

    page = await typed(world, visit)
    between = await world.count()
    done = await world.hub.connect.flow.confirm(page.nonce.reveal(), browser=visit.browser)

    assert isinstance(page, Confirm)
    assert page.subject.end_user == "ada"
    assert between == 0
    assert (done.ok, await world.count()) == (True, 2)
    connection = (await world.acme.connections.list()).items[0]
    assert connection.binding == "confirmedByUser"


async def test_an_oauth_flow_ends_on_the_same_question_before_anything_is_exchanged(world):
    visit = await world.start(await world.register(), return_to=None)
    await world.leave(visit)

    page = await world.come_back(visit)
    before = world.practice.codes_exchanged
    again = [await world.hub.connect.flow.confirm(page.nonce.reveal(), browser=visit.browser) for _ in range(2)]

    assert isinstance(page, Confirm)
    assert (before, world.practice.codes_exchanged) == (0, 1)
    assert [each.ok for each in again] == [True, True]


async def test_the_question_is_answered_by_the_same_browser_only(world):
    visit = await world.start(await world.register(), return_to=None)
    await world.leave(visit)
    nonce = (await world.come_back(visit)).nonce.reveal()

    pages = [await world.hub.connect.flow.confirm(nonce, browser=each) for each in (None, "", "c" * 43)]
    pages += [await world.hub.connect.flow.decline(nonce, browser=each) for each in (None, "c" * 43)]

    assert all(isinstance(page, Ended) and not page.ok for page in pages)
    assert world.practice.codes_exchanged == 0
    assert (await world.hub.connect.flow.confirm(nonce, browser=visit.browser)).ok


async def test_an_applications_nonce_is_not_for_our_page(world):
    visit = await world.visited(await world.register())

    page = await world.hub.connect.flow.confirm(visit.nonce, browser=visit.browser)

    assert isinstance(page, Ended)
    assert not page.ok
    assert world.practice.codes_exchanged == 0


async def test_a_no_forgets_what_the_browser_brought(world):
    visit = await world.start(await world.register(), return_to=None)
    await world.leave(visit)
    nonce = (await world.come_back(visit)).nonce.reveal()

    page = await world.hub.connect.flow.decline(nonce, browser=visit.browser)
    late = await world.hub.connect.flow.confirm(nonce, browser=visit.browser)

    assert isinstance(page, Ended)
    assert (page.ok, late.ok) == (False, False)
    assert world.practice.codes_exchanged == 0
    assert await world.count() == 0


async def test_in_a_frame_the_nonce_goes_to_one_exact_origin(world):
    visit = await world.start(await world.register_key(), return_to=None, embed_origin="https://app.example")

    page = await typed(world, visit)

    assert isinstance(page, Posted)
    assert page.origin == "https://app.example"
    done = await world.acme.connect.complete(nonce=page.nonce.reveal(), end_user="ada")
    assert done.result == "connected"


async def test_typed_secrets_are_sealed_and_never_shown_again(world):
    visit = await world.start(await world.register_key(), return_to=None)
    await typed(world, visit)

    row = await world.session(visit)
    page = await world.hub.connect.flow.open(visit.token, browser=visit.browser)

    assert b"practice-key" not in row.sealed
    assert "practice-key" not in repr(page) + repr(row)
