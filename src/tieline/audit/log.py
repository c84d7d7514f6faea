"""The audit as others use it: log what is done, list it, verify it, export it; and the loop that seals."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from tieline.actor import Actor
from tieline.audit import reading
from tieline.audit.broken import BrokenSeals
from tieline.audit.chain import GENESIS, End, Entry, Head, Walk, read_mark
from tieline.audit.committer import Also, Committer
from tieline.audit.export import first_line, line
from tieline.audit.recording import row
from tieline.audit.seal import BATCH, Signer, seal, signer, waiting
from tieline.audit.types import AuditEvent, Verification
from tieline.errors import SealBroken, StorageFull, StorageUnavailable
from tieline.shapes import Page
from tieline.storage.database import Database
from tieline.storage.vault import Vault
from tieline.trace import kind_and_steps

_log = structlog.get_logger("tieline.audit")


class Audit:
    """`start()` begins to seal; without it events are written all the same, and stay unsealed."""

    def __init__(self, database: Database, vault: Vault, *, every: float = 0.5) -> None:
        self._database = database
        self._vault = vault
        self._every = every
        self._committer = Committer(database)
        self._broken = BrokenSeals(database)
        self._sealer: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._vault.on_broken = self._broken.start()
        self._sealer = asyncio.create_task(self._run(), name="tieline-audit-sealer")

    async def close(self) -> None:
        """Writes what waits, and seals it."""
        await self._committer.close()
        await self._broken.close()
        if self._sealer:
            self._sealer.cancel()
            await asyncio.wait({self._sealer})
            # What stays unsealed is sealed at the next start.
            with suppress(StorageUnavailable, StorageFull):
                await self.seal()

    async def log(
        self, actor: Actor, action: str, target: str, *, outcome: str = "ok", also: Also | None = None, **facts: object
    ) -> None:
        """Durable when it returns: then a credential may leave. Raises StorageUnavailable and StorageFull."""
        await self._committer.commit(row(actor, action, target, outcome, facts), also)

    async def list(
        self,
        actor: Actor,
        *,
        target: str | None = None,
        action: str | None = None,
        since: datetime | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[AuditEvent]:
        """The events of the actor's organization, newest first."""
        actor.require("audit:read")
        org = actor.organization
        return await self._database.read(
            lambda connection: reading.page(
                connection, org, target=target, action=action, since=since, limit=limit, cursor=cursor
            )
        )

    async def verify(self, actor: Actor, *, noted: str | None = None) -> Verification:
        """Walks the whole chain. `noted` is a place and its hash that it must still have, `12:9f86...`.

        Bounded memory, several transactions. Raises InvalidRequest.
        """
        actor.require("audit:read")
        found = await self._signer(actor.organization)
        marks = [] if noted is None else [read_mark(noted)]
        if found is not None:
            marks.append((found.seq, found.hash))
        key = None if found is None else found.key.public_key()
        walk = Walk(actor.organization, key, noted=marks)
        async for item in self._chain(actor.organization):
            walk.show(item)
        return walk.end()

    def export(self, actor: Actor) -> AsyncIterator[str]:
        """JSON lines, as `tieline.audit.export` describes and verifies them."""
        actor.require("audit:read")
        return self._export(actor.organization)

    async def seal(self) -> int:
        """Seal everything there is; how many events that were."""
        total = 0
        for org in await self._database.read(waiting):
            try:
                total += await self._seal_all(org)
            except SealBroken:
                # Its signing key was tampered with, which is written down; the others' chains go on.
                _log.error("audit.seal.refused", organization=org)
        return total

    async def _seal_all(self, org: str) -> int:
        total = sealed = await self._seal(org)
        while sealed == BATCH:
            sealed = await self._seal(org)
            total += sealed
        return total

    async def _seal(self, org: str) -> int:
        return await self._database.write(lambda connection: seal(connection, self._vault, org))

    async def _run(self) -> None:
        while True:
            try:
                await self.seal()
            except (StorageUnavailable, StorageFull) as error:
                _log.warning("audit.seal.postponed", code=error.code)
            except Exception as error:
                # Whatever it is, the next round tries again: events must not stay unsealed for good.
                _log.error("audit.seal.failed", **kind_and_steps(error))
            await asyncio.sleep(self._every)

    async def _export(self, org: str) -> AsyncIterator[str]:
        found = await self._signer(org)
        yield first_line(org, None if found is None else found.key.public_key())
        seq, newest = 0, GENESIS
        async for item in self._chain(org):
            yield line(item)
            if isinstance(item, Entry):
                seq = item.seq or seq + 1
                newest = item.hash or item.hash_at(seq, newest)
        if found is None:
            yield line(End(org, seq, newest, datetime.now(UTC)))
            return
        # Where the chain has lost its end, the export says where that was, and does not verify.
        seq, newest = max((seq, newest), (found.seq, found.hash), key=lambda mark: mark[0])
        end = End(org, seq, newest, datetime.now(UTC))
        yield line(replace(end, signature=end.sign(found.key)))

    async def _chain(self, org: str) -> AsyncIterator[Entry | Head]:
        """Sealed as of now, then what is not sealed yet."""
        end = await self._database.read(lambda connection: reading.last(connection, org))
        seq = 0
        while seq < end:
            items, seq = await self._stretch(org, seq, end)
            for item in items:
                yield item
        newest = ""
        while batch := await self._unsealed(org, newest):
            for entry in batch:
                yield entry
            newest = batch[-1].id

    async def _stretch(self, org: str, after: int, end: int) -> "tuple[list[Entry | Head], int]":
        return await self._database.read(lambda connection: reading.stretch(connection, org, after=after, end=end))

    async def _unsealed(self, org: str, after: str) -> "list[Entry]":
        return await self._database.read(lambda connection: reading.unsealed(connection, org, after=after))

    async def _signer(self, org: str) -> Signer | None:
        """None until the first seal, and when somebody put another key there: then no head verifies."""
        with suppress(SealBroken):
            return await self._database.read(lambda connection: signer(connection, self._vault, org))
        return None
