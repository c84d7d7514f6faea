"""The keys of this installation while it runs: which there are, how one takes over from another, how one is dropped.

Whichever process was started last with another key in the first place has decided which key seals; all others that
know that key follow within a second.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import structlog
from sqlalchemy import Connection, select, update

from tieline.errors import Conflict, InvalidRequest, Misconfigured, NotFound, StorageUnavailable
from tieline.shapes import Shape
from tieline.storage import key_file
from tieline.storage.cells import Cells
from tieline.storage.changes import Changes, bump
from tieline.storage.database import Database
from tieline.storage.keyring import KeyRing
from tieline.storage.keys import TOPIC, admit
from tieline.storage.metadata import alone
from tieline.storage.rotation import Resealed, Rotation, counted
from tieline.storage.tables import encryption_keys
from tieline.storage.vault import Vault
from tieline.trace import kind_and_steps

_SPREAD = timedelta(seconds=2)
"""Until all running processes have read a key file again."""
_log = structlog.get_logger("tieline.keys")


class Key(Shape):
    """`values` is how many are sealed with it. `here`: whether this process has it."""

    id: str
    state: Literal["new", "primary", "readable", "retired"]
    values: int
    here: bool
    created_at: datetime


class Keys:
    """`start()` follows what other processes decide. `file` is where the ring stands, if not in the settings."""

    def __init__(
        self, database: Database, vault: Vault, cells: Sequence[Cells], changes: Changes, *, file: Path | None
    ) -> None:
        self._database = database
        self._vault = vault
        self._cells = cells
        self._changes = changes
        self._file = file
        self._rotation = Rotation(database, vault, cells)
        self._task: asyncio.Task[None] | None = None

    @property
    def several(self) -> bool:
        """Whether there may be something to seal anew."""
        return len(self._vault.ring.keys) > 1

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="tieline-keys")

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def list(self) -> list[Key]:
        """Oldest first."""

        def load(connection: Connection) -> "list[Key]":
            rows = connection.execute(select(encryption_keys).order_by(encryption_keys.c.created_at)).all()
            counts = counted(connection, self._cells, [row.id for row in rows])
            ring = self._vault.ring.keys
            return [
                Key(id=row.id, state=row.state, values=counts[row.id], here=row.id in ring, created_at=row.created_at)
                for row in rows
            ]

        return await self._database.read(load)

    async def add(self) -> str:
        """A new key at the end of the key file, which opens and does not seal yet; its id. Raises InvalidRequest where
        the ring stands in the settings: its owner adds it there."""
        if self._file is None:
            raise InvalidRequest("The key ring stands in TIELINE_KEYS. Add a key there, behind the first one.")
        ring = key_file.read(self._file) or self._vault.ring
        known = [key.id for key in await self.list()]
        new = KeyRing(ring.primary, {**ring.keys, **dict.fromkeys(known, b"")}).free_id()
        ring = ring.joined_by(KeyRing.generate(new))
        key_file.replace(self._file, ring)
        await admit(ring, self._database)
        self._vault.use(ring)
        return new

    async def rotate(self) -> Resealed:
        """The newest key seals from now on, and everything is sealed anew with it. To be run again if it is stopped.

        Raises InvalidRequest when there is no newer key, or the settings do not name it first.
        """
        newest = (await self.list())[-1]
        if not self.several and newest.here:
            raise InvalidRequest("There is one key only. Add another one first: `tieline keys add`.")
        if newest.state != "primary":
            await self._lead(newest)
        return await self.reseal()

    async def reseal(self, *, seconds: float = float("inf")) -> Resealed:
        """Everything under the key that seals now, as far as that takes no longer."""
        return await self._rotation.run(seconds=seconds)

    async def drop(self, key_id: str) -> None:
        """It may be missing from now on. Raises NotFound, and Conflict while it seals or anything is sealed with it."""

        def retire(connection: Connection) -> None:
            alone(connection, "keys")
            row = connection.execute(select(encryption_keys).where(encryption_keys.c.id == key_id)).first()
            if row is None:
                raise NotFound(f"There is no key {key_id[:70]!r} here.")
            if row.state == "primary":
                raise Conflict(f"The key {key_id} is the one that seals. Let another one take over first.")
            if values := counted(connection, self._cells, [key_id])[key_id]:
                raise Conflict(
                    f"{values} values are still sealed with {key_id}. Run: tieline keys rotate", values=values
                )
            connection.execute(update(encryption_keys).where(encryption_keys.c.id == key_id).values(state="retired"))
            bump(connection, TOPIC)

        await self._database.write(retire)
        ring = self._vault.ring.without(key_id)
        if self._file is not None:
            key_file.replace(self._file, ring)
        self._vault.use(ring)

    async def _lead(self, newest: Key) -> None:
        if self._file is None or not newest.here:
            raise InvalidRequest(
                f"The newest key, {newest.id}, does not stand first in the ring. Put it first in TIELINE_KEYS, keep "
                "the others behind it, and start every process anew."
            )
        # A process that has not read the key file again could not open what this one seals.
        await asyncio.sleep(max(0.0, (newest.created_at + _SPREAD - datetime.now(UTC)).total_seconds()))
        ring = self._vault.ring.led_by(newest.id)
        key_file.replace(self._file, ring)
        await admit(ring, self._database)
        self._vault.use(ring)

    async def _run(self) -> None:
        seen = self._changes.seen(TOPIC)
        while True:
            await asyncio.sleep(0.25)
            if self._changes.seen(TOPIC) == seen:
                continue
            now = self._changes.seen(TOPIC)
            try:
                await self.follow()
                seen = now
            except StorageUnavailable:
                continue
            except Exception as error:
                # Whatever it is, the next round tries again: to seal with a key of before for good would lose values.
                _log.error("keys.failed", **kind_and_steps(error))

    async def follow(self) -> None:
        """Take the key file's keys, where there is one, and seal with the key that the database names."""
        query = select(encryption_keys.c.id).where(encryption_keys.c.state == "primary")
        primary = await self._database.read(lambda connection: connection.execute(query).scalar())
        ring = self._vault.ring
        if self._file is not None:
            try:
                ring = key_file.read(self._file) or ring
            except (Misconfigured, OSError) as error:
                _log.error("keys.unreadable", reason=type(error).__name__)
        if primary is None or primary not in ring.keys:
            _log.error("keys.missing", key=primary)
            return
        if ring.keys != self._vault.ring.keys or primary != self._vault.ring.primary:
            _log.info("keys.changed", sealing=primary)
            self._vault.use(ring.led_by(primary))
