"""Who opens the connect page: the newcomer in a browser, or, where there is none, a browser without a window."""

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs, urlsplit

from tieline.cli.browsing import has_browser, open_browser
from tieline.cli.loopback import Loopback
from tieline.demo.telling import Failed, Teller
from tieline.secret import Secret
from tieline.testing import Browser

Visit = Callable[[Secret, Loopback], Awaitable[str]]
"""Opens the session's address, and gives the nonce that the browser came back with."""

_PATIENCE_SECONDS = 540.0


def choose_visit(teller: Teller, *, alone: bool) -> Visit:
    """`alone`: nobody is there to click. So it is, too, without a terminal or a browser."""
    if alone or not has_browser():
        return lambda url, back: _by_itself(teller, url, back)
    return lambda url, back: _by_hand(teller, url, back)


async def _by_itself(teller: Teller, url: Secret, back: Loopback) -> str:
    async with Browser() as browser:
        page = await browser.open(url.reveal())
        teller.say(f"A browser without a window opens the page: {page.title!r}, and goes on to the service.")
        page = await browser.submit(page.form())
        teller.say(f"There: {page.title!r}. Ada says yes.")
        address = await browser.submit_until(page.form(having="decision"), back.url, decision="allow")
    return _nonce_in(address)


async def _by_hand(teller: Teller, url: Secret, back: Loopback) -> str:
    teller.say("A browser opens. Be Ada: go on to the service, and say yes there.")
    if not open_browser(url.reveal()):
        return await _by_itself(teller, url, back)
    teller.say("If none opened, open this address:")
    teller.plain(f"    {url.reveal()}")
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return await asyncio.shield(back.nonce)
    except TimeoutError:
        raise Failed("Nobody came back from the browser. `tieline demo --once` plays Ada by itself.") from None


def _nonce_in(address: str) -> str:
    nonces = parse_qs(urlsplit(address).query).get("tieline_nonce", [])
    if len(nonces) != 1:
        raise Failed("The browser came back without a nonce.")
    return nonces[0]
