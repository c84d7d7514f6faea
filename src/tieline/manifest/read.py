"""Text to document: strict JSON, or YAML 1.2 without its traps.

Refused: duplicate keys, NaN and infinity, aliases (an alias bomb needs few bytes), explicit tags, more than 64 levels,
more than 1 MiB. YAML is built from the parser's events, so that `on`, `no` and `2024-01-01` stay text.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, Literal, NoReturn, cast

import yaml

from tieline.errors import Fault, InvalidProvider
from tieline.manifest.values import is_storable

LARGEST = 1024 * 1024
DEEPEST = 64
LONGEST_NUMBER = 40

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORDS = {"": None, "~": None, "null": None, "Null": None, "NULL": None, "true": True, "false": False}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def read_document(text: str | bytes, *, media: Literal["json", "yaml"]) -> dict[str, Any]:
    """Reads one document. Raises InvalidProvider with the line of what cannot be read."""
    document = _from_json(_decoded(text)) if media == "json" else _from_yaml(_decoded(text))
    if not isinstance(document, dict):
        refuse("A provider document is an object.", hint="Start with `name: ...`.")
    return cast(dict[str, Any], document)


def refuse(message: str, *, code: str = "unreadable", hint: str = "") -> NoReturn:
    raise InvalidProvider(message, errors=[Fault(path="", code=code, message=message, hint=hint)])


def _decoded(text: str | bytes) -> str:
    if isinstance(text, str):
        size = len(text.encode(errors="surrogatepass"))
    else:
        size = len(text)
    if size > LARGEST:
        refuse("The document is larger than 1 MiB.", code="too_large")
    try:
        return text if isinstance(text, str) else text.decode("utf-8-sig")
    except UnicodeDecodeError:
        refuse("The document is not UTF-8 text.")


def _from_json(text: str) -> object:
    try:
        document = json.loads(
            text, object_pairs_hook=_object, parse_constant=_no_constant, parse_float=_float, parse_int=_integer
        )
    except RecursionError:
        refuse(f"The document is nested more than {DEEPEST} levels deep.", code="too_deep")
    except json.JSONDecodeError as error:
        refuse(f"This is not JSON: {error.msg} (line {error.lineno}, column {error.colno}).")
    check_tree(document)
    return document


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members: dict[str, object] = {}
    for key, value in pairs:
        if key in members:
            refuse(f"The key {key!r} stands twice in one object.", code="duplicate_key", hint="Keep one of them.")
        members[key] = value
    return members


def _no_constant(name: str) -> NoReturn:
    refuse(f"{name} is not a number that a document may hold.")


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        refuse(f"{text[:LONGEST_NUMBER]} is too large a number.")
    return number


def _integer(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        refuse("The document holds a number that is too long.")
    return int(text)


def check_tree(document: object) -> None:
    """Depth and text, also of a document that came parsed.

    A lone surrogate or a NUL could be neither stored nor hashed. Raises InvalidProvider.
    """
    todo = [(document, 1)]
    while todo:
        value, depth = todo.pop()
        if depth > DEEPEST:
            refuse(f"The document is nested more than {DEEPEST} levels deep.", code="too_deep")
        match value:
            case str():
                _check_text(value)
            case dict():
                for key, member in cast(dict[str, object], value).items():
                    _check_text(key)
                    todo.append((member, depth + 1))
            case list():
                todo.extend((item, depth + 1) for item in cast(list[object], value))
            case _:
                pass


def _check_text(text: str) -> None:
    if not is_storable(text):
        refuse("The document holds a character that is no text (NUL or half of a surrogate pair).")


def _from_yaml(text: str) -> object:
    events = _events(text)
    document: object = None
    found = False
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            if found:
                refuse(f"Line {_line(event)} starts a second document.", hint="Send one document at a time.")
            found = True
            document = _node(next(events), events, depth=1)
    check_tree(document)
    return document


def _events(text: str) -> Iterator[Any]:
    loader = _Loader(text)
    try:
        while loader.check_event():
            yield loader.get_event()
    except yaml.MarkedYAMLError as error:
        where = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
        refuse(f"This is not YAML: {error.problem or error.context}{where}.")
    except yaml.YAMLError:
        refuse("This is not YAML: it holds characters that YAML does not allow.")
    finally:
        loader.dispose()


def _line(event: Any) -> int:
    return event.start_mark.line + 1


def _node(event: Any, events: Iterator[Any], *, depth: int) -> object:
    if depth > DEEPEST:
        refuse(f"The document is nested more than {DEEPEST} levels deep.", code="too_deep")
    if isinstance(event, yaml.AliasEvent):
        refuse(f"Line {_line(event)} uses an alias (*{event.anchor}).", code="alias", hint="Write the value out.")
    if event.tag is not None and not (isinstance(event, yaml.ScalarEvent) and event.tag == "!"):
        refuse(f"Line {_line(event)} has a tag ({event.tag}).", code="tag", hint="Quote text instead.")
    match event:
        case yaml.ScalarEvent():
            return _scalar(event)
        case yaml.SequenceStartEvent():
            items: list[object] = []
            while not isinstance(event := next(events), yaml.SequenceEndEvent):
                items.append(_node(event, events, depth=depth + 1))
            return items
        case _:
            return _mapping(events, depth=depth)


def _mapping(events: Iterator[Any], *, depth: int) -> dict[str, object]:
    members: dict[str, object] = {}
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        if not isinstance(event, yaml.ScalarEvent):
            refuse(f"The key in line {_line(event)} is not text.")
        key = cast(str, event.value)
        if key in members:
            refuse(f"The key {key!r} stands twice in one object (line {_line(event)}).", code="duplicate_key")
        members[key] = _node(next(events), events, depth=depth + 1)
    return members


def _scalar(event: Any) -> object:
    text = cast(str, event.value)
    if event.style or event.tag:  # quoted, a block, or marked as text
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _NOT_FINITE.fullmatch(text):
        refuse(f"Line {_line(event)}: {text} is not a number that a document may hold.")
    if _INTEGER.fullmatch(text):
        return _integer(text)
    if _OCTAL.fullmatch(text) or _HEXADECIMAL.fullmatch(text):
        return int(text, 0)
    return _float(text) if _FLOAT.fullmatch(text) else text
