"""Puts a credential on a call: headers, query, body, cookies, path prefix, basic, by the rules that fit its host."""

import base64
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from tieline.errors import InvalidRequest
from tieline.manifest.model import Apply, Input
from tieline.manifest.origins import host_fits
from tieline.manifest.templates import (
    Missing,
    Unrenderable,
    render_header,
    render_map,
    render_tree,
    render_url,
)
from tieline.protocols.http import HttpRequest

_CLIENT = {"clientId": "client.id", "clientSecret": "client.secret"}


def rules_for(rules: Sequence[Apply], host: str) -> tuple[Apply, ...]:
    """Those that name the host, and those that name none."""
    return tuple(rule for rule in rules if not rule.to or any(host_fits(pattern, host) for pattern in rule.to))


def put(
    request: HttpRequest,
    rules: Sequence[Apply],
    scope: Mapping[str, object],
    *,
    inputs: Mapping[str, Input],
    base_url: str | None,
) -> HttpRequest:
    """The call with the credential on it. Raises templates.Missing: a call never goes out unauthenticated by accident.

    A variable whose input is not required may be missing; then its member is left out.
    """
    optional = {name for name, declared in inputs.items() if not declared.required}
    # Where users bring their own client, these inputs are what `client` is made of.
    optional |= {engine for name, engine in _CLIENT.items() if name in optional}
    for rule in rules_for(rules, urlsplit(request.url).hostname or ""):
        request = _put(request, rule, scope, inputs, optional, base_url)
    return request


def _put(
    request: HttpRequest,
    rule: Apply,
    scope: Mapping[str, object],
    inputs: Mapping[str, Input],
    optional: Collection[str],
    base_url: str | None,
) -> HttpRequest:
    if rule.path is not None:
        request = replace(request, url=_with_prefix(request.url, rule.path, scope, inputs, base_url))
    if rule.query:
        request = replace(request, url=with_query(request.url, render_map(rule.query, scope, optional=optional)))
    for name, template in rule.headers.items():
        if template is not None and (value := _header(template, scope, optional)) is not None:
            request = request.with_header(name, value)
    if rule.basic is not None:
        user = _header(rule.basic.username or "", scope, optional) or ""
        password = _header(rule.basic.password or "", scope, optional) or ""
        request = request.with_header("Authorization", basic(user, password))
    if rule.cookies:
        cookies = {name: _header(alt, scope, optional) for name, alt in rule.cookies.items() if alt is not None}
        own = [f"{name}={_cookie(value)}" for name, value in cookies.items() if value is not None]
        pairs = [request.header("cookie") or "", *own]
        request = request.with_header("Cookie", "; ".join(pair for pair in pairs if pair)) if own else request
    if rule.body is not None:
        request = _with_body(request, render_tree(rule.body, scope, optional=optional))
    return request


def basic(user: str, password: str) -> str:
    """RFC 7617, with UTF-8."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def with_query(url: str, params: Mapping[str, object]) -> str:
    """The URL with these parameters behind its own, encoded here and never decoded again."""
    if not params:
        return url
    address, hash_, fragment = url.partition("#")
    encoded = urlencode([(name, _text(value)) for name, value in params.items()], quote_via=quote)
    return address + ("&" if "?" in address else "?") + encoded + hash_ + fragment


def _with_prefix(
    url: str, template: str, scope: Mapping[str, object], inputs: Mapping[str, Input], base_url: str | None
) -> str:
    base = (base_url or "").rstrip("/")
    if not base or not (url + "/").startswith(base + "/"):
        raise InvalidRequest("This provider puts its key in the path, under the base URL only.")
    return render_url(template, scope, inputs=inputs, base_url=base) + url[len(base) :]


def _cookie(value: str) -> str:
    """RFC 6265, section 4.1.1: what cannot stand in a cookie's value would begin another cookie."""
    if any(letter in value for letter in ';," \\'):
        raise Unrenderable("This credential cannot be sent as a cookie.")
    return value


def _with_body(request: HttpRequest, members: object) -> HttpRequest:
    if not isinstance(members, Mapping):
        raise InvalidRequest("This provider takes its credential as members of the body.")
    kind = (request.header("content-type") or "application/json").partition(";")[0].strip().lower()
    added: Mapping[str, object] = members  # pyright: ignore[reportUnknownVariableType]  # a tree of a document
    if kind == "application/x-www-form-urlencoded":
        try:
            own = parse_qsl(request.body.decode(), keep_blank_values=True)
        except ValueError as error:
            raise InvalidRequest("This provider takes its credential in the body, which must be a form.") from error
        kept = [(name, value) for name, value in own if name not in added]
        pairs = kept + [(name, _text(value)) for name, value in added.items()]
        return replace(request, body=urlencode(pairs, quote_via=quote).encode())
    try:
        own = json.loads(request.body or b"{}")
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("This provider takes its credential in the body, which must be JSON or a form.") from error
    if not isinstance(own, dict):
        raise InvalidRequest("This provider takes its credential in the body, which must be a JSON object.")
    changed = replace(request, body=json.dumps({**own, **added}).encode())
    return changed if request.header("content-type") else changed.with_header("Content-Type", "application/json")


def _header(template: object, scope: Mapping[str, object], optional: Collection[str]) -> str | None:
    if isinstance(template, int | float | bool):
        return _text(template)
    try:
        return render_header(template, scope)  # pyright: ignore[reportArgumentType]  # an Alt
    except Missing as missing:
        if missing.name in optional:
            return None
        raise


def _text(value: object) -> str:
    match value:
        case True:
            return "true"
        case False:
            return "false"
        case _:
            return str(value)
