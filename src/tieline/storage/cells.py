"""What is sealed where: every table with sealed values says how its rows are found and what each value is bound to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, LargeBinary, Row, Select, Table, func, select

from tieline.storage.tables import idempotency
from tieline.storage.vault import About, prefix


@dataclass(frozen=True)
class Cells:
    """The column `sealed` of one table. `rows` selects its primary key, `sealed`, and what `about` reads."""

    table: Table
    rows: Select[*tuple[Any, ...]]
    about: Callable[[Row[Any]], About]

    def sealed_with(self, key_id: str) -> ColumnElement[bool]:
        """NULL, and so false, where nothing is sealed."""
        start = prefix(key_id)
        return func.substr(self.table.c.sealed, 1, len(start), type_=LargeBinary()) == start


def about_answer(organization: str, actor: str, key: str) -> About:
    """Where the answer to a repeated request is sealed."""
    return About(organization, "idempotency", f"{actor}/{key}", "sealed")


ANSWERS = Cells(idempotency, select(idempotency), lambda row: about_answer(row.org, row.actor, row.key))
