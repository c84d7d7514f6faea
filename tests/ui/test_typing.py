"""Credentials that are typed: checked at once, on the page, and kept only when they are good."""

import asyncio

import pytest
from sqlalchemy import select

from tieline.connections.tables import connect_sessions

from .stage import RETURN_TO, Stage, nonce_in

pytestmark = pytest.mark.anyio


async def test_a_wrong_key_is_said_on_the_page_and_nothing_is_stored(stage: Stage) -> None:
    browser = await stage.browser()
    page = await browser.open(await stage.link(await stage.key(), return_to=RETURN_TO))
    before = await _sealed(stage)

    wrong = await browser.submit(page.form("connect"), apiKey="not-the-key-9f2c")

    assert (wrong.status, wrong.title) == (422, "Error: Connect Practice Provider - My application")
    assert "does not accept this credential" in wrong.document.label
    assert "not-the-key-9f2c" not in wrong.text
    assert (await _sealed(stage), await stage.connections()) == (before, [])


async def test_after_a_wrong_key_the_right_one_connects(stage: Stage) -> None:
    browser = await stage.browser()
    page = await browser.open(await stage.link(await stage.key(), return_to=RETURN_TO))
    wrong = await browser.submit(page.form("connect"), apiKey="wrong")

    back = await browser.submit_until(wrong.form("connect"), RETURN_TO, apiKey="practice-key")

    assert await stage.connections() == []
    assert (await stage.complete(nonce_in(back))).result == "connected"


async def test_an_error_stands_beside_its_field_and_in_a_summary_that_gets_the_focus(stage: Stage) -> None:
    region = {"label": "Region", "pattern": "[a-z]{2}", "patternMessage": "Two letters.", "order": 1}
    provider = await stage.key(inputs={"region": region})
    browser = await stage.browser()
    page = await browser.open(await stage.link(provider, return_to=RETURN_TO))

    wrong = await browser.submit(page.form("connect"), region="Europe", apiKey="")

    summary = next(each for each in wrong.document.all("section") if each.attributes.get("class") == "summary")
    field = next(each for each in wrong.document.all("input") if each.attributes.get("name") == "region")
    notes = {each.attributes.get("id"): each.label for each in wrong.document.all("p")}
    assert "autofocus" in summary.attributes
    assert [(each.label, each.attributes["href"]) for each in summary.all("a")] == [
        ("Region: Two letters.", "#field-region"),
        ("API key is needed.", "#field-apiKey"),
    ]
    assert (field.attributes["value"], field.attributes["aria-invalid"]) == ("Europe", "true")
    assert notes[field.attributes["aria-describedby"].split()[0]] == "Error: Two letters."


async def test_what_the_application_gave_is_neither_asked_nor_overridden(stage: Stage) -> None:
    provider = await stage.key(inputs={"region": {"label": "Region"}, "inside": {"hidden": True, "default": "kept"}})
    link = await stage.link(provider, inputs={"region": "eu"}, return_to=RETURN_TO)
    browser = await stage.browser()
    page = await browser.open(link)
    forged = "apiKey=practice-key&region=us&inside=changed&clientId=x"
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": stage.url}

    posted = await browser.client.post(page.form("connect").url, content=forged, headers=headers)
    done = await stage.complete(nonce_in(posted.headers["location"]))

    explained = await stage.hub.db.read(
        lambda connection: connection.exec_driver_sql("select inputs from connections").scalar()
    )
    assert page.form("connect").names == {"apiKey"}
    assert done.result == "connected"
    assert '"eu"' in explained
    assert "changed" not in explained
    assert "us" not in explained


async def test_a_box_that_is_not_ticked_is_false(stage: Stage) -> None:
    provider = await stage.key(inputs={"live": {"type": "boolean", "label": "Live", "default": True}})
    browser = await stage.browser()
    page = await browser.open(await stage.link(provider, return_to=RETURN_TO))

    back = await browser.submit_until(page.form("connect"), RETURN_TO, apiKey="practice-key", live=None)
    await stage.complete(nonce_in(back))

    inputs = await stage.hub.db.read(
        lambda connection: connection.exec_driver_sql("select inputs from connections").scalar()
    )
    assert inputs == '{"live": false}'


async def test_a_double_click_on_a_good_key_leads_the_same_way(stage: Stage) -> None:
    browser = await stage.browser()
    page = await browser.open(await stage.link(await stage.key(), return_to=RETURN_TO))
    form = page.form("connect")

    clicks = await asyncio.gather(*(browser.submit_until(form, RETURN_TO, apiKey="practice-key") for _ in range(3)))

    assert len(set(clicks)) == 1
    assert (await stage.complete(nonce_in(clicks[0]))).result == "connected"


async def test_a_value_that_makes_no_address_is_said_on_the_page(stage: Stage) -> None:
    provider = await stage.oauth(
        inputs={"shop": {"label": "Shop"}},
        oauth2={"authUrl": "https://{{ shop }}.shops.example/authorize"},
    )
    browser = await stage.browser()
    page = await browser.open(await stage.link(provider, return_to=RETURN_TO))

    wrong = await browser.submit(page.form("connect"), shop="evil.example/", until="https://")

    assert (wrong.status, wrong.location) == (422, None)
    assert "does not make an address" in wrong.document.label


async def test_a_provider_that_is_down_is_said_on_the_page(stage: Stage) -> None:
    stage.practice.switches.api_status = {"*": 503}
    browser = await stage.browser()
    page = await browser.open(await stage.link(await stage.key(), return_to=RETURN_TO))

    down = await browser.submit(page.form("connect"), apiKey="practice-key")

    assert (down.status, await stage.connections()) == (422, [])


async def _sealed(stage: Stage) -> object:
    query = select(connect_sessions.c.sealed, connect_sessions.c.step)
    return await stage.hub.db.read(lambda connection: connection.execute(query).all())
