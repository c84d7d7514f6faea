"""Every fault of a document at once (up to a hundred), each at the author's own line.

A part whose shape is broken is reported and set aside, so that the rest is still checked for its meaning.
"""

import copy
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from tieline.errors import Fault, InvalidProvider
from tieline.manifest.check_hosts import host_faults
from tieline.manifest.check_meaning import meaning_faults
from tieline.manifest.check_size import size_faults
from tieline.manifest.check_templates import template_faults, undeclared_settings
from tieline.manifest.merging import METHOD_KEYS, Json, as_object, without_nulls
from tieline.manifest.model import Document, Provider
from tieline.manifest.pointing import authors_place, steps_in, without
from tieline.manifest.read import check_tree
from tieline.manifest.resolve import Bases, expand, lay_over_bases, no_bases, with_variant
from tieline.manifest.shaping import parts_of, shape_faults

_SHORTHANDS = ("apiKey", "basic")
_ROUNDS = 20
MOST_FAULTS = 100
"""More than anybody mends at once: who sends a document of faults must not keep everybody waiting for them all."""
# Said only of what the author left out, not of what was set aside because its shape is broken.
_ABSENCES = ("missing_key", "unsigned_webhooks", "options_missing", "formula_missing", "nothing_to_connect")


def find_faults(document: Mapping[str, Any], *, base: Bases = no_bases) -> list[Fault]:
    """Errors and warnings, the first hundred of them; without an error the document may be published. Bases are asked
    for as in `resolve`."""
    try:
        check_tree(document)
    except InvalidProvider as error:
        return list(error.errors)
    if found := list(size_faults(document)):
        return found
    sound: Json = without_nulls(copy.deepcopy(dict(document)))
    found = [fault for fault in _shape(sound, Document) if not _comes_from_base(fault, document)]
    found += _own_faults(document, sound)
    if len(found) >= MOST_FAULTS:
        return _once(found)
    kept = _with_nulls_again(sound, document)
    if "auth" in kept:
        kept = {key: value for key, value in kept.items() if key not in METHOD_KEYS or key == "inputs"}
    merged = lay_over_bases(kept, base=base, faults=found)
    if any(fault.code in ("unknown_base", "cyclic") for fault in found):
        return _once(found)
    resolved = expand(merged)
    if too_large := list(size_faults(resolved)):
        return _once([*found, *too_large])
    broken = [fault.path for fault in found]
    for fault in _meaning(resolved, merged):
        at = authors_place(fault.path, document)
        if not (fault.code in _ABSENCES and any(_is_near(at, path) for path in broken)):
            found.append(Fault(at, fault.code, fault.message, fault.hint, fault.severity))
    return _once(found)


def _is_near(path: str, other: str) -> bool:
    """Whether one is, or lies within, the other."""
    return f"{path}/".startswith(f"{other}/") or f"{other}/".startswith(f"{path}/")


def _shape(sound: Json, model: type[BaseModel]) -> list[Fault]:
    """The faults of shape; `sound` is left without the parts that have them."""
    found: list[Fault] = []
    for _ in range(_ROUNDS):
        try:
            model.model_validate(sound)
        except ValidationError as error:
            faults = shape_faults(error, sound, model)
        else:
            break
        seen = {each.path for each in found}
        found += [fault for fault in faults if fault.path not in seen]
        if len(found) >= MOST_FAULTS:
            break
        for fault in faults:
            if steps_in(sound, parts_of(fault.path)[:-1]) is not None:
                without(sound, fault.path)
    return found


def _comes_from_base(fault: Fault, document: Mapping[str, Any]) -> bool:
    """A patch need not be whole, except within a list, which replaces the one below it."""
    return fault.code == "missing_key" and "extends" in document and not any(map(str.isdigit, parts_of(fault.path)))


def _own_faults(document: Mapping[str, Any], sound: Json) -> Iterator[Fault]:
    if document.get("name") is None and document.get("extends") is None:
        yield Fault("/name", "missing_key", "A provider needs a name.")
    beside = METHOD_KEYS & document.keys() - {"inputs"}
    if "auth" in sound:
        for key in sorted(beside):
            yield Fault(f"/{key}", "mixed_auth", f"`{key}` belongs to one auth method.", "Move it below auth.<name>.")
    for index, variant in enumerate(sound.get("variants") or []):
        override = as_object(as_object(variant).get("override"))
        places = [override, *(as_object(method) for method in as_object(override.get("auth")).values())]
        for key in _SHORTHANDS:
            if any(key in each for each in places):
                hint = "Write inputs and apply instead."
                yield Fault(f"/variants/{index}/override", "variant_shorthand", f"A variant cannot use `{key}`.", hint)


def _with_nulls_again(sound: Json, document: Mapping[str, Any]) -> Json:
    """The sound parts with the author's nulls, which matter when laid over a base or a default."""
    kept = dict(sound)
    for key, value in document.items():
        if value is None:
            kept[key] = None
        elif isinstance(value, dict):
            inside = cast(Json, value)
            if isinstance(below := kept.get(key), dict):
                kept[key] = _with_nulls_again(cast(Json, below), inside)
    return kept


def _meaning(resolved: Json, merged: Json) -> list[Fault]:
    found = _checked(resolved)
    found += islice(undeclared_settings(resolved, merged), MOST_FAULTS)
    known = {(fault.path, fault.code) for fault in found}
    for index, variant in enumerate(resolved.get("variants") or []):
        if len(found) < MOST_FAULTS and as_object(variant).get("override"):
            faults = _checked(with_variant(resolved, variant["id"]))
            found += [_in_variant(fault, index, variant) for fault in faults if (fault.path, fault.code) not in known]
    return found


def _checked(resolved: Json) -> list[Fault]:
    sound: Json = copy.deepcopy(resolved)
    found = _shape(sound, Provider)
    try:
        provider = Provider.model_validate(sound)
    except ValidationError:
        return found
    broken = {fault.path for fault in found}
    found += islice(template_faults(sound), MOST_FAULTS)
    found += [fault for fault in islice(meaning_faults(sound, provider), MOST_FAULTS) if fault.path not in broken]
    found += islice(host_faults(provider), MOST_FAULTS)
    return found


def _in_variant(fault: Fault, index: int, variant: Json) -> Fault:
    at = f"/variants/{index}/override"
    inside = authors_place(fault.path, as_object(variant.get("override")))
    return Fault(at + inside, fault.code, fault.message, fault.hint, fault.severity)


def _once(faults: list[Fault]) -> list[Fault]:
    """Without repetitions: several methods may share what is wrong."""
    return list({(fault.path, fault.code, fault.message): fault for fault in faults}.values())[:MOST_FAULTS]
