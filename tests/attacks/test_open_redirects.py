"""A browser is sent to the provider, to the application's own address and to ours, and nowhere else."""

from urllib.parse import urlsplit

import httpx2
import pytest

from tieline.errors import InvalidProvider, InvalidRequest
from tieline.testing import practice_document

from .scene import Scene

pytestmark = pytest.mark.anyio

EVIL = "https://evil.example/x"
NAMES = ["returnTo", "return_to", "redirect_uri", "redirect", "next", "url", "error_uri", "RelayState", "continue"]
WISHES = "&".join(f"{name}={EVIL}" for name in NAMES)
HEADERS = {
    "Host": "evil.example",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Prefix": "//evil.example",
    "Forwarded": "host=evil.example;proto=https",
    "X-Original-URL": "//evil.example/",
    "X-Rewrite-URL": "//evil.example/",
    "Referer": "https://evil.example/",
}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def test_nothing_that_a_browser_brings_says_where_it_goes(scene: Scene):
    provider = await scene.register("silent")
    link = await scene.link(provider, "ada")
    callback = await scene.callback(scene.ada, link)
    where, _, query = callback.partition("?")
    state = dict(part.split("=") for part in query.split("&"))["state"]
    ways = [
        ("GET", f"{link}?{WISHES}", ""),
        ("GET", f"{link}?method={EVIL}", ""),
        ("POST", f"{link}?{WISHES}", WISHES),
        ("POST", f"{await scene.link(provider, 'ada')}/cancel?{WISHES}", WISHES),
        ("POST", where, f"{query}&{WISHES}"),
        ("GET", f"{where}?state={state}&error=server_error&error_uri={EVIL}&{WISHES}", ""),
        ("GET", f"{where}?error=access_denied&{WISHES}", ""),
        ("GET", f"{scene.url}/oauth/callback//evil.example/?{query}", ""),
        ("GET", f"{scene.url}/oauth/callback/%2F%2Fevil.example?{query}", ""),
        ("POST", f"{scene.url}/oauth/callback/%5Cevil.example", query),
        ("POST", f"{scene.url}/oauth/callback/x%0D%0ALocation:%20{EVIL}", query),
        ("GET", f"{scene.url}/connect/tlc_nobody?{WISHES}", ""),
        ("GET", f"{scene.url}//evil.example/", ""),
        ("GET", f"{scene.url}/docs/?{WISHES}", ""),
    ]
    ours = {urlsplit(each).netloc for each in (scene.url, scene.practice_url, scene.application.url)}
    cookies = {each.name: each.value or "" for each in scene.ada.client.cookies.jar}

    for method, url, body in ways:
        async with httpx2.AsyncClient(verify=False, trust_env=False, cookies=cookies) as browser:
            answer = await browser.request(method, url, content=body, headers={**FORM, **HEADERS})
        location = httpx2.URL(url).join(answer.headers.get("location", ""))
        seen = {name: value for name, value in answer.headers.items() if name != "location"}
        assert location.netloc.decode() in ours, (method, url, str(location))
        assert "evil.example" not in f"{seen} {answer.text}".replace(location.raw_path.decode(), ""), (method, url)


async def test_no_header_makes_the_addresses_of_a_flow(scene: Scene):
    provider = await scene.register("silent")
    async with httpx2.AsyncClient(verify=False, trust_env=False) as client:
        key = (await scene.hub.api_keys.create(await scene.hub.organization("acme").actor(), name="any")).key
        mine = {"Authorization": f"Bearer {key.reveal()}", **HEADERS}
        body = {"provider": provider, "endUser": "ada", "returnTo": scene.application.return_to}
        made = (await client.post(f"{scene.url}/v1/connect/sessions", json=body, headers=mine)).json()
        left = await client.post(made["url"], content="", headers={**FORM, **HEADERS})

    asked = httpx2.URL(left.headers["location"]).params["redirect_uri"]
    assert made["url"].startswith(f"{scene.url}/connect/")
    assert asked.startswith(f"{scene.url}/oauth/callback/")


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "ftp://a.example", "x"])
async def test_a_document_sends_nobody_to_what_is_no_web_address(scene: Scene, url: str):
    with pytest.raises(InvalidProvider):
        await scene.acme.providers.register(practice_document(scene.practice_url, oauth2={"authUrl": url}))


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "//evil.example", "http://evil.example", "https://a@evil.example"]
)
async def test_an_application_is_not_sent_back_to_what_is_unsafe(scene: Scene, url: str):
    with pytest.raises(InvalidRequest):
        await scene.start(await scene.register("silent"), "ada", return_to=url)


async def test_going_away_tells_the_provider_nothing_of_our_address(scene: Scene):
    """The token of a connect link stands in its address."""
    page = await scene.ada.open(await scene.link(await scene.register("silent"), "ada"))

    left = await scene.ada.submit(page.form("connect"), until=scene.practice_url)

    assert page.headers["referrer-policy"] == "same-origin"
    assert left.headers["referrer-policy"] == "no-referrer"
