"""Runs one manifest Request: render, authenticate, send, expect, capture. Everything that Tieline asks a provider by
itself goes through here; only the proxied call does not, since it streams.
"""

import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookies import CookieError, SimpleCookie
from secrets import token_urlsafe
from typing import cast
from urllib.parse import parse_qsl, quote, urlencode

from tieline.egress import Egress
from tieline.errors import ProviderRefused, ProviderUnavailable, ProviderUnreadable, TielineError
from tieline.manifest.model import Apply, Expect, Input, Request
from tieline.manifest.origins import OriginSet
from tieline.manifest.templates import (
    Missing,
    Unrenderable,
    passes,
    render_alt,
    render_header,
    render_map,
    render_tree,
    render_url,
    render_xml,
)
from tieline.manifest.values import mended, read_json, text_of
from tieline.protocols import apply
from tieline.protocols.http import Headers, HttpRequest, HttpResponse

_BUSY = {408, 425, 429}
_DAY = 86_400.0
_WORD = r"(?:[A-Z]?[a-z]+(?:[A-Z][a-z]+)*|[A-Z]+)"
_CODE = re.compile(rf"{_WORD}(?:[_-]{_WORD})*")
"""Words; whatever has digits or letters in any order may be a token."""


@dataclass(frozen=True)
class Setting:
    """What a Request runs in: the values it may read, the rules that put the credential on, and where it may go."""

    values: Mapping[str, object] = field(repr=False)
    inputs: Mapping[str, Input]
    to: OriginSet
    base_url: str | None = None
    rules: Sequence[Apply] = ()


@dataclass(frozen=True)
class Outcome:
    """`problem` is None when the answer is what the document expects; `answer` is what templates may read of it."""

    response: HttpResponse | None
    answer: Mapping[str, object] = field(repr=False)
    captured: Mapping[str, object] = field(repr=False)
    problem: TielineError | None

    def required(self) -> "Outcome":
        """Itself, or raises its problem."""
        if self.problem is not None:
            raise self.problem
        return self


async def run(request: Request, setting: Setting, egress: Egress, *, now: datetime, deadline: float = 20.0) -> Outcome:
    """Sends it once. Never raises for what the provider or the network did: that is the Outcome's problem.

    Raises templates.Missing and templates.Unrenderable when it cannot be built.
    """
    values = {**engine_values(now), **setting.values}
    built = build(request, setting, values)
    try:
        response = await egress.send(built, to=setting.to, deadline=deadline)
    except (ProviderUnavailable, ProviderUnreadable) as problem:
        return Outcome(None, {}, {}, problem)
    answer = _without_echo(read_answer(response), values)
    seen = {**values, **answer}
    try:
        problem = judge(request.expect, response, seen)
        captured = {} if problem else capture(request.capture, seen)
    except Unrenderable:
        unreadable = ProviderUnreadable("The provider's answer is not what its document says.", status=response.status)
        return Outcome(response, answer, {}, unreadable)
    return Outcome(response, answer, captured, problem)


def engine_values(now: datetime) -> dict[str, object]:
    """One `now`, `uuid` and `nonce` per request."""
    return {"now": now, "uuid": str(uuid.uuid4()), "nonce": token_urlsafe(16)}


def build(request: Request, setting: Setting, values: Mapping[str, object]) -> HttpRequest:
    """The call, rendered and authenticated."""
    url = render_url(request.url or "", values, inputs=setting.inputs, base_url=setting.base_url)
    headers = tuple(
        (name, render_header(value, values) if isinstance(value, str | list | tuple) else _text(value))
        for name, value in request.headers.items()
        if value is not None
    )
    if request.query:
        url = apply.with_query(url, render_map(request.query, values))
    call = _with_body(HttpRequest(request.verb, url, headers), request, values)
    return apply.put(call, _rules(request, setting), values, inputs=setting.inputs, base_url=setting.base_url)


def _rules(request: Request, setting: Setting) -> Sequence[Apply]:
    match request.use:
        case "none":
            return ()
        case Apply() as rule:
            return (rule,)
        case _:
            return setting.rules


def _with_body(call: HttpRequest, request: Request, values: Mapping[str, object]) -> HttpRequest:
    if request.body is None or request.format == "none":
        return call
    if request.format == "xml" and isinstance(request.body, str):
        return _typed(call, "application/xml", render_xml(request.body, values).encode())
    body = render_tree(request.body, values)
    match request.format or "json":
        case "form":
            return _typed(call, "application/x-www-form-urlencoded", _form(body).encode())
        case "query":
            return HttpRequest(call.method, apply.with_query(call.url, _members(body)), call.headers)
        case "text" | "xml" as kind:
            return _typed(call, "text/plain" if kind == "text" else "application/xml", str(body).encode())
        case _:
            return _typed(call, "application/json", json.dumps(body).encode())


def _typed(call: HttpRequest, kind: str, body: bytes) -> HttpRequest:
    headers = call.headers if call.header("content-type") else (*call.headers, ("Content-Type", kind))
    return HttpRequest(call.method, call.url, headers, body)


