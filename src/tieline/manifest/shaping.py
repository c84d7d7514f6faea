"""Faults of shape: what pydantic says about a document, as JSON pointers and sentences that help its author."""

import difflib
import types
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tieline.errors import Fault

_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "tuple_type": "a list",
    "list_type": "a list",
    "none_required": "null",
}
_FORMS = {
    "id": "Lower-case letters, digits, - and _; at most 100 characters.",
    "replacedBy": "Lower-case letters, digits, - and _; at most 100 characters.",
    "extends": "The id of a provider, with a version range if you like: acme@^1.",
    "provider": "The id of a provider, with a version range if you like: acme@^1.",
    "status": "Numbers such as 200, or texts such as 2xx and 200-204.",
}
_NAME = "A name starts with a letter or _, followed by letters, digits and _; at most 64 characters."


_MOST = 500
"""Of pydantic's errors, several of which may be one fault."""


def pointer(parts: Iterable[object]) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def parts_of(path: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]


def shape_faults(error: ValidationError, document: object, model: type[BaseModel]) -> list[Fault]:
    """One fault for each place; a value that fits no alternative is one fault and not one for each alternative."""
    places: dict[str, list[ErrorDetails]] = defaultdict(list)
    for each in error.errors(include_url=False, include_input=False)[:_MOST]:
        places[pointer(place(each["loc"], document))].append(each)
    deeper = [path for path, group in places.items() if not all(_is_alternative(each) for each in group)]
    deeper += [path for path in places if any(path.startswith(f"{other}/") for other in places)]
    return [
        _fault(path, group, model)
        for path, group in places.items()
        if not (all(_is_alternative(each) for each in group) and any(other.startswith(f"{path}/") for other in deeper))
    ]


def place(loc: tuple[int | str, ...], document: object) -> list[int | str]:
    """pydantic's location without the names of alternatives: only steps that the document has, and a missing last."""
    found: list[int | str] = []
    at = document
    for index, step in enumerate(loc):
        if isinstance(at, dict) and step in at:
            at = cast(dict[object, object], at)[step]
        elif isinstance(at, list) and isinstance(step, int) and step < len(cast(list[object], at)):
            at = cast(list[object], at)[step]
        elif not (index == len(loc) - 1 and isinstance(at, dict) and isinstance(step, str) and _is_key(step)):
            continue
        found.append(step)
    return found


def _is_key(step: str) -> bool:
    return step.isidentifier() and step not in ("str", "int", "float", "bool", "one", "many")


def _is_alternative(error: ErrorDetails) -> bool:
    return error["type"] in _WANTED or error["type"] == "literal_error"


def _fault(path: str, group: list[ErrorDetails], model: type[BaseModel]) -> Fault:
    first = next((each for each in group if not _is_alternative(each)), group[0])
    context = cast(Mapping[str, Any], first.get("ctx") or {})
    key = parts_of(path)[-1] if path else ""
    if first["loc"] and first["loc"][-1] == "[key]":
        if first["type"] == "literal_error":
            return Fault(path, "unknown_key", f"`{key}` is no key here.", f"Known: {context.get('expected')}.")
        return Fault(path, "bad_name", f"`{key[:64]}` is no name for this.", _NAME)
    match first["type"]:
        case "extra_forbidden":
            return Fault(path, "unknown_key", f"`{key}` is no key here.", _near(key, keys_at(first["loc"][:-1], model)))
        case "missing":
            return Fault(path, "missing_key", f"`{key}` is needed here.")
        case "literal_error":
            return Fault(path, "not_allowed", "This is none of the allowed values.", f"Allowed: {context['expected']}.")
        case "string_pattern_mismatch":
            name = next((part for part in reversed(parts_of(path)) if not part.isdigit()), "")
            return Fault(path, "bad_format", "This does not have the right form.", _FORMS.get(name, _NAME))
        case kind if kind in _WANTED:
            wanted = dict.fromkeys(_WANTED[each["type"]] for each in group if each["type"] in _WANTED)
            return Fault(path, "wrong_type", f"This must be {' or '.join(wanted)}.")
        case _:
            return Fault(path, "bad_value", f"{first['msg']}.")


def _near(key: str, known: list[str]) -> str:
    close = {name.lower(): name for name in known}
    near = difflib.get_close_matches(key.lower(), close, n=1, cutoff=0.6)
    return f"Did you mean `{close[near[0]]}`?" if near else f"Known: {', '.join(sorted(known))}."


def keys_at(loc: Iterable[int | str], model: type[BaseModel]) -> list[str]:
    """The keys that an object at this place may have."""
    models = [model]
    for step in loc:
        fields = [field for each in models for field in each.model_fields.values() if field.alias == step]
        models = [each for field in fields for each in _models_in(field.annotation)] or models
    return [field.alias or "" for each in models for field in each.model_fields.values()]


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        if issubclass(annotation, BaseModel):
            yield annotation
        return
    for argument in get_args(annotation):
        yield from _models_in(argument)
