"""Faults of templates: syntax, unknown filters, and variables that nothing gives at this place."""

import difflib
from collections.abc import Iterator
from typing import Any, cast

from tieline.errors import Fault
from tieline.manifest.merging import as_object
from tieline.manifest.shaping import pointer
from tieline.manifest.templates import TemplateFault, compile_template
from tieline.manifest.variables import (
    ACQUIRING,
    ANSWER,
    ANYWHERE,
    CALL,
    DELIVERY,
    ENGINE,
    MEMBERS,
    Pointer,
    Use,
    declared_names,
    names_in,
    open_names,
    root,
    uses,
)

_AFTER_ANSWER = frozenset(("expect", "capture", "identity", "scopes", "deadIf", "retry", "errors", "pagination"))


def template_faults(resolved: dict[str, Any]) -> Iterator[Fault]:
    """Of a normal form; pointers into it."""
    everything = declared_names(resolved)
    by_method: dict[str, set[str]] = {name: _declared_for(name, resolved) for name in as_object(resolved.get("auth"))}
    for use in _all_uses(resolved):
        at = pointer(use.at)
        if {"allowedHosts", "to"} & set(use.at[-2:]):
            yield Fault(at, "template_not_allowed", "A host here must be written out.", "Use a glob: *.acme.example")
            continue
        try:
            names = compile_template(use.text).names
        except TemplateFault as fault:
            yield Fault(at, "template", f"{fault.message} (at character {fault.position})", fault.hint)
            continue
        declared = by_method[str(use.at[1])] if use.at[0] == "auth" else everything
        for name in sorted(names):
            if message := _unknown(name, use.at, declared, resolved):
                yield Fault(at, "unknown_variable", message, _hint(name, declared | engine_at(use.at)))
    yield from _reserved(resolved)


def undeclared_settings(resolved: dict[str, Any], merged: dict[str, Any]) -> Iterator[Fault]:
    """What expand declared because only webhooks use it: perhaps a secret of the admin, perhaps a slip of the pen."""
    made = as_object(resolved.get("inputs")).keys() - as_object(merged.get("inputs")).keys()
    for name in sorted(made & open_names(resolved.get("webhooks"))):
        use = next(use for use in uses(resolved.get("webhooks"), ("webhooks",)) if name in names_in(use.text))
        at = pointer(use.at)
        known = ENGINE | (declared_names(resolved) - made)
        if difflib.get_close_matches(name, known, n=1, cutoff=0.8):
            yield Fault(at, "unknown_variable", f"There is no variable `{name}`.", _hint(name, known))
        else:
            message = f"`{name}` is declared nowhere: the admin will be asked for it as a secret."
            yield Fault(
                at, "undeclared_setting", message, f"Say inputs: {{{name}: ...}} to give it a label.", "warning"
            )


def _all_uses(resolved: dict[str, Any]) -> Iterator[Use]:
    for key in ("auth", "api", "webhooks"):
        yield from uses(resolved.get(key), (key,))
    yield from uses({"inputs": resolved.get("inputs")})


def engine_at(at: Pointer) -> frozenset[str]:
    """The engine's names at a place of the normal form."""
    steps = set(at)
    if at[0] == "webhooks":
        return ANYWHERE | DELIVERY
    if at[0] == "api" and steps & _AFTER_ANSWER:
        return ANYWHERE | ANSWER
    if at[0] == "api":
        return ANYWHERE | CALL if steps & {"headers", "query"} else ANYWHERE
    if at[0] == "auth":
        found = ANYWHERE | ACQUIRING
        if at[2:3] == ("apply",) or "use" in at[2:]:
            found |= CALL
        if "callback" in at[2:]:
            found |= DELIVERY
        return found | ANSWER if set(at[2:]) & _AFTER_ANSWER else found
    return ANYWHERE | ACQUIRING


def _declared_for(method: str, resolved: dict[str, Any]) -> set[str]:
    """What one auth method sees: its own inputs and captures, the shared ones, and those of the webhooks."""
    shared = {key: value for key, value in resolved.items() if key != "auth"}
    return declared_names(shared | {"method": as_object(resolved.get("auth")).get(method)})


def _unknown(name: str, at: Pointer, declared: set[str], resolved: dict[str, Any]) -> str:
    """What is wrong with a name at its place, as a sentence; empty when nothing is."""
    first, _, rest = name.partition(".")
    if root(name) in declared:
        return ""
    if first not in ENGINE:
        return f"There is no variable `{first}`."
    if first not in engine_at(at):
        return f"`{first}` has no value here."
    member = rest.partition(".")[0]
    if member and first in MEMBERS and member not in MEMBERS[first]:
        return f"`{first}` has no member `{member}`."
    if first in ("mint", "steps", "tokens") and at[0] == "auth" and member:
        method = as_object(as_object(resolved.get("auth")).get(str(at[1])))
        if member not in _members(first, method):
            return f"There is no `{first}.{member}` in this method."
    return ""


def _members(first: str, method: dict[str, Any]) -> set[str]:
    if first == "mint":
        return set(as_object(method.get("mint")))
    return set(_named(method, "id" if first == "steps" else "capture"))


def _named(tree: object, key: str) -> Iterator[str]:
    """The ids of all Requests below, or the names of all tokens that are captured."""
    if isinstance(tree, list):
        for item in cast(list[object], tree):
            yield from _named(item, key)
        return
    for name, member in as_object(tree).items():
        if name == key == "id" and isinstance(member, str):
            yield member
        elif name == key == "capture":
            yield from (target.split(".")[1] for target in as_object(member) if target.startswith("tokens."))
        yield from _named(member, key)


def _reserved(resolved: dict[str, Any]) -> Iterator[Fault]:
    places = [("/inputs", resolved.get("inputs"))]
    methods = as_object(resolved.get("auth")).items()
    places += [(f"/auth/{name}/inputs", as_object(method).get("inputs")) for name, method in methods]
    for at, inputs in places:
        for name in as_object(inputs).keys() & ENGINE:
            yield Fault(f"{at}/{name}", "reserved_name", f"`{name}` is a name of the engine.", "Choose another name.")


def _hint(name: str, known: set[str] | frozenset[str]) -> str:
    first = root(name)
    near = difflib.get_close_matches(first, known, n=1, cutoff=0.6)
    if near and near[0] != first:
        return f"Did you mean `{near[0]}`?"
    if first in MEMBERS:
        return f"Known: {', '.join(f'{first}.{member}' for member in sorted(MEMBERS[first]))}."
    return f"Known here: {', '.join(sorted(known))}."
