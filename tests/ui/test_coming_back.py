"""The way to the provider and back: whose browser it must be, and that nothing is exchanged on the way."""

import asyncio

import httpx2
import pytest

from tieline.errors import EndUserMismatch

from .stage import RETURN_TO, Stage, nonce_in

pytestmark = pytest.mark.anyio


async def test_a_browser_comes_back_to_the_application_with_a_nonce_and_nothing_was_exchanged(stage: Stage) -> None:
    browser = await stage.browser()
    page = await browser.open(await stage.link(await stage.oauth(), return_to=RETURN_TO))

    back = await browser.submit_until(page.form("connect"), RETURN_TO)

    assert back.startswith(f"{RETURN_TO}&tieline_nonce=")
    assert stage.practice.codes_exchanged == 0
    assert await stage.connections() == []


async def test_another_browser_cannot_bring_the_code(stage: Stage) -> None:
    ours, other = await stage.browser(), await stage.browser()
    page = await ours.open(await stage.link(await stage.oauth(), return_to=RETURN_TO))
    callback = await ours.submit_until(page.form("connect"), f"{stage.url}/oauth/callback/")

    stolen = await other.open(callback, until=RETURN_TO)
    late = await ours.open(callback, until=RETURN_TO)

    assert (stolen.status, stolen.location, stolen.title) == (400, None, "This did not start here")
    assert (late.status, late.location) == (404, None)
    assert stage.practice.codes_exchanged == 0


async def test_after_another_browser_brought_the_code_the_page_can_still_be_gone_on_from(stage: Stage) -> None:
    ours, other = await stage.browser(), await stage.browser()
    page = await ours.open(await stage.link(await stage.oauth(), return_to=RETURN_TO))
    await other.open(await ours.submit_until(page.form("connect"), f"{stage.url}/oauth/callback/"))

    back = await ours.submit_until(page.form("connect"), RETURN_TO)

    assert (await stage.complete(nonce_in(back))).result == "connected"


async def test_a_callback_at_another_clients_address_is_refused(stage: Stage) -> None:
    browser = await stage.browser()
    page = await browser.open(await stage.link(await stage.oauth(), return_to=RETURN_TO))
    callback = await browser.submit_until(page.form("connect"), f"{stage.url}/oauth/callback/")
    address, _, query = callback.partition("?")

    mixed_up = await browser.open(f"{address}x?{query}", until=RETURN_TO)

    assert (mixed_up.status, mixed_up.location) == (400, None)


@pytest.mark.parametrize(("issuer", "status"), [("{base}", 303), ("https://elsewhere.example", 400)])
async def test_an_answer_must_be_of_the_documents_issuer(stage: Stage, issuer: str, status: int) -> None:
    provider = await stage.oauth(oauth2={"issuer": issuer.format(base=stage.practice_url)})
    browser = await stage.browser()
    page = await browser.open(await stage.link(provider, return_to=RETURN_TO))
    callback = await browser.submit_until(page.form("connect"), f"{stage.url}/oauth/callback/")

    answered = await browser.open(callback, until=RETURN_TO)

    assert answered.status == status


async def test_a_code_without_its_state_is_refused(stage: Stage) -> None:
    browser = await stage.browser()
    page = await browser.open(await stage.link(await stage.oauth(), return_to=RETURN_TO))
    callback = await browser.submit_until(page.form("connect"), f"{stage.url}/oauth/callback/")
    state = httpx2.URL(callback).params["state"]

    forged = await browser.open(callback.replace(state, "x" * 43), until=RETURN_TO)
    elsewhere = await browser.open(callback.replace(f"state={state}", f"state=&other={state}"), until=RETURN_TO)

    assert (forged.status, elsewhere.status) == (404, 400)


async def test_whoever_only_looks_at_the_callback_does_not_use_it_up(stage: Stage) -> None:
    browser = await stage.browser()
    page = await browser.open(await stage.link(await stage.oauth(), return_to=RETURN_TO))
    callback = await browser.submit_until(page.form("connect"), f"{stage.url}/oauth/callback/")

    looked = await browser.client.head(callback)

    assert looked.status_code == 405
    assert (await browser.open(callback, until=RETURN_TO)).location is not None


async def test_a_reload_of_the_callback_leads_the_same_way_until_it_is_completed(stage: Stage) -> None:
    browser, other = await stage.browser(), await stage.browser()
    page = await browser.open(await stage.link(await stage.oauth(), return_to=RETURN_TO))
    callback = await browser.submit_until(page.form("connect"), f"{stage.url}/oauth/callback/")
    first = await browser.open(callback, until=RETURN_TO)

    second, strange = await browser.open(callback, until=RETURN_TO), await other.open(callback, until=RETURN_TO)
    done = await stage.complete(nonce_in(second.location or ""))
    third = await browser.open(callback, until=RETURN_TO)

    assert second.location == first.location
    assert strange.location is None
    assert done.result == "connected"
    assert (third.status, third.location, third.title) == (200, None, "This is connected already")
    assert stage.practice.codes_exchanged == 1


