"""How large a document may get: checking one takes time that everybody waits for, and anybody may send one."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from tieline.errors import Fault
from tieline.manifest.merging import as_object

MOST_INPUTS = 200
MOST_METHODS = 30
MOST_VARIANTS = 100
MOST_VALUES = 10_000
MOST_PATCHED = 50_000
"""Values, counted anew for each variant that patches them."""
_APART = "Make several providers of it, which may extend one."


def size_faults(document: Mapping[str, Any]) -> Iterator[Fault]:
    """Of a document or a normal form whose shape is not checked yet."""
    methods = as_object(document.get("auth"))
    variants = document.get("variants")
    patches = cast("list[object]", variants) if isinstance(variants, list) else []
    yield from _more_than(MOST_INPUTS, "/inputs", document.get("inputs"))
    yield from _more_than(MOST_METHODS, "/auth", methods)
    yield from _more_than(MOST_VARIANTS, "/variants", patches)
    for name, method in list(methods.items())[:MOST_METHODS]:
        yield from _more_than(MOST_INPUTS, f"/auth/{name}/inputs", as_object(method).get("inputs"))
    values = _count(document)
    if values > MOST_VALUES:
        yield Fault("", "too_large", f"The document has {values} values, of which {MOST_VALUES} are the most.", _APART)
    elif values * sum(1 for each in patches if as_object(each).get("override")) > MOST_PATCHED:
        yield Fault("/variants", "too_large", "So many variants cannot patch so large a document.", _APART)


def _more_than(most: int, at: str, members: object) -> Iterator[Fault]:
    count = len(cast("list[object]", members)) if isinstance(members, dict | list) else 0
    if count > most:
        yield Fault(at, "too_many", f"There are {count} here, of which {most} are the most.")


def _count(document: object) -> int:
    """Of members and items, at any depth."""
    count, todo = 0, [document]
    while todo:
        value = todo.pop()
        members = list(as_object(value).values())
        if isinstance(value, list):
            members = cast("list[object]", value)
        count += len(members)
        todo += members
    return count
