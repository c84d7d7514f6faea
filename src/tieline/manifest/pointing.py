"""From a place in the normal form back to where the author wrote it: a fault points at the author's own line."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from tieline.manifest.shaping import parts_of, pointer

# What expand made -> where the author wrote it, below the auth method or below the document.
_OF_METHOD = (
    ("check/requests/0/url", "apiKey/testEndpoint"),
    ("check/requests/0/method", "apiKey/testMethod"),
    ("check/requests/0/expect", "apiKey/testExpectedStatus"),
    ("check/requests", "apiKey"),
    ("apply", "apiKey"),
    ("apply", "basic"),
    ("inputs", "apiKey"),
    ("type", "authType"),
)
_OF_DOCUMENT = (
    ("webhooks/verify/algorithm", "webhooks/signatureAlgorithm"),
    ("webhooks/verify/0/algorithm", "webhooks/signatureAlgorithm"),
    ("webhooks/verify", "webhooks/signatureHeader"),
    ("categories", "category"),
    ("api/baseUrl", "apiKey/testEndpoint"),
)


def authors_place(path: str, document: Mapping[str, Any]) -> str:
    """The pointer into the document: the same place, the shorthand that stands for it, or `/extends`."""
    steps = parts_of(path)
    above, inside, table = _divided(steps, document)
    direct = [*above, *inside]
    if (found := steps_in(document, direct)) is not None:
        return pointer(found)
    if len(direct) > 1 and (parent := steps_in(document, direct[:-1])) is not None:
        return pointer([*parent, direct[-1]])
    for made, written in table:
        head = made.split("/")
        if inside[: len(head)] == head and (found := steps_in(document, [*above, *written.split("/")])) is not None:
            return pointer(found)
    return "/extends" if "extends" in document else _nearest(direct, document)


def _divided(steps: list[str], document: Mapping[str, Any]) -> tuple[list[str], list[str], Sequence[tuple[str, str]]]:
    """Where the author has the block in question, the steps inside it, and the shorthands it may be written in."""
    if steps[:1] == ["auth"] and len(steps) > 1:
        above = [] if "auth" not in document and steps[1] == "default" else steps[:2]
        return above, steps[2:], _OF_METHOD
    return [], steps, _OF_DOCUMENT


def steps_in(document: object, steps: Sequence[str]) -> list[str] | None:
    """The steps as the document has them (one object may stand for a list of it); None when it has them not."""
    found: list[str] = []
    at = document
    for step in steps:
        if isinstance(at, Mapping) and step in at:
            at = cast(Mapping[str, object], at)[step]
        elif isinstance(at, list) and step.isdigit() and int(step) < len(cast(list[object], at)):
            at = cast(list[object], at)[int(step)]
        elif isinstance(at, Mapping) and step == "0":
            continue
        else:
            return None
        found.append(step)
    return found


def _nearest(steps: list[str], document: Mapping[str, Any]) -> str:
    for end in range(len(steps), -1, -1):
        if (found := steps_in(document, steps[:end])) is not None:
            return pointer(found) or pointer(steps)
    return ""


def without(document: dict[str, Any], path: str) -> None:
    """Takes the member at `path` out, in place; of a list, the whole list, so that no other index moves."""
    steps = parts_of(path)
    while steps:
        parent: Any = document
        for step in steps[:-1]:
            parent = cast(Any, parent[int(step)] if isinstance(parent, list) else parent[step])
        if isinstance(parent, dict) and steps[-1] in parent:
            del parent[steps[-1]]
            return
        steps.pop()
    document.clear()
