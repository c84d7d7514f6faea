"""Give recorded events their place in the chain, and sign its head.

Of several processes one seals an organization at a time; if two did, the unique sequence would refuse the second.
"""

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, bindparam, func, insert, select, text, update

from tieline.audit.chain import GENESIS, Head
from tieline.audit.reading import unsealed
from tieline.audit.tables import audit_events, audit_heads, audit_keys
from tieline.storage.vault import About, Vault

BATCH = 500


def waiting(connection: Connection) -> list[str]:
    """The organizations with events to seal."""
    query = select(audit_events.c.org).where(audit_events.c.seq.is_(None)).distinct()
    return list(connection.execute(query).scalars())


@dataclass(frozen=True)
class Signer:
    """The organization's signing key and, sealed with it, where its chain ended: what is cut off later is missed."""

    key: Ed25519PrivateKey = field(repr=False)
    seq: int = 0
    hash: str = GENESIS

    def dump(self) -> bytes:
        """For the vault alone."""
        seed = b64encode(self.key.private_bytes_raw()).decode()
        return json.dumps({"key": seed, "seq": self.seq, "hash": self.hash}).encode()

    @classmethod
    def load(cls, blob: bytes) -> "Signer":
        material = json.loads(blob)
        return cls(Ed25519PrivateKey.from_private_bytes(b64decode(material["key"])), material["seq"], material["hash"])


def seal(connection: Connection, vault: Vault, org: str) -> int:
    """How many events were sealed: the oldest, at most BATCH; 0 also when another process is at it."""
    if not _alone(connection, org):
        return 0
    entries = unsealed(connection, org, limit=BATCH)
    if not entries:
        return 0
    found = signer(connection, vault, org)
    was = found or Signer(Ed25519PrivateKey.generate())
    # What was cut off leaves a gap for good: the chain goes on from where it ended, not from what is left of it.
    seq, newest = max((was.seq, was.hash), _last(connection, org), key=lambda mark: mark[0])
    places: list[tuple[str, int, str, str]] = []
    for entry in entries:
        seq, before = seq + 1, newest
        newest = entry.hash_at(seq, before)
        places.append((entry.id, seq, before, newest))
    _place(connection, places)
    head = Head(org, seq, newest, datetime.now(UTC))
    signature = head.sign(was.key)
    connection.execute(insert(audit_heads).values(org=org, seq=seq, hash=newest, at=head.at, signature=signature))
    sealed = vault.seal(Signer(was.key, seq, newest).dump(), about=about(org))
    if found:
        connection.execute(update(audit_keys).where(audit_keys.c.org == org).values(sealed=sealed))
    else:
        connection.execute(insert(audit_keys).values(org=org, sealed=sealed, created_at=head.at))
    return len(entries)


def signer(connection: Connection, vault: Vault, org: str) -> Signer | None:
    """None until the first seal. Raises SealBroken."""
    sealed = connection.execute(select(audit_keys.c.sealed).where(audit_keys.c.org == org)).scalar()
    return Signer.load(vault.open(sealed, about=about(org))) if sealed else None


def _place(connection: Connection, places: list[tuple[str, int, str, str]]) -> None:
    """Each is an event's id, its number, the hash before it and its own."""
    if connection.dialect.name == "postgresql":
        connection.execute(_PLACE, dict(zip(_NAMES, map(list, zip(*places, strict=True)), strict=True)))
    else:
        connection.execute(_PLACE_ONE, [dict(zip(_NAMES, each, strict=True)) for each in places])


_NAMES = ("event", "place", "before", "own")
_PLACE_ONE = (
    update(audit_events)
    .where(audit_events.c.id == bindparam("event"))
    .values(seq=bindparam("place"), prev_hash=bindparam("before"), hash=bindparam("own"))
)
# One statement for all: each would be a message of its own.
_PLACE = text(
    "UPDATE audit_events SET seq = given.seq, prev_hash = given.prev_hash, hash = given.hash "
    "FROM unnest(CAST(:event AS text[]), CAST(:place AS bigint[]), CAST(:before AS text[]), CAST(:own AS text[])) "
    "AS given(id, seq, prev_hash, hash) WHERE audit_events.id = given.id"
)


def _alone(connection: Connection, org: str) -> bool:
    """Until the transaction ends. SQLite has one writer anyway."""
    if connection.dialect.name == "sqlite":
        return True
    lock = func.pg_try_advisory_xact_lock(func.hashtextextended(f"tieline audit {org}", 0))
    return bool(connection.execute(select(lock)).scalar())


def _last(connection: Connection, org: str) -> tuple[int, str]:
    query = select(audit_events.c.seq, audit_events.c.hash).where(
        audit_events.c.org == org, audit_events.c.seq.is_not(None)
    )
    row = connection.execute(query.order_by(audit_events.c.seq.desc()).limit(1)).first()
    return (row.seq, row.hash) if row else (0, GENESIS)


def about(org: str) -> About:
    return About(org, "audit_keys", org, "sealed")
