"""Which variables a document declares, which ones its templates use, and which ones the engine gives where."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from tieline.manifest.templates import TemplateFault, compile_template

Pointer = tuple[str | int, ...]

# Captured under these names, a value belongs to the credential and is not an input.
CREDENTIAL = frozenset(
    ("accessToken", "refreshToken", "idToken", "tokenType", "scope", "expiresIn", "expiresAt", "refreshExpiresIn")
)

ANYWHERE = frozenset(("client", "credential", "tokens", "mint", "oauth", "connection", "now", "uuid", "nonce"))
ACQUIRING = frozenset(("callback", "steps", "webhook"))
ANSWER = frozenset(("body", "headers", "cookies", "text", "status"))
CALL = frozenset(("request",))
DELIVERY = frozenset(
    (
        *("webhook", "headers", "query", "form", "rawBody", "text", "body", "event", "item", "sig", "jwt"),
        *("request", "steps", "metadata", "status", "cookies"),
    )
)
ENGINE = ANYWHERE | ACQUIRING | ANSWER | CALL | DELIVERY

# What the engine knows below its own names; a name that is not here has members nobody can list beforehand.
MEMBERS = {
    "client": frozenset(("id", "secret")),
    "credential": CREDENTIAL,
    "oauth": frozenset(("redirectUri", "redirectHost", "state", "scopes", "scopesFor")),
    "request": frozenset(("method", "host", "path", "target", "params", "body")),
    "webhook": frozenset(("secret", "key", "publicKey", "verifyToken", "url", "requestUrl", "registeredUrl", "id")),
    "jwt": frozenset(("header",)),
}

# Members whose text is for people, or a pattern: braces in them mean nothing.
_PLAIN = frozenset(
    (
        *("label", "description", "documentation", "retries", "matches", "i18n"),
        *("prefix", "items", "pair", "stripPrefix"),
    )
)
_MAPS = frozenset(("headers", "query", "params", "body", "capture", "claims", "cookies", "auth", "servers", "value"))


@dataclass(frozen=True)
class Use:
    """A template at its place in the document."""

    at: Pointer
    text: str


def uses(tree: object, at: Pointer = ()) -> Iterator[Use]:
    """Every template below `tree`."""
    match tree:
        case str():
            if "{{" in tree or "{%" in tree or "{#" in tree:
                yield Use(at, tree)
        case dict():
            for key, member in cast(dict[str, object], tree).items():
                if key == "inputs":
                    yield from _formulas(member, (*at, key))
                elif key not in _PLAIN or (at and at[-1] in _MAPS):
                    yield from uses(member, (*at, key))
        case list():
            for index, item in enumerate(cast(list[object], tree)):
                yield from uses(item, (*at, index))
        case _:
            pass


def _formulas(inputs: object, at: Pointer) -> Iterator[Use]:
    """Of the inputs only the formula of a computed one is a template."""
    if isinstance(inputs, dict):
        for name, each in cast(dict[str, object], inputs).items():
            if isinstance(each, dict):
                yield from uses(cast(dict[str, object], each).get("value"), (*at, name, "value"))


def names_in(text: str) -> frozenset[str]:
    """The variables of a template; none when it does not parse, which is a fault of its own."""
    try:
        return compile_template(text).names
    except TemplateFault:
        return frozenset()


def root(name: str) -> str:
    return re.split(r"[.\[]", name, maxsplit=1)[0]


def open_names(tree: object) -> set[str]:
    """The flat names used below `tree` that are not the engine's; a dotted one is no input that could be asked for."""
    names = {name for use in uses(tree) for name in names_in(use.text)}
    return {name for name in names if name.isidentifier()} - ENGINE


def declared_names(document: dict[str, Any]) -> set[str]:
    """Inputs of all methods, capture targets, and what variants and choices set."""
    return set(_declared(document))


def _declared(tree: object, key: str | int = "") -> Iterator[str]:
    match tree:
        case dict():
            members = cast(dict[str, object], tree)
            if key in ("inputs", "set"):
                yield from members
            elif key == "capture":
                yield from (name for name in members if "." not in name and name not in CREDENTIAL)
            for name, member in members.items():
                yield from _declared(member, name)
        case list():
            for item in cast(list[object], tree):
                yield from _declared(item)
        case _:
            pass
