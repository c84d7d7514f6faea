"""Seals everything anew under the key that seals now: while servers run, in batches, from any process, again and again.

Each value is exchanged only where it is still the one that was opened: what a refresh has stored meanwhile stays.
Nothing is remembered between batches but what the rows themselves say, so that a run that died is simply run again.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, not_, select, tuple_, update

from tieline.errors import SealBroken
from tieline.storage.cells import Cells
from tieline.storage.database import Database
from tieline.storage.vault import Vault

BATCH = 100


@dataclass(frozen=True)
class Resealed:
    """`broken` values do not open, and stay as they are. Not `finished` means that the time was up."""

    values: int
    broken: int
    finished: bool


@dataclass
class _Tally:
    values: int = 0
    broken: int = 0
    changed: int = 0


class Rotation:
    def __init__(self, database: Database, vault: Vault, cells: Sequence[Cells]) -> None:
        self._database = database
        self._vault = vault
        self._cells = cells

    async def run(self, *, seconds: float = float("inf")) -> Resealed:
        """Ends when nothing that opens is sealed with another key. Raises what the database raises."""
        deadline = time.monotonic() + seconds
        values = 0
        while True:
            tally = _Tally()
            for cells in self._cells:
                if not await self._pass(cells, tally, deadline):
                    return Resealed(values + tally.values, tally.broken, finished=False)
            values += tally.values
            # What somebody else changed under our hands is looked at again.
            if not tally.changed:
                return Resealed(values, tally.broken, finished=True)

    async def count(self, key_ids: Sequence[str]) -> dict[str, int]:
        """How many values each key has sealed."""
        return await self._database.read(lambda connection: counted(connection, self._cells, key_ids))

    async def _pass(self, cells: Cells, tally: _Tally, deadline: float) -> bool:
        """Once through the table, by its primary key. False when the time was up."""
        after: Sequence[object] | None = None
        while batch := await self._batch(cells, after):
            if time.monotonic() > deadline:
                return False
            await self._exchange(cells, batch, tally)
            after = [getattr(batch[-1], column.name) for column in cells.table.primary_key]
        return True

    async def _batch(self, cells: Cells, after: Sequence[object] | None) -> list[Row[Any]]:
        key = list(cells.table.primary_key)
        query = cells.rows.where(not_(cells.sealed_with(self._vault.ring.primary)))
        if after is not None:
            query = query.where(tuple_(*key) > tuple_(*after))
        query = query.order_by(*key).limit(BATCH)
        return await self._database.read(lambda connection: list(connection.execute(query)))

    async def _exchange(self, cells: Cells, batch: list[Row[Any]], tally: _Tally) -> None:
        anew = [(row, sealed) for row in batch if (sealed := self._anew(cells, row, tally))]
        exchanged = await self._database.write(lambda connection: _exchanged(connection, cells, anew))
        tally.values += exchanged
        tally.changed += len(anew) - exchanged

    def _anew(self, cells: Cells, row: Row[Any], tally: _Tally) -> bytes | None:
        about = cells.about(row)
        try:
            return self._vault.seal(self._vault.open(row.sealed, about=about), about=about)
        except SealBroken:
            tally.broken += 1
            return None


def counted(connection: Connection, every: Sequence[Cells], key_ids: Sequence[str]) -> dict[str, int]:
    found = dict.fromkeys(key_ids, 0)
    for cells in every:
        for key_id in key_ids:
            query = select(func.count()).select_from(cells.table).where(cells.sealed_with(key_id))
            found[key_id] += connection.execute(query).scalar_one()
    return found


def _exchanged(connection: Connection, cells: Cells, anew: list[tuple[Row[Any], bytes]]) -> int:
    """How many were still what had been opened."""
    table, exchanged = cells.table, 0
    for row, sealed in anew:
        here = [column == getattr(row, column.name) for column in table.primary_key]
        change = update(table).where(*here, table.c.sealed == row.sealed).values(sealed=sealed)
        exchanged += connection.execute(change).rowcount
    return exchanged
