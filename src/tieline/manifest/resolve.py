"""Resolve: lift -> merge over the bases -> params -> expand, which gives the normal form that is stored and executed.

A base is asked for as the document says it (`rest-api-bearer@^1`); which version that is, the caller decides.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

from pydantic import ValidationError

from tieline.errors import Fault, InvalidInputs, InvalidProvider
from tieline.manifest.expanding import expand
from tieline.manifest.inputs import read_value
from tieline.manifest.merging import Json, as_object, lift, merge, over, without_nulls
from tieline.manifest.model import Input, Provider
from tieline.manifest.read import check_tree
from tieline.manifest.shaping import shape_faults
from tieline.manifest.variables import declared_names, open_names

__all__ = ["Bases", "expand", "lift", "load", "merge", "merged", "no_bases", "resolve", "with_variant"]

Bases = Callable[[str], Mapping[str, Any]]
MOST_BASES = 8


def no_bases(reference: str) -> Mapping[str, Any]:
    raise KeyError(reference)


def resolve(document: Mapping[str, Any], *, base: Bases = no_bases) -> Json:
    """The normal form. Raises InvalidProvider when a base is unknown, params do not fit, or the result has no shape."""
    resolved = expand(merged(document, base=base))
    load(resolved)
    return resolved


def load(resolved: Mapping[str, Any]) -> Provider:
    """The models of a normal form. Raises InvalidProvider."""
    try:
        return Provider.model_validate(resolved)
    except ValidationError as error:
        faults = shape_faults(error, resolved, Provider)
        raise InvalidProvider(errors=faults) from error


def merged(document: Mapping[str, Any], *, base: Bases = no_bases) -> Json:
    """The document over its bases with params filled in, shorthands still unexpanded: what `base` may answer with."""
    check_tree(document)
    faults: list[Fault] = []
    result = lay_over_bases(document, base=base, faults=faults)
    if faults:
        raise InvalidProvider(errors=faults)
    return result


def lay_over_bases(
    document: Mapping[str, Any], *, base: Bases, faults: list[Fault], seen: tuple[str, ...] = ()
) -> Json:
    """As `merged`, but faults are collected and what can be merged is."""
    lifted = lift(document)
    given = lifted.pop("extends", None)
    references = cast(list[object], given if isinstance(given, list) else [] if given is None else [given])
    below: Json = {}
    for index, reference in enumerate(references):
        at = f"/extends/{index}" if isinstance(given, list) else "/extends"
        if isinstance(reference, str):
            found = _base(reference, lifted, at, base=base, faults=faults, seen=seen)
            below = over(below, found) if found else below
    result = over(below, lifted)
    result.update({key: lifted[key] for key in ("params",) if key in lifted})
    if lifted.get("isTemplate") is True:
        _declare_template_inputs(result)
    _fill(result, as_object(result.pop("params", None)), faults)
    return result


def _base(
    reference: str, lifted: Json, at: str, *, base: Bases, faults: list[Fault], seen: tuple[str, ...]
) -> Json | None:
    seen = (*seen, str(lifted.get("id") or ""))
    if reference.split("@")[0] in seen or len(seen) > MOST_BASES:
        faults.append(Fault(at, "cyclic", f"{reference} is, in the end, based on this document itself."))
        return None
    try:
        document = base(reference)
    except KeyError:
        hint = "Publish the base first, or correct its id and version range."
        faults.append(Fault(at, "unknown_base", f"There is no provider {reference}.", hint))
        return None
    nested: list[Fault] = []
    found = lay_over_bases(document, base=base, faults=nested, seen=seen)
    faults.extend(Fault(at, fault.code, fault.message, fault.hint) for fault in nested)
    return found


def _declare_template_inputs(document: Json) -> None:
    """What a template uses and nothing declares is for the one who instantiates it to say."""
    expanded = expand(document)
    asked = open_names([expanded.get("auth"), expanded.get("api")])
    names = sorted(asked - declared_names(expanded), reverse=True)
    kinds = {name: "url" if name.lower().endswith("url") else "string" for name in names}
    made = {name: {"from": "template", "type": kind} for name, kind in kinds.items()}
    if made:
        document["inputs"] = merge(made, as_object(document.get("inputs")))


def template_inputs(document: Json) -> dict[str, Json]:
    """The declarations of the inputs that params fill, by name."""
    places = [document, *as_object(document.get("auth")).values()]
    declared = {name: each for place in places for name, each in as_object(as_object(place).get("inputs")).items()}
    return {
        name: cast(Json, each)
        for name, each in declared.items()
        if isinstance(each, dict) and cast(Json, each).get("from") == "template"
    }


def _fill(document: Json, params: Json, faults: list[Fault]) -> None:
    """Params become the fixed value of their inputs: the default of an input `from: template`."""
    asked = template_inputs(document)
    for name, value in params.items():
        if name not in asked:
            known = ", ".join(sorted(asked)) or "none"
            faults.append(Fault(f"/params/{name}", "unknown_param", f"No base asks for {name}.", f"Known: {known}."))
            continue
        try:
            declared = Input.model_validate(without_nulls(asked[name]))
            asked[name]["default"] = read_value(name, declared, value)
        except ValidationError:
            continue  # the declaration itself has faults, which are reported where it stands
        except InvalidInputs as error:
            faults.extend(Fault(f"/params/{name}", each.code, each.message, each.hint) for each in error.errors)
    if document.get("isTemplate") is True:
        return
    for name, declaration in asked.items():
        if declaration.get("default") is None and declaration.get("required", True) and name not in params:
            hint = f"Say params: {{{name}: ...}}."
            faults.append(Fault("/params", "param_missing", f"The base needs a value for {name}.", hint))


def with_variant(resolved: Mapping[str, Any], variant: str) -> Json:
    """The normal form with one variant's patch laid over it. Raises KeyError when there is no such variant."""
    for each in cast(list[Json], resolved.get("variants") or []):
        if each.get("id") == variant:
            return expand(merge(resolved, lift(as_object(each.get("override")))))
    raise KeyError(variant)
