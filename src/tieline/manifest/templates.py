"""Templates as the rest of Tieline uses them: one, the first that has all its values, a map, a tree, a test.

A template is text with `{{ expression }}` in it; see `expressions` for the grammar and `slots` for URLs and headers.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol, TypeVar

from tieline.manifest.evaluation import Expression, Scope, Template, compile_template
from tieline.manifest.expressions import TemplateFault
from tieline.manifest.searching import is_found
from tieline.manifest.slots import InputLike, check_url, first_of, render_header, render_url, render_xml
from tieline.manifest.values import Missing, Unrenderable, is_mapping, is_sequence, same, text_of

__all__ = [
    "Expression",
    "InputLike",
    "Missing",
    "Template",
    "TemplateFault",
    "TestLike",
    "Unrenderable",
    "check_url",
    "compile_template",
    "passes",
    "render_alt",
    "render_header",
    "render_map",
    "render_tree",
    "render_url",
    "render_xml",
]


class TestLike(Protocol):
    """What `passes` reads of a Test; an operator counts when it is in `model_fields_set` and not null."""

    __test__ = False

    @property
    def value(self) -> str: ...
    @property
    def equals(self) -> object: ...
    @property
    def in_(self) -> Sequence[object] | None: ...
    @property
    def matches(self) -> str | None: ...
    @property
    def contains(self) -> str | None: ...
    @property
    def exists(self) -> bool | None: ...
    @property
    def model_fields_set(self) -> AbstractSet[str]: ...


def render_alt(alt: str | Sequence[str], scope: Scope) -> object:
    """The first template whose variables all have values. Raises the last Missing."""
    return first_of(alt, lambda template: template.render(scope))


def render_map(
    values: Mapping[str, object], scope: Scope, *, optional: Container[str] | None = None
) -> dict[str, object]:
    """Name -> value; null members and members with a missing variable are left out.

    With `optional`, only a variable of that name (or of that first name) may be missing; else raises Missing.
    """
    rendered: dict[str, object] = {}
    for name, value in values.items():
        if value is None:
            continue
        try:
            rendered[name] = _map_value(value, scope, optional)
        except Missing as missing:
            if not _may_miss(missing.name, optional):
                raise
    return rendered


def render_tree(tree: object, scope: Scope, *, optional: Container[str] | None = None) -> object:
    """JSON with templates for strings; `optional` as in `render_map`.

    A member that comes out null or empty is left out, and so is an inner map or list that lost all its members;
    what is written as `""`, `{}` or `[]` stays. Raises Missing when the tree is one template without a value.
    """
    if is_mapping(tree):
        return dict(_kept(_pairs(tree), scope, optional))
    if is_sequence(tree):
        return [value for _, value in _kept(enumerate(tree), scope, optional)]
    if isinstance(tree, str):
        value = compile_template(tree).render(scope)
        return text_of(value) if isinstance(value, bytes) else value
    return tree


def passes(test: TestLike, scope: Scope) -> bool:
    """Whether every operator of the test holds; a test without one asks whether there is a value.

    A missing variable is null. Texts in `equals`, `in` and `contains` are templates themselves; one whose own
    variable is missing never holds, so that two absent secrets are not equal.
    """
    value = _or_none(test.value, scope)
    answers = list(_answers(test, value, scope))
    return all(answers) if answers else value is not None


Key = TypeVar("Key")


def _map_value(value: object, scope: Scope, optional: Container[str] | None) -> object:
    if isinstance(value, str):
        return compile_template(value).render(scope)
    if is_sequence(value):
        texts = [each for each in value if isinstance(each, str)]
        if texts and len(texts) == len(value):
            return render_alt(texts, scope)
    return _inner_tree(value, scope, optional)


def _inner_tree(tree: object, scope: Scope, optional: Container[str] | None) -> object:
    rendered = render_tree(tree, scope, optional=optional)
    if tree and rendered in ({}, []):
        raise Missing("")
    return rendered


def _pairs(tree: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    return ((name, each) for name, each in tree.items() if each is not None)


def _kept(
    members: Iterable[tuple[Key, object]], scope: Scope, optional: Container[str] | None
) -> Iterator[tuple[Key, object]]:
    for name, each in members:
        try:
            yield name, _inner_tree(each, scope, optional)
        except Missing as missing:
            if not _may_miss(missing.name, optional):
                raise


def _may_miss(name: str, optional: Container[str] | None) -> bool:
    """The empty name stands for a map or list that lost its members, each of which was allowed to be missing."""
    return optional is None or not name or name in optional or name.split(".", 1)[0] in optional


def _answers(test: TestLike, value: object, scope: Scope) -> Iterator[bool]:
    if "equals" in test.model_fields_set:
        yield _equals(value, test.equals, scope)
    if test.in_ is not None:
        yield any(_equals(value, each, scope) for each in test.in_)
    if test.matches is not None:
        yield value is not None and is_found(test.matches, text_of(value))
    if test.contains is not None:
        yield _contains(value, test.contains, scope)
    if test.exists is not None:
        yield (value is not None) == test.exists


def _or_none(text: str, scope: Scope) -> object:
    try:
        value = compile_template(text).render(scope)
    except Missing:
        return None
    return None if value == "" else value


def _equals(value: object, wanted: object, scope: Scope) -> bool:
    if wanted is None or wanted == "":
        return value is None
    if isinstance(wanted, str):
        wanted = _or_none(wanted, scope)
    return value is not None and wanted is not None and same(value, wanted)


def _contains(value: object, wanted: str, scope: Scope) -> bool:
    sought = _or_none(wanted, scope)
    if value is None or sought is None:
        return False
    if is_mapping(value):
        return text_of(sought) in value
    if is_sequence(value):
        return any(same(each, sought) for each in value)
    return text_of(sought) in text_of(value)
