"""Credentials that are typed: keys and passwords. What is secret is asked for without showing it."""

import sys
from collections.abc import Mapping
from typing import Any, cast

import typer

from tieline.cli.printing import one_line
from tieline.cli.target import Nouns
from tieline.errors import InvalidInputs

_TYPED = frozenset({"api_key", "basic"})


def is_typed(provider: Any, method: str | None) -> bool:
    """Whether the auth method (the first, unless one is named) takes what a user types, and no more."""
    chosen = [each for each in provider.auth_methods if method in (None, each.name)]
    return bool(chosen) and chosen[0].type in _TYPED


async def type_inputs(
    nouns: Nouns, provider: Any, given: Mapping[str, str], *, user: str | None, method: str | None, variant: str | None
) -> Any:
    """The connection. Asks at the terminal for each input that is said to be missing. Raises InvalidInputs."""
    chosen = method or provider.auth_methods[0].name
    inputs: dict[str, object] = dict(given)
    plain = _plain_inputs(provider)
    while True:
        try:
            return await nouns.connections.create(
                provider=provider.id, end_user=user, inputs=inputs, auth_method=chosen, variant=variant
            )
        except InvalidInputs as error:
            missing = [fault for fault in error.errors if fault.code == "required" and _name(fault.path) not in inputs]
            if len(missing) < len(error.errors) or not sys.stdin.isatty():
                raise
            for fault in missing:
                name = _name(fault.path)
                label = one_line(fault.message.removesuffix(" is needed."))
                inputs[name] = typer.prompt(label, hide_input=name not in plain, err=True)


def _name(path: str) -> str:
    return path.removeprefix("/inputs/")


def _plain_inputs(provider: Any) -> frozenset[str]:
    """Inputs that the document itself declares and does not call secret. One that it inherits is hidden, to be safe."""
    document: Mapping[str, Any] = provider.document
    places = [document, *_members(document.get("auth")).values()]
    declared = [item for place in places for item in _members(_members(place).get("inputs")).items()]
    secret = {name for name, each in declared if _members(each).get("secret")}
    return frozenset({"username", *(name for name, _ in declared)} - secret)


def _members(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
