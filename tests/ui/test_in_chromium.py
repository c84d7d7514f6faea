"""What only a real browser does: cookies across sites, content security policies, frames, focus, and layout."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from tieline.connections.types import EndUser
from tieline.testing import serve

from .chromium import Chromium, chromium
from .stage import Stage, application, nonce_in

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

USER = EndUser(id="u-7f31", name="Ada Brightwater")


@pytest.fixture
async def browser() -> AsyncIterator[Chromium]:
    async with chromium() as running:
        yield running


async def test_the_whole_way_by_oauth(stage: Stage, browser: Chromium) -> None:
    async with serve(application({})) as app:
        await browser.open(await stage.link(await stage.oauth(), return_to=f"{app}/connected", end_user=USER))

        await browser.click("#connect button")

        address = await browser.run("location.href")
        assert (await stage.complete(nonce_in(address), USER.id)).result == "connected"
        assert (await browser.run("document.referrer"), browser.errors) == ("", [])


async def test_the_whole_way_by_a_key_and_the_interstitial(stage: Stage, browser: Chromium) -> None:
    await browser.open(await stage.link(await stage.key(), end_user=USER))
    await browser.run("document.querySelector('#field-apiKey').value = 'wrong'")
    await browser.click("#connect button")
    focused = await browser.run("document.activeElement.className")
    await browser.run("document.querySelector('#field-apiKey').value = 'practice-key'")
    await browser.click("#connect button")
    await browser.click("#confirm button")

    assert focused == "summary"
    assert await browser.run("document.querySelector('h1').textContent") == "Practice Provider is connected"


async def test_an_answer_by_form_post_from_another_site_comes_with_the_cookie(stage: Stage, browser: Chromium) -> None:
    async with _form_posting(stage) as provider, serve(application({})) as app:
        identifier = await stage.oauth(oauth2={"authUrl": f"{provider}/authorize"})
        await browser.open(await stage.link(identifier, return_to=f"{app}/connected", end_user=USER))
        await browser.click("#connect button")

        await browser.click("button")

        address = await browser.run("location.href")
        assert (await stage.complete(nonce_in(address), USER.id)).result == "connected"


async def test_only_the_sessions_origin_may_frame_its_page_and_gets_the_nonce(stage: Stage, browser: Chromium) -> None:
    provider = await stage.key()
    pages: dict[str, str] = {}
    async with serve(application(pages)) as theirs, serve(application(pages)) as others:
        link = await stage.link(provider, embed_origin=theirs, end_user=USER)
        listener = "<script>addEventListener('message', each => window.got = [each.origin, each.data])</script>"
        pages["/frame"] = f'<title>f</title>{listener}<iframe src="{link}"></iframe>'

        await browser.open(f"{others}/frame")
        await asyncio.sleep(0.3)
        refused = [error for error in browser.errors if "frame-ancestors" in error]
        browser.errors.clear()
        await browser.open(f"{theirs}/frame")
        await _in_frame(browser, "document.querySelector('#field-apiKey').value = 'practice-key'")
        await _in_frame(browser, "document.querySelector('#connect button').click()")
        got = await browser.run(
            "new Promise(done => { const look = () => window.got ? done(window.got) : setTimeout(look, 50); look() })"
        )

    assert refused
    assert (got[0], got[1]["type"]) == (stage.url, "tieline")
    assert (await stage.complete(got[1]["nonce"], USER.id)).result == "connected"


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [320, 900])
async def test_a_page_fits_and_can_be_read(stage: Stage, browser: Chromium, width: int, dark: bool) -> None:
    inputs = {
        "apiKey": {"label": "Key", "secret": True, "help": "Under Settings.", "example": "pk_1"},
        "place": {"label": "Place", "prefix": "https://", "suffix": ".a-rather-long-suffix.example", "required": False},
        "kind": {"type": "choice", "label": "Kind", "options": ["a", "b"]},
    }
    provider = await stage.key(name="Wolfeschlegelsteinhausenbergerdorff & Daughters", inputs=inputs)
    await browser.look(width=width, dark=dark)
    await browser.open(await stage.link(provider, end_user=USER))
    await browser.run("document.querySelector('#connect').noValidate = true")
    await browser.click("#connect button")

    overflow = await browser.run("document.documentElement.scrollWidth - innerWidth")
    faint = await browser.run(_FAINT)

    assert overflow <= 0
    assert faint == []


@asynccontextmanager
async def _form_posting(stage: Stage) -> AsyncIterator[str]:
    """An authorization endpoint at another site, which answers by a form (OAuth 2.0 Form Post Response Mode)."""

    async def authorize(request: Request) -> Response:
        asked = request.query_params
        code = await _code(stage, str(request.url.query))
        inputs = f'<input name="code" value="{code}"><input name="state" value="{asked["state"]}">'
        return HTMLResponse(f'<form method="post" action="{asked["redirect_uri"]}">{inputs}<button>Go</button></form>')

    async with serve(Starlette(routes=[Route("/authorize", authorize)])) as url:
        # Another site than 127.0.0.1, where the pages are.
        yield url.replace("127.0.0.1", "localhost")


async def _code(stage: Stage, query: str) -> str:
    async with httpx2.AsyncClient() as client:
        answer = await client.get(f"{stage.practice_url}/authorize?{query}", follow_redirects=False)
    return httpx2.URL(answer.headers["location"]).params["code"]


async def _in_frame(browser: Chromium, script: str) -> None:
    """Pages of the same process share no window; the frame is run in by its own world."""
    tree = await browser.send("Page.getFrameTree")
    (frame,) = [each["frame"] for each in tree["frameTree"]["childFrames"]]
    assert urlsplit(frame["url"]).path.startswith("/connect/")
    world = await browser.send("Page.createIsolatedWorld", frameId=frame["id"])
    await browser.send("Runtime.evaluate", expression=script, contextId=world["executionContextId"])


_FAINT = """
(() => {
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
  const ground = node => {
    for (; node; node = node.parentElement) {
      const colour = parse(getComputedStyle(node).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const texts = [...document.querySelectorAll('body *')].filter(node =>
    [...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim()));
  return texts.map(node => {
    const [one, other] = [light(parse(getComputedStyle(node).color)), light(ground(node))].sort((a, b) => b - a);
    return [node.textContent.trim().slice(0, 30), (one + 0.05) / (other + 0.05)];
  }).filter(([, contrast]) => contrast < 4.5);
})()
"""
