"""The way back from the provider: from which browser, at which address and of whom a code is taken."""

import pytest

from tieline.connections.pages import Ended, Redirect

pytestmark = pytest.mark.anyio


async def test_an_unknown_state_is_a_page_and_takes_nothing(world):
    visit = await world.start(await world.register())
    await world.leave(visit)
    row, params = visit.callback

    page = await world.hub.connect.flow.callback(row, params | {"state": "guessed"}, browser=visit.browser)

    assert isinstance(page, Ended)
    assert (await world.session(visit)).step == "started"


@pytest.mark.parametrize("browser", [None, "", "x" * 43])
async def test_another_browser_cannot_bring_the_code(world, browser):
    visit = await world.start(await world.register())
    await world.leave(visit)
    row, params = visit.callback

    page = await world.hub.connect.flow.callback(row, params, browser=browser)

    assert (page.ok, page.code) == (False, "state-mismatch")
    assert "connectSession.astray" in await world.actions()


async def test_a_state_that_another_browser_has_brought_is_over_and_the_page_goes_on(world):
    visit = await world.start(await world.register())
    await world.leave(visit)
    await world.hub.connect.flow.callback(*visit.callback, browser="x" * 43)

    late = await world.come_back(visit)
    await world.leave(visit)

    assert (late.ok, late.code) == (False, "not-found")
    assert isinstance(await world.come_back(visit), Redirect)
    assert (await world.complete(visit)).result == "connected"


async def test_of_two_browsers_with_one_link_the_last_to_leave_comes_back(world):
    provider = await world.register()
    first = await world.start(provider)
    second = type(first)(first.session)
    await world.leave(first)
    await world.leave(second)

    early, late = await world.come_back(first), await world.come_back(second)

    assert isinstance(early, Ended)
    assert isinstance(late, Redirect)
    assert (await world.complete(second)).result == "connected"


async def test_a_code_that_comes_to_another_clients_address_is_refused(world):
    visit = await world.start(await world.register())
    other = await world.register(id="other")
    address = (await world.acme.integrations.get(other)).redirect_uri
    await world.leave(visit)

    page = await world.hub.connect.flow.callback(address.rpartition("/")[2], visit.callback[1], browser=visit.browser)

    assert isinstance(page, Ended)
    assert isinstance(await world.come_back(visit), Ended)
    assert world.practice.codes_exchanged == 0


async def test_an_answer_of_another_issuer_is_refused(world):
    visit = await world.start(await world.register(oauth2={"issuer": world.base}))
    await world.leave(visit)
    row, params = visit.callback

    page = await world.hub.connect.flow.callback(
        row, params | {"iss": "https://elsewhere.example"}, browser=visit.browser
    )

    assert isinstance(page, Ended)
    assert isinstance(await world.come_back(visit), Ended)
    assert world.practice.codes_exchanged == 0


@pytest.mark.parametrize(("required", "page_kind"), [(True, Ended), (False, Redirect)])
async def test_an_answer_without_an_issuer_is_refused_where_the_provider_always_names_it(world, required, page_kind):
    callback = {"requireIssuer": required}
    visit = await world.start(await world.register(oauth2={"issuer": world.base, "callback": callback}))
    await world.leave(visit)
    visit.callback[1].pop("iss")

    assert isinstance(await world.come_back(visit), page_kind)
