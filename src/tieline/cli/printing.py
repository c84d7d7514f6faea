"""How values are shown: tables for people, JSON for programs. Nothing that others named can steer the terminal."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import cast

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]+")
_WIDEST = 60


def one_line(value: object) -> str:
    """Text on one line, without control characters: names and messages come from others."""
    return _CONTROL.sub(" ", str(value)).strip()


def print_json(value: object) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    # JSON lets DEL and the C1 controls stand as they are; a terminal obeys them.
    print(re.sub(r"[\x7f-\x9f]", lambda found: f"\\u{ord(found[0]):04x}", text))


def print_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns two spaces apart. Without rows only the head is printed."""
    lines = [tuple(head), *(tuple(_cell(value) for value in row) for row in rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(head))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def print_fields(values: Mapping[str, object], *, indent: int = 0) -> None:
    """A value by its members, a line each; those that are empty are left out."""
    shown = {name: value for name, value in values.items() if value not in (None, "", [], {}, ())}
    width = max((len(name) for name in shown), default=0)
    for name, value in shown.items():
        label = " " * indent + one_line(name).ljust(width)
        match value:
            case dict() if value:
                print(label.rstrip())
                print_fields(cast("Mapping[str, object]", value), indent=indent + 2)
            case [dict(), *_]:  # pyright: ignore[reportUnknownVariableType]  # any JSON
                print(label.rstrip())
                for item in cast("list[Mapping[str, object]]", value):
                    print_fields(item, indent=indent + 2)
            case _:
                print(f"{label}  {_text(value)}")


def _cell(value: object) -> str:
    text = _text(value)
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def _text(value: object) -> str:
    match value:
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(one_line(item) for item in cast("Sequence[object]", value)) or "-"
        case _:
            return one_line(value)
