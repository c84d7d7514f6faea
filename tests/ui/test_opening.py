"""The page of a connect session: what it shows, and that looking at it changes nothing."""

from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from sqlalchemy import select, update

from tieline.connections.tables import connect_sessions
from tieline.connections.types import EndUser
from tieline.integrations.integrations import ClientSettings
from tieline.testing import practice_document, practice_key_document

from .stage import RETURN_TO, Stage, nonce_in

pytestmark = pytest.mark.anyio


async def test_opening_the_page_consumes_nothing(stage: Stage) -> None:
    link = await stage.link(await stage.oauth(), return_to=RETURN_TO)
    async with httpx2.AsyncClient() as preview:
        for _ in range(10):
            assert (await preview.get(link)).status_code == 200
            assert (await preview.head(link)).status_code == 200
    browser = await stage.browser()

    page = await browser.open(link)
    back = await browser.submit_until(page.form("connect"), RETURN_TO)

    assert (await stage.complete(nonce_in(back))).result == "connected"


async def test_the_page_says_who_connects_what_for_whom(stage: Stage) -> None:
    user = EndUser(id="u-1", name="Ada Brightwater")
    link = await stage.link(await stage.oauth(), end_user=user, return_to=RETURN_TO)

    page = await (await stage.browser()).open(link)

    shown = page.document.label
    assert page.title == "Connect Practice Provider - My application"
    assert "My application asks to use your Practice Provider account for Ada Brightwater in acme." in shown
    assert "Read your name and your e-mail address." in shown
    assert [button.label for button in page.document.all("button")] == ["Continue to Practice Provider", "Cancel"]
    assert [form.name for form in page.forms] == ["connect", "cancel"]


async def test_every_input_has_a_label_and_its_notes_are_tied_to_it(stage: Stage) -> None:
    key = {"label": "Key", "secret": True, "help": "Under Settings.", "example": "pk_1"}
    provider = await stage.key(inputs={"apiKey": key})

    page = await (await stage.browser()).open(await stage.link(provider))

    (field,) = [each for each in page.document.all("input") if each.attributes.get("name") == "apiKey"]
    texts = {each.attributes["id"]: each.label for each in page.document.all("p") if "id" in each.attributes}
    assert [each.label for each in page.document.all("label")] == ["Key"]
    assert next(page.document.all("label")).attributes["for"] == field.attributes["id"]
    assert [texts[name] for name in field.attributes["aria-describedby"].split()] == [
        "Under Settings.",
        "For example pk_1",
    ]
    assert (field.attributes["type"], field.attributes["autocomplete"]) == ("password", "off")


async def test_an_unknown_link_is_a_page(stage: Stage) -> None:
    page = await (await stage.browser()).open(f"{stage.url}/connect/tlc_nobody-has-this-one")

    assert (page.status, page.title) == (404, "This link is not valid")
    assert page.headers["content-type"] == "text/html; charset=utf-8"


async def test_an_expired_link_is_a_page_and_starts_nothing(stage: Stage) -> None:
    link = await stage.link(await stage.oauth(), return_to=RETURN_TO)
    browser = await stage.browser()
    page = await browser.open(link)
    await _expire(stage)

    reloaded, submitted = await browser.open(link), await browser.submit(page.form("connect"), until=RETURN_TO)

    assert (reloaded.status, reloaded.title) == (410, "This link has expired")
    assert (submitted.status, submitted.location) == (410, None)


async def test_a_user_chooses_among_methods_and_may_change_his_mind_at_the_provider(stage: Stage) -> None:
    link = await stage.link(await _two_methods(stage), return_to=RETURN_TO)
    browser = await stage.browser()
    choice = await browser.open(link)
    sign_in = await browser.open(choice.links["Sign in"])
    await browser.submit_until(sign_in.form("connect"), stage.practice_url)

    again = await browser.open(link)
    by_key = await browser.open(again.links["API key"])
    back = await browser.submit_until(by_key.form("connect"), RETURN_TO, apiKey="practice-key")

    done = await stage.complete(nonce_in(back))
    assert (done.result, done.connection.auth_method) == ("connected", "key")


