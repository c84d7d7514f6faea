"""What pydantic finds wrong with a request, in our words: JSON pointers, and for an unknown name the closest known."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, cast, get_args

from pydantic import BaseModel

from tieline.errors import Fault, InvalidRequest

_CODES = {"missing": "required", "extra_forbidden": "unknown_key"}
_TEXT = ("text", 'Write it in quotes: "...".')
_LIST = ("a list", "Write it in brackets: [...].")
_OBJECT = ("an object", "Write it in braces: {...}.")
_TRUTH = ("true or false", "Write it without quotes.")
_SHAPES = {
    "missing": ("given", "Add it."),
    "string_type": _TEXT,
    **dict.fromkeys(("list_type", "tuple_type"), _LIST),
    **dict.fromkeys(("dict_type", "mapping_type", "model_type", "model_attributes_type"), _OBJECT),
    **dict.fromkeys(("bool_type", "bool_parsing"), _TRUTH),
}
"""What pydantic's kinds of faults ask for, and how that is written in JSON."""


def invalid(errors: Sequence[Mapping[str, Any]], body: object, model: object) -> InvalidRequest:
    """`errors` as pydantic lists them, `body` what was sent, `model` what was wanted of it."""
    faults: dict[str, Fault] = {}
    for error in errors:
        fault = _fault(error, body, model)
        faults.setdefault(fault.path, fault)
    count = "one fault" if len(faults) == 1 else f"{len(faults)} faults"
    return InvalidRequest(
        f"The request has {count}. Mend each at its path, and send it again.", errors=[*faults.values()]
    )


def closest(name: str, known: Sequence[str]) -> str:
    """A hint for a name that is not known."""
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    if near:
        return f"Did you mean {near[0]}?"
    return f"Known: {', '.join(known)}." if known else "Nothing is taken here."


def _fault(error: Mapping[str, Any], body: object, model: object) -> Fault:
    source, *place = error["loc"]
    kind: str = error["type"]
    code = _CODES.get(kind, kind)
    if source != "body":
        name = str(place[0]) if place else str(source)
        return Fault(name, code, _sentence(error), f"It stands in the {source} of the request.")
    path = tuple(_pointed(place, body, kind))
    if kind == "extra_forbidden":
        known = sorted(_names(model, path[:-1]))
        return Fault(_pointer(path), code, f"{path[-1]!r} is not known here.", closest(str(path[-1]), known))
    if kind == "missing" and not path:
        return Fault("", code, "A body is needed.", "Send a JSON object with Content-Type: application/json.")
    return Fault(_pointer(path), code, _sentence(error), _expected(error))


def _pointed(place: Sequence[object], body: object, kind: str) -> Iterator[str]:
    """The parts that stand in the body: pydantic also names the member of a union that it tried."""
    value = body
    for index, part in enumerate(place):
        last = index == len(place) - 1
        if isinstance(value, dict) and part in value:
            value = cast(dict[object, object], value)[part]
            yield str(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(cast(list[object], value)):
            value = cast(list[object], value)[part]
            yield str(part)
        elif last and kind == "missing":
            yield str(part)


def _pointer(path: Sequence[str]) -> str:
    """RFC 6901."""
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)


def _names(model: object, path: Sequence[str]) -> set[str]:
    """What an object at this place may hold."""
    models = _models(model)
    for part in path:
        fields = [each for owner in models for each in owner.model_fields.values() if each.alias == part]
        # The keys of a mapping, and the places of a list, are no fields: their models are those of the whole.
        models = [found for each in fields for found in _models(each.annotation)] if fields else models
    return {field.alias or name for each in models for name, field in each.model_fields.items()}


def _models(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models(argument)]


def _sentence(error: Mapping[str, Any]) -> str:
    known = _SHAPES.get(error["type"])
    text = str(error["msg"]).removeprefix("Value error, ") if known is None else f"This must be {known[0]}"
    return text if text.endswith(".") else text + "."


def _expected(error: Mapping[str, Any]) -> str:
    kind: str = error["type"]
    if kind.startswith(("datetime", "timezone")):
        return 'Write a time as RFC 3339 has it: "2026-01-31T12:00:00Z".'
    return _SHAPES[kind][1] if kind in _SHAPES else ""
