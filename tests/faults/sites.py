"""An installation that everything can be done to: its database, its rings of keys, and what is sealed in it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import LargeBinary, select

from tieline import Hub, Secret
from tieline.api.stored_answers import Claim, Stored, StoredAnswers
from tieline.hub import SEALED, Bound
from tieline.storage.keyring import KeyRing
from tieline.storage.metadata import metadata
from tieline.storage.vault import Vault, key_id
from tieline.testing import PracticeProvider, practice_document, practice_key_document


def ring_of(*key_ids: str) -> KeyRing:
    """The same key for the same id, every time; the first one seals."""
    return KeyRing(key_ids[0], {each: each.encode().ljust(32, b".") for each in key_ids})


@dataclass
class Site:
    database_url: str
    practice: PracticeProvider
    practice_url: str
    connections: list[str] = field(default_factory=list)

    def open(self, *key_ids: str) -> Any:
        return Hub.open(self.database_url, keys=ring_of(*key_ids).text.reveal(), egress_allow="127.0.0.0/8")

    async def furnish(self, hub: Hub, *, users: int = 2) -> None:
        """Something in every place where something is sealed."""
        acme = hub.organization("acme")
        secret = {"from": "admin", "secret": True, "required": False, "label": "An admin's secret"}
        await acme.providers.register(practice_document(self.practice_url, inputs={"adminSecret": secret}))
        await acme.integrations.put(
            "practice",
            client_id=self.practice.client_id,
            client_secret=Secret(self.practice.client_secret),
            admin_inputs={"adminSecret": "an-admins-secret"},
        )
        await acme.providers.register(practice_key_document(self.practice_url))
        for number in range(users):
            await self.connect(acme, f"user-{number}")
        await acme.connect.start(provider="practice-key", end_user="typing", inputs={"apiKey": "practice-key"})
        answers = StoredAnswers(hub.db, hub.vault)
        actor = await acme.actor()
        place = await answers.claim(actor, "the-first-time", "hash")
        assert isinstance(place, Claim)
        await answers.keep(place, Stored(201, (), b'{"key": "shown once"}'))
        await hub.audit.seal()

    async def connect(self, acme: Bound, end_user: str, *, lifetime: float = 3600) -> str:
        """With a grant of its own, which this is the first refresh of."""
        granted = self.practice.issue_tokens(user="ada@practice.example")
        until = datetime.now(UTC) + timedelta(seconds=lifetime)
        tokens = {
            "accessToken": granted["access_token"],
            "refreshToken": granted["refresh_token"],
            "expiresAt": until.isoformat(),
        }
        made = await acme.connections.create(provider="practice", end_user=end_user, credentials=tokens, check=False)
        self.connections.append(made.id)
        return made.id


async def sealed_values(hub: Hub) -> dict[str, list[Any]]:
    """Table -> (about, blob) of all that is sealed in it: by the columns there are, not by what is declared."""
    tables = {table for table in metadata.tables.values() for each in table.c if isinstance(each.type, LargeBinary)}
    declared = {cells.table: cells for cells in SEALED}
    assert declared.keys() == tables
    found: dict[str, list[Any]] = {}
    for table in tables:
        query = declared[table].rows.where(table.c.sealed.is_not(None))
        rows = await hub.db.read(lambda connection, query=query: connection.execute(query).all())
        found[table.name] = [(declared[table].about(row), row.sealed) for row in rows]
    return found


async def keys_in_use(hub: Hub) -> set[str]:
    return {key_id(blob) for values in (await sealed_values(hub)).values() for _, blob in values}


async def require_all_open(hub: Hub, *key_ids: str) -> int:
    """With these keys alone; how many values that were."""
    vault = Vault(ring_of(*key_ids))
    values = [pair for values in (await sealed_values(hub)).values() for pair in values]
    for about, blob in values:
        vault.open(blob, about=about)
    return len(values)


async def counted(hub: Hub, table: Any) -> int:
    return len(await hub.db.read(lambda connection: connection.execute(select(table)).all()))
