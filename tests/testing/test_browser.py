"""The browser without a window, against a small site that shows what it was sent."""

from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tieline.testing import Browser, Page, serve

pytestmark = pytest.mark.anyio

PAGE = """<title>Forms &amp; links</title><a href="/there">Go <b>there</b></a>
<form id=all method=post action="sent?x=1">
 <input name=text value="a&amp;b"><input type=hidden name=token value=t>
 <input type=checkbox name=off value=1><input type=checkbox name=on checked>
 <input type=radio name=pick value=1><input type=radio name=pick value=2 checked>
 <input name=gone disabled value=x>
 <select name=one><option value=a>A<option value=b selected>B</select>
 <select name=first><option value=a>A</option><option value=b>B</option></select>
 <select name=plain><option>Some  label<option>B</select><textarea name=long>
Some text</textarea>
 <button name=do value=save>Save</button><button name=do value=drop>Drop</button>
</form>
<form name=search action=/sent?old=1><input name=q></form>"""


async def page(request: Request) -> Response:
    policy = request.query_params.get("policy")
    return HTMLResponse(PAGE, headers={"Referrer-Policy": policy} if policy else {})


async def sent(request: Request) -> Response:
    shown = ("origin", "referer", "sec-fetch-site", "cookie")
    return JSONResponse(
        {
            "method": request.method,
            "query": request.url.query,
            "form": (await request.body()).decode(),
            "headers": {name: request.headers.get(name) for name in shown},
        }
    )


async def go(request: Request) -> Response:
    answer = RedirectResponse(request.query_params["to"], status_code=int(request.query_params.get("code", "302")))
    answer.set_cookie("seen", "yes")
    return answer


async def loop(request: Request) -> Response:
    return RedirectResponse("/loop")


@pytest.fixture
async def site() -> AsyncIterator[str]:
    routes = [
        Route("/", page),
        Route("/loop", loop),
        Route("/sent", sent, methods=["GET", "POST"]),
        Route("/go", go, methods=["GET", "POST"]),
    ]
    async with serve(Starlette(routes=routes)) as url:
        yield url


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with Browser() as browser:
        yield browser


def form_page(html: str) -> Page:
    return Page("http://site.example/path", 200, html, {})


async def test_a_form_sends_what_the_page_filled_in(site: str, browser: Browser):
    page = await browser.open(site)

    answer = await browser.submit(page.form("all"))

    assert page.title == "Forms & links"
    assert page.links == {"Go there": f"{site}/there"}
    assert '"query":"x=1"' in answer.text
    assert "text=a%26b&token=t&on=on&pick=2&one=b&first=a&plain=Some+label&long=Some+text&do=save" in answer.text


async def test_given_values_replace_what_the_page_filled_in(site: str, browser: Browser):
    form = (await browser.open(site)).form(having="token")

    answer = await browser.submit(form, text=["1", "2"], pick="1", on=None, off="1", do="drop")

    assert "token=t&one=b&first=a&plain=Some+label&long=Some+text&text=1&text=2&pick=1&off=1&do=drop" in answer.text


async def test_a_get_form_replaces_the_query(site: str, browser: Browser):
    answer = await browser.submit((await browser.open(site)).form("search"), q="é")

    assert answer.url == f"{site}/sent?q=%C3%A9"


async def test_a_field_that_is_not_there_is_an_error(site: str, browser: Browser):
    page = await browser.open(site)

    with pytest.raises(LookupError, match="no field wrong"):
        await browser.submit(page.form("search"), wrong="1")
    with pytest.raises(LookupError, match="no such form"):
        page.form("wrong")


async def test_redirects_are_followed_with_cookies_up_to_the_address_to_stop_at(site: str, browser: Browser):
    callback = "http://app.example/callback?code=1"

    through = await browser.open(f"{site}/go?to=/sent")
    location = await browser.follow_until(f"{site}/go?to=/go%3Fto={callback}", "http://app.example/callback")

    assert '"cookie":"seen=yes"' in through.text
    assert location == callback
    with pytest.raises(LookupError, match="no redirect to"):
        await browser.follow_until(f"{site}/go?to=/sent", "http://app.example/")


async def test_endless_redirects_end(site: str, browser: Browser):
    with pytest.raises(RuntimeError, match="more than 20 redirects"):
        await browser.open(f"{site}/loop")


@pytest.mark.parametrize(("code", "method"), [(302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")])
async def test_a_submission_becomes_a_get_behind_a_redirect_unless_told(
    site: str, browser: Browser, code: int, method: str
):
    await browser.open(site)
    form = form_page(f"<form method=post action='{site}/go?to=/sent&code={code}'><input name=a value=1></form>").form()

    answer = await browser.submit(form)

    assert f'"method":"{method}"' in answer.text
    assert (f'"form":"{"a=1" if method == "POST" else ""}"') in answer.text


@pytest.mark.parametrize(
    ("policy", "origin", "referer"), [("", True, True), ("no-referrer", False, False), ("strict-origin", True, True)]
)
async def test_a_submission_tells_where_it_comes_from_as_the_policy_allows(
    site: str, browser: Browser, policy: str, origin: bool, referer: bool
):
    page = await browser.open(f"{site}/?policy={policy}")

    text = (await browser.submit(page.form("all"))).text

    assert f'"origin":"{site if origin else "null"}"' in text
    assert ('"referer":null' not in text) == referer


async def test_the_site_of_a_navigation_is_told(site: str, browser: Browser):
    other = form_page(f"<form method=post action='{site}/sent'></form>").form()

    typed = await browser.open(f"{site}/sent")
    same = await browser.submit((await browser.open(site)).form("all"))
    cross = await browser.submit(other)

    assert '"sec-fetch-site":"none"' in typed.text
    assert '"sec-fetch-site":"same-origin"' in same.text
    assert '"sec-fetch-site":"cross-site"' in cross.text
