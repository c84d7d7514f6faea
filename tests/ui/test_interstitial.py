"""Where no application completes: the page that asks before anything is exchanged, and what comes of the answer."""

import httpx2
import pytest

from tieline.connections.types import EndUser
from tieline.testing import Browser, Page

from .stage import RETURN_TO, Stage, nonce_in

pytestmark = pytest.mark.anyio

USER = EndUser(id="u-7f31", name="Ada Brightwater")


async def test_the_interstitial_names_who_receives_what_before_anything_is_exchanged(stage: Stage) -> None:
    await stage.hub.organizations.put(await stage.acme.actor(), "acme", name="Acme Books")
    asked = await _asked(stage, await stage.browser())

    shown = asked.document.label
    assert asked.status == 200
    assert "Your Practice Provider account will be usable by" in shown
    assert "User Ada Brightwater u-7f31" in shown
    assert "Organization Acme Books" in shown
    assert [form.name for form in asked.forms] == ["confirm", "decline"]
    assert stage.practice.codes_exchanged == 0


async def test_yes_connects_and_says_that_the_user_confirmed_it(stage: Stage) -> None:
    browser = await stage.browser()
    asked = await _asked(stage, browser)

    page = await browser.submit(asked.form("confirm"))
    again = await browser.submit(asked.form("confirm"))

    (connection,) = await stage.connections()
    assert (page.status, page.title, connection.binding) == (200, "Practice Provider is connected", "confirmedByUser")
    assert "Ada Brightwater is connected." in page.document.label
    assert (again.title, stage.practice.codes_exchanged) == (page.title, 1)


async def test_no_forgets_what_the_browser_brought(stage: Stage) -> None:
    browser = await stage.browser()
    asked = await _asked(stage, browser)

    page = await browser.submit(asked.form("decline"))
    late = await browser.submit(asked.form("confirm"))

    assert (page.status, page.title, late.title) == (200, "Not connected", "Not connected")
    assert (stage.practice.codes_exchanged, await stage.connections()) == (0, [])


async def test_another_browser_can_neither_confirm_nor_decline(stage: Stage) -> None:
    browser, other = await stage.browser(), await stage.browser()
    asked = await _asked(stage, browser)

    pages = [await other.submit(asked.form(name)) for name in ("confirm", "decline")]

    assert [page.status for page in pages] == [400, 400]
    assert (await browser.submit(asked.form("confirm"))).title == "Practice Provider is connected"


async def test_a_reload_asks_again_and_the_first_page_still_counts(stage: Stage) -> None:
    browser = await stage.browser()
    page = await browser.open(await stage.link(await stage.oauth(), end_user=USER))
    callback = await browser.submit_until(page.form("connect"), f"{stage.url}/oauth/callback/")
    first, second = await browser.open(callback), await browser.open(callback)

    by_the_back_button = await browser.open(page.url)

    assert first.form("confirm").fields == second.form("confirm").fields == by_the_back_button.form("confirm").fields
    assert (await browser.submit(first.form("confirm"))).title == "Practice Provider is connected"


async def test_a_provider_that_is_down_can_be_tried_again(stage: Stage) -> None:
    browser = await stage.browser()
    asked = await _asked(stage, browser)
    stage.practice.switches.token_answer = "500"

    down = await browser.submit(asked.form("confirm"))
    stage.practice.switches.token_answer = "json"
    page = await browser.submit(down.form("confirm"))

    assert (down.status, down.title.startswith("Who gets")) == (503, True)
    assert page.title == "Practice Provider is connected"


async def test_an_applications_nonce_is_not_for_the_interstitial(stage: Stage) -> None:
    browser = await stage.browser()
    page = await browser.open(await stage.link(await stage.oauth(), return_to=RETURN_TO))
    nonce = nonce_in(await browser.submit_until(page.form("connect"), RETURN_TO))
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": stage.url}

    for path in ("confirm", "decline"):
        answer = await browser.client.post(f"{stage.url}/connect/{path}", content=f"nonce={nonce}", headers=headers)
        assert answer.status_code == 400

    assert (await stage.complete(nonce)).result == "connected"


async def test_in_a_frame_the_nonce_goes_to_one_origin(stage: Stage) -> None:
    browser = await stage.browser()
    link = await stage.link(await stage.key(), embed_origin="https://app.example", end_user=USER)
    page = await browser.open(link)

    posted = await browser.submit(page.form("connect"), apiKey="practice-key")

    script = next(posted.document.all("script"))
    assert '"https://app.example");' in script.text
    assert posted.headers["content-security-policy"].endswith("frame-ancestors https://app.example")
    assert f"script-src 'nonce-{script.attributes['nonce']}'" in posted.headers["content-security-policy"]
    nonce = script.text.partition('"nonce": "')[2].partition('"')[0]
    assert (await stage.complete(nonce, USER.id)).result == "connected"


async def test_a_link_of_nobody_is_answered_the_same(stage: Stage) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with httpx2.AsyncClient() as client:
        for path in ("confirm", "decline"):
            answer = await client.post(f"{stage.url}/connect/{path}", content="nonce=guessed", headers=headers)
            assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")


async def _asked(stage: Stage, browser: Browser) -> Page:
    page = await browser.open(await stage.link(await stage.oauth(), end_user=USER))
    return await browser.submit(page.form("connect"))
