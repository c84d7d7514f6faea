"""Lift and merge: how an author's notation becomes one shape, and how a document is laid over its bases.

Everything here works on plain JSON values in the author's notation; shorthands stay until `expanding`.
"""

import copy
from collections.abc import Mapping
from typing import Any, cast

from tieline.manifest.model import AuthMethodKeys
from tieline.manifest.model.shapes import camel

Json = dict[str, Any]

METHOD_KEYS = frozenset(camel(name) for name in AuthMethodKeys.model_fields)

# What says something about one document only: an extending document does not take it from its base.
OWN_KEYS = frozenset(
    ("id", "version", "status", "replacedBy", "isPublic", "isCustom", "isTemplate", "extends", "params")
)


def as_object(value: object) -> Json:
    """The value when it is an object, else an empty one: shape faults are found elsewhere."""
    return cast(Json, value) if isinstance(value, dict) else {}


def lift(document: Mapping[str, Any]) -> Json:
    """A copy where the one auth method stands under `auth.default`, its label is `type`, and categories are a list."""
    lifted = copy.deepcopy(dict(document))
    if "category" in lifted:
        _lift_category(lifted)
    blocks = METHOD_KEYS & lifted.keys()
    if "auth" not in lifted and blocks - {"inputs"}:
        lifted["auth"] = {"default": {key: lifted.pop(key) for key in list(lifted) if key in blocks}}
    methods = as_object(lifted.get("auth")).values()
    for method in (cast(Json, each) for each in methods if isinstance(each, dict)):
        if "authType" in method:
            label = method.pop("authType")
            method.setdefault("type", label)
    return lifted


def _lift_category(lifted: Json) -> None:
    category = lifted.pop("category")
    if isinstance(category, str):
        others = cast(list[object], lifted.get("categories") or [])
        lifted["categories"] = [category, *(other for other in others if other != category)]
    elif "categories" not in lifted:
        lifted["categories"] = category


def merge(base: Mapping[str, Any], patch: Mapping[str, Any]) -> Json:
    """RFC 7396 over lifted documents, but a null stays: it means "absent, and no default either"."""
    merged = copy.deepcopy(dict(base))
    for key, value in patch.items():
        if isinstance(value, dict):
            merged[key] = merge(as_object(merged.get(key)), cast(Json, value))
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def over(base: Mapping[str, Any], patch: Mapping[str, Any]) -> Json:
    """A lifted document over a lifted base: without what belongs to the base alone."""
    inherited = {key: value for key, value in base.items() if key not in OWN_KEYS}
    return merge(inherited, _aligned(inherited, patch))


def _aligned(base: Json, patch: Mapping[str, Any]) -> Mapping[str, Any]:
    """Inputs at the top of a patch belong to the base's one method, when that is where the base has its own."""
    methods = as_object(base.get("auth"))
    if "inputs" not in patch or "auth" in patch or "inputs" in base or methods.keys() != {"default"}:
        return patch
    moved = {key: value for key, value in patch.items() if key != "inputs"}
    return moved | {"auth": {"default": {"inputs": patch["inputs"]}}}


# Members where null says "remove the default the engine would send", and everything below them.
_NULL_MAPS = frozenset(
    (
        *("headers", "query", "params", "body", "cookies", "header", "claims"),
        *("requestParams", "authParams", "registrationParams"),
    )
)
_NULL_VALUES = frozenset(("codeParam", "stateParam", "equals"))


def without_nulls(value: object, *, below: str = "") -> Any:
    """The value without the members that are null, except where null has a meaning of its own."""
    if isinstance(value, list):
        return [without_nulls(item) for item in cast(list[object], value)]
    if not isinstance(value, dict):
        return value
    if below in _NULL_MAPS or below.startswith("x-"):
        return cast(Json, value)
    return {
        key: without_nulls(member, below=key)
        for key, member in cast(Json, value).items()
        if member is not None or key in _NULL_VALUES
    }
