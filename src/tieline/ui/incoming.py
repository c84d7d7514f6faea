"""What comes in from a browser, read within limits; a request that is not from our own pages changes nothing."""

import asyncio
from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request

from tieline.ui.site import Site

LONGEST_BODY = 64 * 1024
LONGEST_QUERY = 16 * 1024
MOST_FIELDS = 100
BODY_DEADLINE = 20.0
"""Seconds."""

_FORM = "application/x-www-form-urlencoded"
_OWN_SITES = frozenset(("same-origin", "none"))


class Refused(Exception):
    """A request that is answered with a page before anything is looked up."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.detail = detail


def require_own_page(request: Request, site: Site) -> None:
    """Raises Refused for a form that another site sent (by Origin, and by Fetch Metadata where browsers have it)."""
    origin = request.headers.get("origin")
    came_from = request.headers.get("sec-fetch-site", "none")
    if (origin is not None and origin.lower() != site.origin) or came_from not in _OWN_SITES:
        detail = f"This form was not sent by the page that belongs to it, at {site.origin}. Nothing was changed."
        raise Refused(403, "This did not come from here", detail)


async def read_form(request: Request) -> dict[str, str]:
    """The fields. Raises Refused for another type, and for what is too long, too many, twice or unreadable."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise Refused(415, "This is not a form", "Go back to the page, and send it from there.")
    try:
        async with asyncio.timeout(BODY_DEADLINE):
            body = await _body(request)
    except TimeoutError:
        raise Refused(408, "This took too long", "The form did not arrive in time. Try again.") from None
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError:
        raise Refused(400, "This form cannot be read", "Go back to the page, and send it from there.") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Refused(400, "This form cannot be read", "It has a field twice. Go back, and send it from there.")
    return fields


def read_query(request: Request) -> Mapping[str, str]:
    """Raises Refused for more than any provider sends."""
    if len(request.scope["query_string"]) > LONGEST_QUERY or len(request.query_params) > MOST_FIELDS:
        raise Refused(414, "This address is too long", "Go back to the application, and connect again from there.")
    return dict(request.query_params)


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_BODY:
            raise Refused(413, "This is too much", "What you entered is too long. Go back, and shorten it.")
    return body
