"""The expressions between `{{` and `}}`: text in, a small frozen tree out. Nothing is evaluated here.

A strict subset of Jinja2's syntax:

    expr    = pipe { "~" pipe }
    pipe    = postfix { "|" name [ "(" args ")" ] }
    postfix = atom { "." name | "[" expr "]" }
    atom    = string | integer | true | false | null | name | "(" expr ")" | "[" args "]"
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

MAX_TEMPLATE = 32 * 1024
MAX_DEPTH = 32
MAX_NODES = 500

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<name>[A-Za-z_]\w*)
      | (?P<integer>-?\d+)
      | (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
      | (?P<mark>\}\}|[~|.,()\[\]])
    )""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "'": "'", '"': '"'}
_STATEMENT = re.compile(r"\{[%#][-+]?\s")
_RESERVED = frozenset({"and", "else", "for", "if", "in", "is", "not", "or"})
_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "null": None}


class TemplateFault(ValueError):
    """A template that can never be rendered. `position` counts characters from 0; `hint` says how to mend it."""

    def __init__(self, message: str, position: int, hint: str = "") -> None:
        super().__init__(f"{message} (at character {position})")
        self.message = message
        self.position = position
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Literal:
    value: str | int | None


@dataclass(frozen=True, slots=True)
class Variable:
    name: str


@dataclass(frozen=True, slots=True)
class Lookup:
    """`of.key[key]...`"""

    of: "Node"
    keys: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Call:
    """One filter with its arguments; `at` is where it stands in the template."""

    name: str
    arguments: "tuple[Node, ...]"
    at: int


@dataclass(frozen=True, slots=True)
class Pipe:
    of: "Node"
    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Concat:
    parts: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Items:
    members: "tuple[Node, ...]"


Node = Literal | Variable | Lookup | Pipe | Concat | Items


def parse_template(text: str) -> tuple[str | Node, ...]:
    """The literal texts and the expressions of a template, in order. Raises TemplateFault."""
    if len(text) > MAX_TEMPLATE:
        raise TemplateFault("The template is too long.", MAX_TEMPLATE, f"At most {MAX_TEMPLATE} characters.")
    pieces: list[str | Node] = []
    at, left = 0, MAX_NODES
    while (start := text.find("{{", at)) >= 0:
        _refuse_statements(text, at, start)
        if start > at:
            pieces.append(text[at:start])
        parser = _Parser(text, start + 2, left)
        pieces.append(parser.whole())
        at, left = parser.at, parser.left
    _refuse_statements(text, at, len(text))
    if at < len(text):
        pieces.append(text[at:])
    return tuple(pieces)


def walk(node: Node) -> Iterator[Node | Call]:
    """This node and every one below it."""
    yield node
    match node:
        case Lookup(of, keys):
            below = (of, *keys)
        case Pipe(of, calls):
            yield from calls
            below = (of, *(argument for call in calls for argument in call.arguments))
        case Concat(members) | Items(members):
            below = members
        case _:
            below = ()
    for each in below:
        yield from walk(each)


def names_of(node: Node) -> frozenset[str]:
    """The variables it reads, dotted as far as the keys are literal: `steps.login.body.token`."""
    names: set[str] = set()
    inside: set[int] = set()
    for each in walk(node):
        match each:
            case Lookup(Variable(name) as root, keys):
                inside.add(id(root))
                names.add(dotted(name, keys))
            case Variable(name) if id(each) not in inside:
                names.add(name)
            case _:
                pass
    return frozenset(names)


def dotted(name: str, keys: tuple[Node, ...]) -> str:
    for key in keys:
        if not isinstance(key, Literal):
            break
        name = f"{name}.{key.value}"
    return name


def _refuse_statements(text: str, start: int, end: int) -> None:
    if found := _STATEMENT.search(text, start, end):
        raise TemplateFault(
            "There are no statements and no comments in templates.",
            found.start(),
            "Use an expression in {{ }}; a list of templates is a choice.",
        )


class _Parser:
    """Recursive descent over one expression; `at` ends behind its `}}`."""

    def __init__(self, text: str, at: int, left: int) -> None:
        self.text = text
        self.at = at
        self.left = left
        self.depth = 0
        self.start = at
        self.kind = ""
        self.token = ""
        if text.startswith("-", at):
            raise TemplateFault("Whitespace control is not part of the language.", at, "Remove the dash.")
        self._advance()

    def whole(self) -> Node:
        node = self._expression()
        if not self._is("}}"):
            self._unexpected("an operator or `}}`")
        return node

    def _advance(self) -> None:
        found = _TOKEN.match(self.text, self.at)
        if found is None:
            self._unreadable()
        self.kind = found.lastgroup or ""
        self.token = found[self.kind]
        self.start = found.start(self.kind)
        self.at = found.end()

    def _is(self, mark: str) -> bool:
        return self.kind == "mark" and self.token == mark

    def _take(self, mark: str) -> bool:
        if not self._is(mark):
            return False
        self._advance()
        return True

    def _need(self, mark: str) -> None:
        if not self._take(mark):
            self._unexpected(f"`{mark}`")

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise TemplateFault("The template is too complicated.", self.start, f"At most {MAX_NODES} terms.")

    def _expression(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise TemplateFault("The expression is nested too deeply.", self.start, f"At most {MAX_DEPTH} levels.")
        parts = [self._pipe()]
        while self._take("~"):
            parts.append(self._pipe())
        self.depth -= 1
        return parts[0] if len(parts) == 1 else Concat(tuple(parts))

    def _pipe(self) -> Node:
        subject = self._postfix()
        calls: list[Call] = []
        while self._take("|"):
            calls.append(self._call())
        return Pipe(subject, tuple(calls)) if calls else subject

    def _call(self) -> Call:
        self._count()
        at, name = self.start, self._name("the name of a filter")
        arguments: tuple[Node, ...] = ()
        if self._take("("):
            arguments = self._arguments(")")
        return Call(name, arguments, at)

    def _postfix(self) -> Node:
        subject = self._atom()
        keys: list[Node] = []
        last = subject.name if isinstance(subject, Variable) else None
        while True:
            if self._take("."):
                key: Node = Literal(self._name("a name"))
            elif self._take("["):
                key = self._expression()
                self._need("]")
            else:
                break
            self._count()
            if last == "headers" and isinstance(key, Literal) and isinstance(key.value, str):
                key = Literal(key.value.lower())
            last = key.value if isinstance(key, Literal) else None
            keys.append(key)
        return Lookup(subject, tuple(keys)) if keys else subject

    def _atom(self) -> Node:
        self._count()
        kind, token = self.kind, self.token
        if self._take("("):
            node = self._expression()
            self._need(")")
            return node
        if self._take("["):
            return Items(self._arguments("]"))
        if kind == "mark":
            self._unexpected("a value")
        if kind == "name" and token in _RESERVED:
            raise TemplateFault(
                f"`{token}` is not part of the language.", self.start, "There are no conditions and no comparisons."
            )
        if kind == "integer" and len(token) > 16:
            raise TemplateFault("The number is too large.", self.start, "Write it as text, in quotes.")
        self._advance()
        if kind == "string":
            return Literal(_ESCAPE.sub(_unescape, token[1:-1]))
        if kind == "integer":
            return Literal(int(token))
        return Literal(_CONSTANTS[token]) if token in _CONSTANTS else Variable(token)

    def _arguments(self, end: str) -> tuple[Node, ...]:
        members: list[Node] = []
        while not self._is(end):
            members.append(self._expression())
            if not self._take(","):
                break
        self._need(end)
        return tuple(members)

    def _name(self, what: str) -> str:
        if self.kind != "name":
            self._unexpected(what)
        name = self.token
        self._advance()
        return name

    def _unexpected(self, wanted: str) -> NoReturn:
        raise TemplateFault(f"Expected {wanted}, found `{self.token}`.", self.start)

    def _unreadable(self) -> NoReturn:
        at = self.at + len(self.text[self.at :]) - len(self.text[self.at :].lstrip())
        if at >= len(self.text):
            raise TemplateFault("The expression is not closed.", at, "End it with `}}`.")
        if self.text[at] in "'\"":
            raise TemplateFault("The text is not closed.", at, f"End it with {self.text[at]}.")
        raise TemplateFault(f"Unexpected character `{self.text[at]}`.", at)


def _unescape(found: re.Match[str]) -> str:
    """Python's escapes that a template needs; any other backslash stays, so that a pattern needs no doubling."""
    code = found[1] or found[2]
    return chr(int(code, 16)) if code else _ESCAPES.get(found[3], found[0])
