"""What changed between two versions of a document, and whether it may reach people who consented to the old one.

Security is what decides where a byte goes, where a secret is put, and what is believed. It is also everything that
neither table names, so a new field is guarded until somebody decides otherwise.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Literal, cast

Change = Literal["none", "cosmetic", "behaviour", "security"]
Kind = Literal["cosmetic", "behaviour", "security"]

# `*` is one step, a last `**` is everything from there on.
_REQUESTS = ("steps/*", "onConnect/*", "revoke/*", "check/requests/*")
_GRAVEST_FIRST: tuple[Kind, ...] = ("security", "behaviour", "cosmetic")
_INPUTS = ("inputs/*", "auth/*/inputs/*")
_COSMETIC = (
    *("manifest", "id", "name", "description", "version", "categories/**", "tags/**", "status", "replacedBy"),
    *("isPublic", "isCustom", "logoUrl", "documentation", "links/**", "branding/**", "i18n/**", "sources/**"),
    *("auth/*/label", "auth/*/description", "auth/*/status", "auth/*/documentation"),
    *("variants/*/label", "variants/*/status", "webhooks/retries", "webhooks/events/*/description"),
    *(f"{each}/{key}" for each in _INPUTS for key in ("label", "help", "helpAnchor", "example", "order")),
    *(f"{each}/{key}" for each in _INPUTS for key in ("patternMessage", "options/*/label", "options/*/warning")),
    *(f"auth/*/{each}/description" for each in _REQUESTS),
    *(f"scopeCatalog/*/{key}" for key in ("label", "description", "group", "sensitive")),
)
_BEHAVIOUR = (
    *("rateLimits/**", "api/retry/**", "api/errors/**", "api/pagination/**", "auth/*/lifetime"),
    *(f"auth/*/refresh/{key}" for key in ("before", "minAge", "every", "onStatus/**", "keepRefreshToken", "rotation")),
    *(f"auth/*/refresh/{key}" for key in ("grace", "deadIf/**", "expect/**")),
    *(f"auth/*/{each}/{key}" for each in _REQUESTS for key in ("expect/**", "optional")),
    *("auth/*/oauth2/token/expect/**", "auth/*/check/every", "auth/*/check/mode"),
    *("webhooks/subscriptionLifetime", "webhooks/events/**"),
)


def digest(resolved: Mapping[str, Any]) -> str:
    """SHA-256 of the whole normal form, in hex."""
    return _hash(dict(resolved))


def security_digest(resolved: Mapping[str, Any]) -> str:
    """SHA-256 over what a connection was consented under."""
    return _hash(_part(resolved, "security"))


def change_class(old: Mapping[str, Any], new: Mapping[str, Any]) -> Change:
    """The gravest kind of field in which two normal forms differ."""
    for kind in _GRAVEST_FIRST:
        if _part(old, kind) != _part(new, kind):
            return kind
    return "none"


def _part(resolved: Mapping[str, Any], kind: Kind) -> list[tuple[str, object]]:
    return sorted((path, value) for path, value in _leaves(resolved, ()) if _kind(path) == kind)


def _leaves(value: object, at: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Path and canonical text of each scalar and of each empty object or list."""
    if isinstance(value, Mapping) and value:
        for key, member in cast(Mapping[str, object], value).items():
            yield from _leaves(member, (*at, key.replace("~", "~0").replace("/", "~1")))
    elif isinstance(value, list | tuple) and value:
        for index, item in enumerate(cast(list[object], value)):
            yield from _leaves(item, (*at, str(index)))
    elif not at[0].startswith("x-"):
        yield "/".join(at), _canonical(cast(object, value))


@lru_cache(maxsize=4096)
def _kind(path: str) -> Kind:
    steps = path.split("/")
    if any(_fits(pattern.split("/"), steps) for pattern in _COSMETIC):
        return "cosmetic"
    return "behaviour" if any(_fits(pattern.split("/"), steps) for pattern in _BEHAVIOUR) else "security"


def _fits(pattern: list[str], steps: list[str]) -> bool:
    if pattern[-1] == "**":
        pattern = pattern[:-1]
        steps = steps[: len(pattern)]
    return len(pattern) == len(steps) and all(want in ("*", step) for want, step in zip(pattern, steps, strict=True))


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _hash(value: object) -> str:
    return hashlib.sha256(_canonical(value).encode()).hexdigest()
