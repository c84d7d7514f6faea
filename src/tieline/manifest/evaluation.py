"""Trees made into closures, and templates made of them. Compiling finds every fault that a value cannot change.

An expression that comes out null or empty counts as a missing variable, unless it says `default`. Inside a list,
what a message leaves out counts as empty text; what we hold ourselves (a secret, an input) must be there.
"""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from tieline.manifest.expressions import (
    Call,
    Concat,
    Items,
    Literal,
    Lookup,
    Node,
    Pipe,
    TemplateFault,
    Variable,
    dotted,
    names_of,
    parse_template,
    walk,
)
from tieline.manifest.filters import FILTERS, Filter
from tieline.manifest.values import BUDGET, MAX_BYTES, MAX_TEXT, Missing, Unrenderable, joined, member

Scope = Mapping[str, object]
Evaluate = Callable[[Scope, "Meter"], object]
Step = Callable[[object, Scope, "Meter"], object]

# Everything of these comes out of one message; what it leaves out, it left out.
_MESSAGES = frozenset(
    {"body", "callback", "cookies", "event", "form", "headers", "item", "jwt", "query", "sig", "steps"}
)


class Meter:
    """Counts the work of one rendering."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = BUDGET

    def spend(self, units: int) -> None:
        self.left -= units
        if self.left < 0:
            raise Unrenderable("The template does too much work.")


@dataclass(frozen=True, slots=True)
class Expression:
    """One `{{ }}`. `value` raises Missing instead of answering null or empty text."""

    node: Node
    names: frozenset[str]
    value: Evaluate = field(repr=False, compare=False)

    @property
    def last_filter(self) -> str | None:
        return self.node.calls[-1].name if isinstance(self.node, Pipe) else None


@dataclass(frozen=True, slots=True)
class Template:
    """Compiled text. `names` are dotted as far as they are literal; `literal` is the text without any expression."""

    text: str
    parts: tuple[str | Expression, ...]
    names: frozenset[str]
    filters: frozenset[str]
    literal: str | None

    def render(self, scope: Scope) -> object:
        """A template that is one whole `{{ }}` keeps its type; else text, or bytes if a part is bytes."""
        if self.literal is not None:
            return self.literal
        meter = Meter()
        if len(self.parts) == 1:
            part = self.parts[0]
            return part if isinstance(part, str) else part.value(scope, meter)
        return joined(part if isinstance(part, str) else part.value(scope, meter) for part in self.parts)


@lru_cache(maxsize=2048)
def compile_template(text: str) -> Template:
    """Raises TemplateFault."""
    pieces = parse_template(text)
    nodes = [piece for piece in pieces if not isinstance(piece, str)]
    return Template(
        text=text,
        parts=tuple(piece if isinstance(piece, str) else _expression(piece) for piece in pieces),
        names=frozenset(name for node in nodes for name in names_of(node)),
        filters=frozenset(each.name for node in nodes for each in walk(node) if isinstance(each, Call)),
        literal=None if nodes else text,
    )


def _expression(node: Node) -> Expression:
    names = names_of(node)
    evaluate = _compiled(node)
    if isinstance(node, Variable | Lookup) or node == Literal("") or _says_default(node):
        return Expression(node, names, evaluate)
    name = min(names, default="null")

    def value(scope: Scope, meter: Meter) -> object:
        found = evaluate(scope, meter)
        if found is None or found == "":
            raise Missing(name)
        return found

    return Expression(node, names, value)


def _says_default(node: Node) -> bool:
    return any(isinstance(each, Call) and each.name == "default" for each in walk(node))


def _compiled(node: Node) -> Evaluate:
    match node:
        case Literal(value):
            return lambda scope, meter: value
        case Variable(name):
            return _variable(name)
        case Lookup(Variable(name), keys) if all(isinstance(key, Literal) for key in keys):
            return _path(name, keys)
        case Lookup(of, keys):
            return _lookup(of, keys)
        case Pipe(of, calls):
            return _pipe(of, calls)
        case Concat(parts):
            return _concat(parts)
        case Items(members):
            return _items(members)


def _variable(name: str) -> Evaluate:
    def read(scope: Scope, meter: Meter) -> object:
        value = scope.get(name)
        if value is None or value == "":
            raise Missing(name)
        return value

    return read


def _path(name: str, keys: tuple[Node, ...]) -> Evaluate:
    full = dotted(name, keys)
    steps = tuple(key.value for key in keys if isinstance(key, Literal))

    def read(scope: Scope, meter: Meter) -> object:
        value = scope.get(name)
        for step in steps:
            value = member(value, step)
        if value is None or value == "":
            raise Missing(full)
        return value

    return read


def _lookup(of: Node, keys: tuple[Node, ...]) -> Evaluate:
    root = _compiled(of)
    steps = tuple(_compiled(key) for key in keys)
    name = dotted(of.name, keys) if isinstance(of, Variable) else _a_name(of)

    def read(scope: Scope, meter: Meter) -> object:
        value = root(scope, meter)
        for step in steps:
            value = member(value, step(scope, meter))
        if value is None or value == "":
            raise Missing(name)
        return value

    return read


def _concat(parts: tuple[Node, ...]) -> Evaluate:
    operands = tuple(_present(part) for part in parts)

    def read(scope: Scope, meter: Meter) -> object:
        value = joined(operand(scope, meter) for operand in operands)
        meter.spend(len(value) if isinstance(value, bytes) else 4 * len(value))
        return value

    return read


def _items(members: tuple[Node, ...]) -> Evaluate:
    readers = tuple(_list_member(each) for each in members)
    name = min((name for each in members for name in names_of(each)), default="")

    def read(scope: Scope, meter: Meter) -> object:
        values = [reader(scope, meter) for reader in readers]
        if name and all(value is None for value in values):
            raise Missing(name)
        return values

    return read


def _list_member(node: Node) -> Evaluate:
    if isinstance(node, Literal):
        return _compiled(node)
    return _tolerant(node) if _of_messages(node) else _present(node)


def _of_messages(node: Node) -> bool:
    names = names_of(node)
    return bool(names) and all(name.split(".", 1)[0] in _MESSAGES for name in names)


def _tolerant(node: Node) -> Evaluate:
    evaluate = _compiled(node)

    def read(scope: Scope, meter: Meter) -> object:
        try:
            return evaluate(scope, meter)
        except Missing:
            return None

    return read


def _present(node: Node) -> Evaluate:
    """The value of an operand, which may not be null."""
    evaluate, name = _compiled(node), _a_name(node)

    def read(scope: Scope, meter: Meter) -> object:
        value = evaluate(scope, meter)
        if value is None:
            raise Missing(name)
        return value

    return read


def _pipe(of: Node, calls: tuple[Call, ...]) -> Evaluate:
    if any(call.name == "default" for call in calls):
        return _pipe_with_default(of, calls)
    subject, steps = _present(of), tuple(_step(call) for call in calls)
    name = _a_name(of)

    def run(scope: Scope, meter: Meter) -> object:
        value = subject(scope, meter)
        for step in steps:
            if value is None:
                raise Missing(name)
            value = step(value, scope, meter)
        return value

    return run


def _pipe_with_default(of: Node, calls: tuple[Call, ...]) -> Evaluate:
    subject = _tolerant(of)
    steps = tuple((call.name == "default", _step(call)) for call in calls)
    name = _a_name(of)

    def run(scope: Scope, meter: Meter) -> object:
        value = subject(scope, meter)
        for is_default, step in steps:
            wanted = value is None or value == "" if is_default else value is not None
            if not wanted:
                continue
            try:
                value = step(value, scope, meter)
            except Missing:
                value = None
        if value is None:
            raise Missing(name)
        return value

    return run


def _step(call: Call) -> Step:
    wanted = _checked(call)
    arguments = tuple(_present(argument) for argument in call.arguments)
    if call.name == "default":
        return lambda value, scope, meter: arguments[0](scope, meter)
    apply, cost = wanted.apply, wanted.cost

    def run(value: object, scope: Scope, meter: Meter) -> object:
        given = [argument(scope, meter) for argument in arguments]
        meter.spend(cost(value, *given))
        found = apply(value, *given)
        _bounded(found)
        return found

    return run


def _checked(call: Call) -> Filter:
    wanted = FILTERS.get(call.name)
    if wanted is None:
        near = difflib.get_close_matches(call.name, FILTERS, 1)
        raise TemplateFault(
            f"There is no filter `{call.name}`.",
            call.at,
            f"Did you mean `{near[0]}`?" if near else "See the list of filters.",
        )
    if not wanted.least <= len(call.arguments) <= wanted.most:
        many = str(wanted.least) if wanted.least == wanted.most else f"{wanted.least} to {wanted.most}"
        raise TemplateFault(f"`{call.name}` takes {many} arguments, not {len(call.arguments)}.", call.at)
    if wanted.check and isinstance(call.arguments[0], Literal):
        try:
            wanted.check(call.arguments[0].value)
        except Unrenderable as fault:
            raise TemplateFault(f"`{call.name}` cannot take this.", call.at, fault.message) from None
    return wanted


def _bounded(value: object) -> None:
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise Unrenderable("The text grows too large.")
    if isinstance(value, bytes) and len(value) > MAX_BYTES:
        raise Unrenderable("The bytes grow too large.")


def _a_name(node: Node) -> str:
    return min(names_of(node), default="null")
