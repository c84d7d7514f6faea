"""From a place in the normal form back to where the author wrote it: a fault points at the author's own line."""

from collections.abc import Iterator, Mapping, Sequence
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
    candidates = list(_candidates(path, document))
    for candidate in candidates:
        if (found := steps_in(document, candidate)) is not None:
            return pointer(found)
    for candidate in candidates[: 2 if path.startswith("/auth/") else 1]:
        parent = steps_in(document, candidate[:-1])
        if parent is not None and (len(candidate) > 1 or "extends" not in document):
            return pointer([*parent, *candidate[-1:]])
    return "/extends" if "extends" in document else _nearest(candidates[-1], document)


def _candidates(path: str, document: Mapping[str, Any]) -> Iterator[list[str]]:
    steps = parts_of(path)
    if steps[:1] == ["auth"] and len(steps) > 1:
        above = [] if "auth" not in document and steps[1] == "default" else steps[:2]
        yield steps
        yield [*above, *steps[2:]]
        yield from ([*above, *each] for each in _shorthands(steps[2:], _OF_METHOD))
    else:
        yield steps
        yield from _shorthands(steps, _OF_DOCUMENT)
    if steps[:1] == ["inputs"] or steps[:1] == ["auth"]:
        yield steps[2:] if steps[:1] == ["auth"] else ["webhooks"]


def _shorthands(steps: list[str], table: Sequence[tuple[str, str]]) -> Iterator[list[str]]:
    for made, written in table:
        head = made.split("/")
        if steps[: len(head)] == head:
            yield written.split("/")


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
            return pointer(found)
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
