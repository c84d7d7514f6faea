"""Expand: every shorthand of a merged document spelled out, which gives the normal form.

Idempotent: expanding a normal form changes nothing. A null in the author's notation means that the default which would
stand there is not wanted.
"""

import re
from collections.abc import Mapping
from typing import Any, cast

from tieline.manifest.merging import Json, as_object, merge, without_nulls
from tieline.manifest.variables import declared_names, open_names

_BEARER: Json = {"headers": {"Authorization": "Bearer {{ credential.accessToken }}"}}
_LABELS = {
    "oauth2": "oauth2",
    "oauth1": "oauth1",
    "app": "app",
    "apiKey": "api_key",
    "basic": "basic",
    "steps": "session",
    "apply": "signature",
}
_CREDENTIALS = {"username": {"label": "Username"}, "password": {"label": "Password", "secret": True}}
_PLACES = {"header": "headers", "query": "query", "body": "body", "cookie": "cookies"}
_ORIGIN = re.compile(r"\s*(https?://(?:\{\{.*?\}\}|[^/?#{])+|\{\{[^}]*\}\})")


def expand(merged: Mapping[str, Any]) -> Json:
    """The normal form of a merged document; what does not have the right shape is passed through for the model."""
    always = {"manifest": "1", "version": "1.0.0"}
    document = merge(always, {key: value for key, value in merged.items() if key not in always or value is not None})
    for key in ("extends", "params"):
        document.pop(key, None)
    methods = as_object(document.get("auth"))
    test_urls = [as_object(as_object(method).get("apiKey")).get("testEndpoint") for method in methods.values()]
    for name, method in methods.items():
        if isinstance(method, dict):
            methods[name] = _method(cast(Json, method))
    if isinstance(document.get("webhooks"), dict):
        document["webhooks"] = _webhooks(document["webhooks"])
    document = cast(Json, without_nulls(document))
    if not document.get("auth", True):
        del document["auth"]
    _give_base_url(document, test_urls)
    _declare_webhook_settings(document)
    return document


def _method(method: Json) -> Json:
    if method.get("type") is None:
        method["type"] = next((label for key, label in _LABELS.items() if method.get(key)), "none")
    kind = method["type"]
    api_key = method.pop("apiKey", None)
    basic = method.pop("basic", None)
    default: Json = {}
    if kind in ("oauth2", "session", "app"):
        default = _BEARER
    elif kind == "basic" or basic is not None:
        default = _basic(method, as_object(basic))
    if api_key is not None:
        default = _api_key(method, as_object(api_key))
    _put_apply(method, default)
    if as_object(method.get("oauth2")).get("grant") == "client_credentials":
        method["oauth2"].setdefault("clientFrom", "user")
    return method


def _put_apply(method: Json, default: Json) -> None:
    given = method.get("apply", {})
    if given is None:
        method["apply"] = []
    elif isinstance(given, dict):
        rule = merge(default, cast(Json, given))
        if None in rule.values():  # a list is never merged again, so what was removed stays removed
            method["apply"] = [rule]
        elif rule:
            method["apply"] = rule


def _basic(method: Json, basic: Json) -> Json:
    pair = {part: basic.get(part) or f"{{{{ {part} }}}}" for part in _CREDENTIALS}
    used = {name for text in pair.values() if isinstance(text, str) for name in open_names(text)}
    _declare(method, {name: dict(given) for name, given in _CREDENTIALS.items() if name in used})
    return {"basic": pair}


def _api_key(method: Json, api_key: Json) -> Json:
    name = str(api_key.get("input") or "apiKey")
    _declare(method, {name: {"type": "string", "secret": True, "label": "API key"}})
    _put_check(method, api_key)
    place, prefix = api_key.get("location") or "header", str(api_key.get("keyPrefix") or "")
    key = f"{{{{ {name} }}}}"
    if place == "path":
        return {"path": f"/{prefix.lstrip('/')}{key}"}
    if place != "cookie" and re.search(r"[A-Za-z0-9]$", prefix):
        prefix += " "
    return {_PLACES.get(str(place), "headers"): {str(api_key.get("keyName") or "Authorization"): prefix + key}}


def _put_check(method: Json, api_key: Json) -> None:
    url = api_key.get("testEndpoint")
    if url is None or method.get("check", {}) is None:
        return
    verb = api_key.get("testMethod") or "GET"
    request = {"method": verb, "url": url, "expect": {"status": api_key.get("testExpectedStatus") or [200]}}
    method["check"] = merge({"requests": [request]}, as_object(method.get("check")))


def _declare(method: Json, inputs: Json) -> None:
    given = as_object(method.get("inputs"))
    removed = {name for name, declared in given.items() if declared is None}
    method["inputs"] = merge({name: each for name, each in inputs.items() if name not in removed}, given)


def _give_base_url(document: Json, test_urls: list[Any]) -> None:
    """Without `api.baseUrl`: an input of that name and of type url, or where the test call goes."""
    api = as_object(document.get("api"))
    if "baseUrl" in api:
        return
    bases = [match[1] for url in test_urls if isinstance(url, str) and (match := _ORIGIN.match(url))]
    places = [document, *as_object(document.get("auth")).values()]
    declared = [as_object(as_object(place).get("inputs")).get("baseUrl") for place in places]
    if any(as_object(each).get("type") == "url" for each in declared):
        bases.insert(0, "{{ baseUrl }}")
    if bases:
        document["api"] = {**api, "baseUrl": bases[0]}


def _webhooks(webhooks: Json) -> Json:
    header, algorithm = webhooks.pop("signatureHeader", None), webhooks.pop("signatureAlgorithm", None)
    if webhooks.get("supportsWebhooks") is True:
        del webhooks["supportsWebhooks"]
    given = webhooks.get("verify", {})
    if (header is None and algorithm is None) or not isinstance(given, dict):
        return webhooks
    verify = _verify(f"{{{{ headers['{str(header).lower()}'] }}}}" if header else None, str(algorithm or "hmac-sha256"))
    webhooks["verify"] = merge(verify, cast(Json, given))
    owner = "admin" if verify["scheme"] in ("hmac", "token") else "none"
    webhooks["secret"] = merge({"from": owner}, as_object(webhooks.get("secret")))
    return webhooks


def _verify(signature: str | None, algorithm: str) -> Json:
    """hmac-sha256 and the like over the raw body, in hex, as the whole value of the header."""
    if algorithm == "none":
        return {"scheme": "none"}
    if algorithm == "token":
        return {"scheme": "token", "signature": signature}
    verify: Json = {"encoding": "hex", "signature": signature, "payload": "{{ rawBody }}"}
    if algorithm.startswith("hmac-"):
        return {"scheme": "hmac", "algorithm": algorithm.removeprefix("hmac-"), **verify}
    return {"scheme": "asymmetric", "algorithm": algorithm, "publicKey": "{{ webhook.publicKey }}", **verify}


def _declare_webhook_settings(document: Json) -> None:
    """A name that only webhooks use and nothing declares is a secret that the admin types, like the webhook secret."""
    unknown = open_names(document.get("webhooks")) - declared_names(document)
    if unknown:
        settings = {name: {"from": "admin", "secret": True, "required": False} for name in sorted(unknown)}
        document["inputs"] = merge(settings, as_object(document.get("inputs")))
