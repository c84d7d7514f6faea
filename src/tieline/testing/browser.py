"""A browser without a window: it keeps cookies, follows redirects and submits forms, against any server."""

from types import TracebackType
from typing import Self
from urllib.parse import urlencode, urljoin, urlsplit

import httpx2

from tieline.testing.forms import Form
from tieline.testing.page import Page

_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 20
_SITES = ("none", "same-origin", "same-site", "cross-site")


class Browser:
    """One person's browser. Close it, or use it as `async with Browser() as browser:`.

    Scripts, frames and CSP are not there. What servers defend themselves by is: `Origin`, `Referer` by the page's
    referrer policy, and `Sec-Fetch-Site` of a navigation.
    """

    def __init__(self, client: httpx2.AsyncClient | None = None) -> None:
        """A client of one's own may go to an application without a socket (ASGITransport)."""
        self.client = client or httpx2.AsyncClient(timeout=20, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self.client.aclose()

    async def open(self, url: str, *, until: str | None = None) -> Page:
        """Go to an address, as if it were typed. A redirect to an address that starts with `until` is not followed:
        it is the page's `location`."""
        return await self._visit("GET", url, b"", {}, came_from=None, until=until)

    async def follow_until(self, url: str, prefix: str) -> str:
        """The first redirect to an address that starts with `prefix`, not fetched. Raises LookupError."""
        return _led_to(await self.open(url, until=prefix), prefix)

    async def submit(self, form: Form, /, *, until: str | None = None, **values: str | list[str] | None) -> Page:
        """Send a form with these values over what the page filled in. Raises LookupError for a field it has not."""
        pairs = form.filled(values)
        headers = _referrer_headers(form)
        if form.method == "GET":
            url = urlsplit(form.url)._replace(query=urlencode(pairs), fragment="").geturl()
            return await self._visit("GET", url, b"", headers, came_from=form.page_url, until=until)
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        body = urlencode(pairs).encode()
        return await self._visit("POST", form.url, body, headers, came_from=form.page_url, until=until)

    async def submit_until(self, form: Form, prefix: str, /, **values: str | list[str] | None) -> str:
        """As `submit`, then the first redirect to an address that starts with `prefix`, not fetched."""
        return _led_to(await self.submit(form, until=prefix, **values), prefix)

    async def _visit(
        self, method: str, url: str, body: bytes, headers: dict[str, str], *, came_from: str | None, until: str | None
    ) -> Page:
        site = "none"
        for _ in range(_MOST_REDIRECTS):
            site = _farther(site, came_from, url)
            sent = headers | {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
            answer = await self.client.request(method, url, content=body, headers=sent, follow_redirects=False)
            location = answer.headers.get("location") if answer.status_code in _REDIRECTS else None
            target = None if location is None else urljoin(url, location)
            if target is None or (until is not None and target.startswith(until)):
                return _page(url, answer, target)
            if method == "POST" and answer.status_code not in (307, 308):
                method, body = "GET", b""
                headers = {name: value for name, value in headers.items() if name == "Referer"}
            url = target
        raise RuntimeError(
            f"more than {_MOST_REDIRECTS} redirects, the last to {urlsplit(url)._replace(query='').geturl()}"
        )


def _page(url: str, answer: httpx2.Response, target: str | None) -> Page:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Page(url, answer.status_code, answer.text, headers, target)


def _led_to(page: Page, prefix: str) -> str:
    if page.location is None:
        address = urlsplit(page.url)._replace(query="").geturl()
        raise LookupError(f"no redirect to {prefix}: the way ended at {address} with status {page.status}")
    return page.location


def _referrer_headers(form: Form) -> dict[str, str]:
    """Origin (Fetch, "append a request Origin header") and Referer (Referrer Policy, section 8.3) of a submission."""
    origin, same = _origin(form.page_url), _origin(form.page_url) == _origin(form.url)
    policy = form.referrer_policy.split(",")[-1].strip().lower()
    hidden = policy == "no-referrer" or (policy == "same-origin" and not same)
    headers: dict[str, str] = {}
    if form.method == "POST":
        headers["Origin"] = "null" if hidden else origin
    if not hidden:
        whole = same and policy not in ("origin", "strict-origin")
        headers["Referer"] = form.page_url.partition("#")[0] if whole else origin + "/"
    return headers


def _farther(site: str, came_from: str | None, url: str) -> str:
    """Sec-Fetch-Site after one more address: the farthest relation on the way counts (Fetch Metadata, section 2.2)."""
    if came_from is None:
        return "none"
    here, there = urlsplit(came_from), urlsplit(url)
    if _origin(came_from) == _origin(url):
        relation = "same-origin"
    elif (here.scheme, here.hostname) == (there.scheme, there.hostname):
        relation = "same-site"
    else:
        relation = "cross-site"
    return max(site, relation, key=_SITES.index)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
