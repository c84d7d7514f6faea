"""Text that strangers wrote (a provider's editor, an application, whoever types) stays text."""

import re

import pytest

from tieline.connections.types import EndUser
from tieline.errors import InvalidRequest
from tieline.testing import Page, practice_key_document
from tieline.ui.headers import page_headers, safe_logo

from .stage import Stage

pytestmark = pytest.mark.anyio

SCRIPT = "<script>alert(1)</script>"
BREAKOUT = "\"'><img src=x onerror=alert(1)>{{ 7*7 }}"


async def test_what_a_document_says_is_inert(stage: Stage) -> None:
    inputs = {
        "apiKey": {"label": SCRIPT, "help": BREAKOUT, "example": SCRIPT, "secret": True},
        "place": {"label": BREAKOUT, "prefix": SCRIPT, "suffix": BREAKOUT, "default": BREAKOUT},
        "kind": {"type": "choice", "options": [{"value": "a", "label": SCRIPT}, {"value": BREAKOUT}]},
        "more": {"type": "text", "default": "</textarea>" + SCRIPT},
    }
    provider = await stage.key(name=SCRIPT, inputs=inputs)

    page = await (await stage.browser()).open(await stage.link(provider))

    _assert_inert(page)
    assert SCRIPT in page.document.text


async def test_what_an_application_says_is_inert(stage: Stage) -> None:
    user = EndUser(id=BREAKOUT, name=SCRIPT)
    browser = await stage.browser()
    page = await browser.open(await stage.link(await stage.key(), end_user=user))

    asked = await browser.submit(page.form("connect"), apiKey="practice-key")

    _assert_inert(page)
    _assert_inert(asked)
    assert SCRIPT in asked.document.text


async def test_what_is_typed_comes_back_as_text(stage: Stage) -> None:
    provider = await stage.key(inputs={"place": {"label": "Place", "pattern": "[a-z]+"}, "more": {"type": "text"}})
    browser = await stage.browser()
    page = await browser.open(await stage.link(provider))

    wrong = await browser.submit(page.form("connect"), place=BREAKOUT, more="</textarea>" + SCRIPT, apiKey="k")

    _assert_inert(wrong)
    assert dict(wrong.form("connect").fields)["place"] == BREAKOUT


async def test_what_stands_in_an_address_is_inert(stage: Stage) -> None:
    browser = await stage.browser()
    link = await stage.link(await stage.key())

    for address in (f"{stage.url}/connect/%22%3E{SCRIPT}", f"{link}?method=%22%3E{SCRIPT}"):
        _assert_inert(await browser.open(address))


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:image/svg+xml,<svg onload=alert(1)>",
        "http://logos.example/a.png",
        "//logos.example/a.png",
        "https://user@logos.example/a.png",
        "https://logos.example/a.png\n",
        " https://logos.example/a.png",
        "https://",
        "https://[::1",
        "",
        None,
    ],
)
def test_a_logo_is_fetched_by_https_or_not_at_all(url: str | None) -> None:
    assert safe_logo(url) is None


async def test_a_logo_is_shown_without_telling_where(stage: Stage) -> None:
    provider = await stage.key(logoUrl="https://logos.example/a.png")

    page = await (await stage.browser()).open(await stage.link(provider))

    (image,) = page.document.all("img")
    assert image.attributes["src"] == "https://logos.example/a.png"
    assert image.attributes["referrerpolicy"] == "no-referrer"
    assert "img-src https:;" in page.headers["content-security-policy"]


@pytest.mark.parametrize(
    "origin", ["https://a.example; script-src *", "https://a.example b.example", "*", "https://*.example", "data:"]
)
def test_only_an_origin_may_frame_a_page(origin: str) -> None:
    policy = page_headers(embed_origin=origin)["Content-Security-Policy"]

    assert policy.endswith("frame-ancestors 'none'")


@pytest.mark.parametrize("origin", ["https://app.example/path", "https://app.example;x", "https://app.example/"])
async def test_a_session_is_embedded_by_an_origin_only(stage: Stage, origin: str) -> None:
    provider = (await stage.acme.providers.register(practice_key_document(stage.practice_url))).id

    with pytest.raises(InvalidRequest):
        await stage.link(provider, embed_origin=origin)


def _assert_inert(page: Page) -> None:
    tags = {each.tag for each in page.document.all("script", "img", "iframe", "svg", "object", "base")}
    handlers = re.findall(r"<[^>]*\son[a-z]+=", re.sub(r'"[^"]*"', '""', page.text))
    assert (tags, handlers) == (set(), [])
    assert "alert(1)</script>" not in page.text
    assert "49" not in re.findall(r"onerror=alert\(1\)&gt;(\S*)", page.text)