def _form(body: object) -> str:
    pairs = [(name, value) for name, value in _members(body).items() if value is not None]
    return urlencode([(name, _text(value)) for name, value in pairs], quote_via=quote)


def _members(body: object) -> dict[str, object]:
    return cast("dict[str, object]", body) if isinstance(body, dict) else {}


def _text(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case dict() | list():
            return json.dumps(value)
        case _:
            return str(value)


def read_answer(response: HttpResponse) -> dict[str, object]:
    """What templates read of an answer: status, headers (lower case), cookies, body (JSON or form, else null), text."""
    # Some servers begin JSON with a byte order mark, which RFC 8259 lets a reader ignore.
    text = response.body.decode("utf-8-sig", "replace").replace("\0", "\ufffd")
    headers: dict[str, object] = {}
    for name, value in response.headers:
        headers.setdefault(name.lower(), value)
    return {
        "status": response.status,
        "headers": headers,
        "cookies": _cookies(response),
        "body": _body(response, text),
        "text": text,
    }


def _without_echo(answer: dict[str, object], values: Mapping[str, object]) -> dict[str, object]:
    """A provider, which may be anybody's, does not get us to say as an error what it was sent."""
    body = _members(answer["body"])
    return {**answer, "body": {**body, "error": "other"}} if body.get("error") in [*_texts(values)] else answer


def _body(response: HttpResponse, text: str) -> object:
    kind = (response.header("content-type") or "").partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return mended(dict(parse_qsl(text, keep_blank_values=True)))
    try:
        return read_json(text) if text else None
    except (ValueError, RecursionError):
        # Some token endpoints answer a form and call it text (RFC 6749 says JSON).
        return mended(dict(parse_qsl(text))) if kind == "text/plain" and text.startswith("access_token=") else None


def _cookies(response: HttpResponse) -> dict[str, str]:
    jar: dict[str, str] = {}
    for name, value in response.headers:
        if name.lower() == "set-cookie":
            try:
                jar.update({key: morsel.value for key, morsel in SimpleCookie(value).items()})
            except CookieError:
                continue
    return jar


def judge(expect: Expect, response: HttpResponse, seen: Mapping[str, object]) -> TielineError | None:
    """Whether the answer is what the document expects; the problem never carries the provider's prose."""
    busy = response.status >= 500 or response.status in _BUSY
    if busy and not _listed(expect.status, response.status):
        return ProviderUnavailable(
            "The provider is busy or failing. Try again later.",
            retry_after=retry_after(response.headers, now=seen.get("now")),
            status=response.status,
        )
    ok = _listed(expect.status, response.status) if expect.status else 200 <= response.status < 300
    failed = any(passes(test, seen) for test in expect.fail_if) or not all(
        passes(test, seen) for test in expect.require
    )
    if ok and not failed:
        return None
    return ProviderRefused(
        "The provider refused the request.", status=response.status, error=error_code(seen.get("body"))
    )


def error_code(body: object) -> str | None:
    """The `error` member (RFC 6749, section 5.2), when it is a code and not prose; "other" for what could be a key."""
    error = _members(body).get("error")
    if isinstance(error, str) and 0 < len(error) <= 64 and error.replace("_", "").replace("-", "").isalnum():
        return error if _CODE.fullmatch(error) else "other"
    return None


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        whole = cast("Mapping[str, object] | Sequence[object]", value)
        for each in whole.values() if isinstance(whole, Mapping) else whole:
            yield from _texts(each)


def retry_after(headers: Headers, *, now: object) -> float | None:
    """Seconds, from the Retry-After header (RFC 9110, section 10.2.3), or None."""
    value = next((value for name, value in headers if name.lower() == "retry-after"), "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), _DAY)
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
    if not isinstance(now, datetime):
        return None
    # The obsolete form of asctime has no zone and means UTC (RFC 9110, section 5.6.7).
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(0.0, (aware - now).total_seconds()), _DAY)


def capture(targets: Mapping[str, object], seen: Mapping[str, object]) -> dict[str, object]:
    """The values of the targets that the answer has; the others are left out."""
    captured: dict[str, object] = {}
    for target, alt in targets.items():
        if not isinstance(alt, str | list | tuple):
            captured[target] = alt
            continue
        try:
            value = render_alt(alt, seen)  # pyright: ignore[reportUnknownArgumentType]  # an Alt
        except Missing:
            continue
        captured[target] = text_of(value) if isinstance(value, bytes | datetime) else value
    return captured


def _listed(statuses: Sequence[int | str], status: int) -> bool:
    for wanted in statuses:
        match str(wanted).partition("-"):
            case (text, "", _) if text.endswith("xx"):
                if status // 100 == int(text[0]):
                    return True
            case (text, "", _):
                if status == int(text):
                    return True
            case (low, _, high):
                if int(low) <= status <= int(high):
                    return True
    return False