async def test_whoever_opens_the_link_later_does_not_get_the_nonce(stage: Stage) -> None:
    browser, other = await stage.browser(), await stage.browser()
    link = await stage.link(await stage.oauth(), return_to=RETURN_TO)
    page, theirs = await browser.open(link), await other.open(link)
    await browser.submit_until(page.form("connect"), RETURN_TO)

    answers = [await other.open(link, until=RETURN_TO)]
    answers += [await other.submit(theirs.form(name), until=RETURN_TO) for name in ("connect", "cancel")]

    assert [(answer.status, answer.location) for answer in answers] == [(410, None)] * 3


async def test_a_reload_after_another_user_came_back_is_a_used_page(stage: Stage) -> None:
    browser = await stage.browser()
    page = await browser.open(await stage.link(await stage.oauth(), return_to=RETURN_TO))
    callback = await browser.submit_until(page.form("connect"), f"{stage.url}/oauth/callback/")
    first = await browser.open(callback, until=RETURN_TO)

    with pytest.raises(EndUserMismatch):
        await stage.complete(nonce_in(first.location or ""), "mallory")
    reloaded = await browser.open(callback, until=RETURN_TO)

    assert (reloaded.status, reloaded.title) == (410, "This link has been used")
    assert stage.practice.codes_exchanged == 0


async def test_a_double_click_does_no_harm(stage: Stage) -> None:
    browser = await stage.browser()
    page = await browser.open(await stage.link(await stage.oauth(), return_to=RETURN_TO))
    form = page.form("connect")

    clicks = await asyncio.gather(*(browser.submit(form, until=stage.practice_url) for _ in range(3)))
    callback = await browser.submit_until(form, f"{stage.url}/oauth/callback/")
    back = await browser.open(callback, until=RETURN_TO)

    assert [click.status for click in clicks] == [303, 303, 303]
    assert (await stage.complete(nonce_in(back.location or ""))).result == "connected"


async def test_cancelling_comes_back_with_a_nonce_that_says_so(stage: Stage) -> None:
    browser = await stage.browser()
    page = await browser.open(await stage.link(await stage.oauth(), return_to=RETURN_TO))

    back = await browser.submit_until(page.form("cancel"), RETURN_TO)
    again = await browser.submit_until(page.form("cancel"), RETURN_TO)

    assert again == back
    assert (await stage.complete(nonce_in(back))).result == "cancelled"


async def test_saying_no_at_the_provider_comes_back_as_cancelled(stage: Stage) -> None:
    stage.practice.switches.consent = "page"
    browser = await stage.browser()
    page = await browser.open(await stage.link(await stage.oauth(), return_to=RETURN_TO))
    consent = await browser.submit(page.form("connect"))

    back = await browser.submit_until(consent.form("consent"), RETURN_TO, decision="deny")

    assert (await stage.complete(nonce_in(back))).result == "cancelled"


async def test_a_providers_prose_stays_out_of_the_result(stage: Stage) -> None:
    browser = await stage.browser()
    page = await browser.open(await stage.link(await stage.oauth(), return_to=RETURN_TO))
    callback = await browser.submit_until(page.form("connect"), f"{stage.url}/oauth/callback/")
    state, prose = httpx2.URL(callback).params["state"], "Call+this+number+now"
    refused = f"{callback.partition('?')[0]}?state={state}&error=server_error&error_description={prose}"

    back = await browser.open(refused, until=RETURN_TO)

    done = await stage.complete(nonce_in(back.location or ""))
    assert (done.result, done.problem.code) == ("failed", "provider-refused")
    assert "(server_error)" in done.problem.detail
    assert "number" not in done.problem.detail


async def test_an_answer_by_form_post_is_turned_into_a_visit_with_the_cookie(stage: Stage) -> None:
    browser = await stage.browser()
    page = await browser.open(await stage.link(await stage.oauth(), return_to=RETURN_TO))
    callback = await browser.submit_until(page.form("connect"), f"{stage.url}/oauth/callback/")
    address, _, query = callback.partition("?")

    async with httpx2.AsyncClient() as without_cookie:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": "null"}
        posted = await without_cookie.post(address, content=query, headers=headers)
    back = await browser.open(f"{stage.url}{posted.headers['location']}", until=RETURN_TO)

    assert posted.status_code == 303
    assert (await stage.complete(nonce_in(back.location or ""))).result == "connected"
