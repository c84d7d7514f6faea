"""Provider documents that describe the practice provider: by OAuth 2, by a key in every place, and by a password."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Literal, cast

import yaml

from tieline.testing.callers import KEY_COOKIE, KEY_HEADER, KEY_PARAMETER

Document = dict[str, Any]
KeyLocation = Literal["header", "query", "body", "cookie", "path"]

_WRITTEN_FOR = "https://practice.example"
_METHOD_KEYS = ("authType", "oauth2", "refresh", "scopeCatalog")
_KEY_NAMES = {
    "header": KEY_HEADER,
    "query": KEY_PARAMETER,
    "body": KEY_PARAMETER,
    "cookie": KEY_COOKIE,
}


def practice_document(base_url: str, **changes: object) -> Document:
    """The OAuth 2 document for a practice provider at `base_url`; its id is `practice`.

    `changes` are merged over it as by RFC 7396: `practice_document(url, id="other", refresh=None)`.
    """
    text = (files("tieline.testing") / "practice.yaml").read_text("utf-8")
    document = cast("Document", yaml.load(text.replace(_WRITTEN_FOR, base_url.rstrip("/")), Loader=yaml.CSafeLoader))
    return _merged(document, changes)


def practice_key_document(base_url: str, *, location: KeyLocation = "header", **changes: object) -> Document:
    """The same API with an API key in the given place; its id is `practice-key`.

    A key in the body goes with a POST only, which `/me` takes as well.
    """
    method: Document = {"id": "practice-key", "authType": "api_key"}
    if location == "path":
        method["apiKey"] = {"location": location, "keyPrefix": "key/"}
    else:
        method["apiKey"] = {"location": location, "keyName": _KEY_NAMES[location]}
    if location == "body":
        method["check"] = {"requests": [{"method": "POST", "url": "/me", "format": "json"}]}
    return _merged(_merged(_without_method(base_url), method), changes)


def practice_basic_document(base_url: str, **changes: object) -> Document:
    """The same API with a user name and a password (RFC 7617); its id is `practice-basic`."""
    method: Document = {"id": "practice-basic", "authType": "basic"}
    return _merged(_merged(_without_method(base_url), method), changes)


def _without_method(base_url: str) -> Document:
    return practice_document(base_url, **dict.fromkeys(_METHOD_KEYS))


def _merged(base: Mapping[str, object], patch: Mapping[str, object]) -> Document:
    merged = dict(base)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict):
            inner = merged.get(name)
            below = cast("Document", inner) if isinstance(inner, dict) else {}
            merged[name] = _merged(below, cast("Document", value))
        else:
            merged[name] = value
    return merged