async def test_a_method_that_the_application_fixed_cannot_be_left(stage: Stage) -> None:
    link = await stage.link(await _two_methods(stage), auth_method="oauth", return_to=RETURN_TO)

    page = await (await stage.browser()).open(f"{link}?method=key")

    assert page.form("connect").names == frozenset()


async def test_a_user_chooses_a_variant(stage: Stage) -> None:
    link = await stage.link(await _regions(stage), return_to=RETURN_TO)
    browser = await stage.browser()
    page = await browser.open(link)

    unchosen = await browser.submit(page.form("connect"))
    back = await browser.submit_until(unchosen.form("connect"), RETURN_TO, variant="us")

    assert (unchosen.status, "Choose one." in unchosen.document.label) == (422, True)
    assert (await stage.complete(nonce_in(back))).connection.variant == "us"


async def test_a_variant_that_the_application_fixed_is_not_asked(stage: Stage) -> None:
    link = await stage.link(await _regions(stage), variant="eu", return_to=RETURN_TO)

    page = await (await stage.browser()).open(link)

    assert page.form("connect").names == frozenset()


async def test_one_client_of_one_variant_is_enough(stage: Stage) -> None:
    document = _regional(stage)
    provider = (await stage.acme.providers.register(document)).id
    client = ClientSettings(stage.practice.client_id, stage.practice.client_secret)
    await stage.acme.integrations.put(provider, clients={"default/us": client})
    browser = await stage.browser()

    page = await browser.open(await stage.link(provider, return_to=RETURN_TO))
    back = await browser.submit_until(page.form("connect"), RETURN_TO)

    assert (await stage.complete(nonce_in(back))).connection.variant == "us"


async def test_a_user_who_brings_his_client_sees_the_redirect_uri_to_register(stage: Stage) -> None:
    document = practice_document(stage.practice_url, oauth2={"clientFrom": "user"})
    provider = (await stage.acme.providers.register(document)).id
    browser = await stage.browser()
    page = await browser.open(await stage.link(provider, return_to=RETURN_TO))
    client = {"clientId": stage.practice.client_id, "clientSecret": stage.practice.client_secret}
    shown = next(each.label for each in page.document.all("code"))
    stage.practice.redirect_uris = frozenset({shown})

    back = await browser.submit_until(page.form("connect"), RETURN_TO, **client)

    assert (await stage.complete(nonce_in(back))).result == "connected"


async def test_what_became_unconnectable_meanwhile_is_said(stage: Stage) -> None:
    provider = await stage.oauth()
    link = await stage.link(provider, return_to=RETURN_TO)
    await stage.acme.integrations.put(provider, enabled=False)

    page = await (await stage.browser()).open(link)

    assert (page.status, page.title) == (400, "This cannot be connected now")


async def _two_methods(stage: Stage) -> str:
    oauth, key = practice_document(stage.practice_url), practice_key_document(stage.practice_url)
    return await stage.configured(
        {
            "id": "two-ways",
            "name": "Two Ways",
            "api": oauth["api"],
            "auth": {
                "oauth": {"type": "oauth2", "label": "Sign in", "oauth2": oauth["oauth2"], "check": oauth["check"]},
                "key": {"type": "api_key", "label": "API key", "apiKey": key["apiKey"], "check": key["check"]},
            },
        }
    )


def _regional(stage: Stage) -> dict[str, object]:
    return practice_document(
        stage.practice_url,
        variantChosenBy="user",
        variants=[{"id": "eu", "label": "Europe", "set": {"dc": "eu"}}, {"id": "us", "set": {"dc": "us"}}],
        inputs={"dc": {"from": "flow"}},
        oauth2={"authUrl": f"{stage.practice_url}/authorize?dc={{{{ dc }}}}"},
    )


async def _regions(stage: Stage) -> str:
    return await stage.configured(_regional(stage))


async def _expire(stage: Stage) -> None:
    past = update(connect_sessions).values(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    await stage.hub.db.write(lambda connection: connection.execute(past))
    steps = await stage.hub.db.read(
        lambda connection: connection.execute(select(connect_sessions.c.step)).scalars().all()
    )
    assert steps == ["new"]
