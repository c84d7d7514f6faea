"""A SELECT of the hot path: built with Core, compiled once, and run on the bare driver, without SQLAlchemy's layers.

Its columns are labelled `part.column`; a part is read as one named tuple, or None when all of it is NULL.
"""

import json
from collections import namedtuple
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal

from sqlalchemy import Boolean, Column, ColumnElement, Select, Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect

from tieline.storage.lanes import Values
from tieline.storage.metadata import Json, UtcDateTime

_Reader = Callable[[Any], Any]
_named: Any = namedtuple  # its fields are known only when a select is


class Prepared:
    """`text` and `arguments` are for the driver, `read` makes a part of what it answers."""

    def __init__(self, select: Select[Any], dialect: Literal["sqlite", "postgresql"]) -> None:
        compiled = select.compile(dialect=asyncpg_dialect() if dialect == "postgresql" else sqlite.dialect())
        self.text = str(compiled)
        self._names = tuple(compiled.positiontup or ())
        self._fixed = dict(compiled.params)
        self._parts: dict[str, tuple[slice, type[Any], tuple[tuple[int, _Reader], ...]]] = {}
        labels = [(str(column.key).partition("."), column) for column in select.selected_columns]
        for part in dict.fromkeys(label[0] for label, _ in labels):
            places = [place for place, (label, _) in enumerate(labels) if label[0] == part]
            own = labels[places[0] : places[-1] + 1]
            readers = [(place, _reader(column, dialect)) for place, (_, column) in enumerate(own)]
            self._parts[part] = (
                slice(places[0], places[-1] + 1),
                _named(part, [label[2] for label, _ in own]),
                tuple((place, reader) for place, reader in readers if reader is not None),
            )

    def arguments(self, given: Mapping[str, object]) -> Values:
        return tuple([given[name] if name in given else self._fixed[name] for name in self._names])

    def raw(self, values: Values, part: str) -> Values:
        """As the driver gave it: equal exactly when the row is the same."""
        return values[self._parts[part][0]]

    def read(self, values: Values, part: str) -> Any:
        """A named tuple with the columns of this part; None when there is no such row."""
        stretch, made, readers = self._parts[part]
        own = list(values[stretch])
        if own[0] is None:
            return None
        for place, reader in readers:
            if own[place] is not None:
                own[place] = reader(own[place])
        return made._make(own)


def labelled(part: str, *columns: Column[Any] | ColumnElement[Any]) -> list[ColumnElement[Any]]:
    """The first one must be NOT NULL: by it one sees whether an outer join found anything."""
    return [column.label(f"{part}.{column.key}") for column in columns]


def all_of(part: str, table: Table) -> list[ColumnElement[Any]]:
    return labelled(part, *table.columns)


def _reader(column: ColumnElement[Any], dialect: str) -> _Reader | None:
    """What the driver's value still needs."""
    if isinstance(column.type, Json):
        return _parsed
    if dialect == "sqlite" and isinstance(column.type, UtcDateTime):
        return _moment
    return bool if dialect == "sqlite" and isinstance(column.type, Boolean) else None


def _parsed(text: str) -> Any:
    """What is short comes again and again; nobody changes what a row holds."""
    return _known(text) if len(text) < _SHORT else json.loads(text)


_SHORT = 256
_known = lru_cache(maxsize=4096)(json.loads)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
