"""The rows of answers to repeated requests: claimed before the work, filled after it, sealed at rest."""

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Connection, delete, select, update

from tieline.actor import Actor
from tieline.errors import Conflict
from tieline.storage import Database
from tieline.storage.cells import about_answer
from tieline.storage.metadata import insert
from tieline.storage.tables import idempotency
from tieline.storage.vault import About, Vault

_KEPT = timedelta(hours=24)
_LEASE = timedelta(minutes=2)
"""How long a first request may take. One that died is forgotten then, and its repetition is done."""


@dataclass(frozen=True)
class Stored:
    """An answer as it was given."""

    status: int
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Claim:
    """The place of an answer that is being made."""

    organization: str
    actor: str
    key: str


class StoredAnswers:
    def __init__(self, db: Database, vault: Vault) -> None:
        self._db = db
        self._vault = vault

    async def claim(self, actor: Actor, key: str, request_hash: str) -> Claim | Stored:
        """The place for the answer, or the answer that stands there. Raises Conflict for another request under the
        same key, and while the first one is being answered."""
        place = Claim(actor.organization, actor.id, key)
        return await self._db.write(lambda connection: self._claim(connection, place, request_hash))

    async def keep(self, place: Claim, answer: Stored) -> None:
        document = {"headers": answer.headers, "body": b64encode(answer.body).decode()}
        sealed = self._vault.seal(json.dumps(document).encode(), about=_about(place))
        change = (
            update(idempotency)
            .where(_at(place))
            .values(status=answer.status, sealed=sealed, expires_at=datetime.now(UTC) + _KEPT)
        )
        await self._db.write(lambda connection: connection.execute(change))

    async def release(self, place: Claim) -> None:
        """Nothing was done that a repetition would do twice."""
        gone = delete(idempotency).where(_at(place), idempotency.c.status.is_(None))
        await self._db.write(lambda connection: connection.execute(gone))

    def _claim(self, connection: Connection, place: Claim, request_hash: str) -> Claim | Stored:
        now = datetime.now(UTC)
        connection.execute(delete(idempotency).where(_at(place), idempotency.c.expires_at <= now))
        row = {"org": place.organization, "actor": place.actor, "key": place.key, "request_hash": request_hash}
        claimed = connection.execute(
            insert(connection, idempotency).values(**row, expires_at=now + _LEASE).on_conflict_do_nothing()
        )
        if claimed.rowcount == 1:
            return place
        found = connection.execute(select(idempotency).where(_at(place))).one()
        if found.request_hash != request_hash:
            raise Conflict("This Idempotency-Key was used for another request. Use a new key for each write.")
        if found.status is None:
            raise Conflict("The first request with this Idempotency-Key is still being answered.", retry_after=1)
        document = json.loads(self._vault.open(found.sealed, about=_about(place)))
        headers = tuple((name, value) for name, value in document["headers"])
        return Stored(found.status, headers, b64decode(document["body"]))


def _at(place: Claim) -> ColumnElement[bool]:
    columns = idempotency.c
    return (columns.org == place.organization) & (columns.actor == place.actor) & (columns.key == place.key)


def _about(place: Claim) -> About:
    return about_answer(place.organization, place.actor, place.key)
