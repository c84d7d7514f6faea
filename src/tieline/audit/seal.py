"""Give recorded events their place in the chain, and sign its head.

Of several processes one seals an organization at a time; if two did, the unique sequence would refuse the second.
"""

from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import Connection, bindparam, func, insert, select, update

from tieline.audit.chain import GENESIS, Head
from tieline.audit.reading import unsealed
from tieline.audit.tables import audit_events, audit_heads, audit_keys
from tieline.storage.vault import About, Vault

BATCH = 500


def waiting(connection: Connection) -> list[str]:
    """The organizations with events to seal."""
    query = select(audit_events.c.org).where(audit_events.c.seq.is_(None)).distinct()
    return list(connection.execute(query).scalars())


def seal(connection: Connection, vault: Vault, org: str) -> int:
    """How many events were sealed: the oldest, at most BATCH; 0 also when another process is at it."""
    if not _alone(connection, org):
        return 0
    entries = unsealed(connection, org, limit=BATCH)
    if not entries:
        return 0
    seq, newest = _last(connection, org)
    places: list[dict[str, object]] = []
    for entry in entries:
        seq, before = seq + 1, newest
        newest = entry.hash_at(seq, before)
        places.append({"event": entry.id, "place": seq, "before": before, "own": newest})
    connection.execute(
        update(audit_events)
        .where(audit_events.c.id == bindparam("event"))
        .values(seq=bindparam("place"), prev_hash=bindparam("before"), hash=bindparam("own")),
        places,
    )
    head = Head(org, seq, newest, datetime.now(UTC))
    signature = head.sign(_key(connection, vault, org))
    connection.execute(insert(audit_heads).values(org=org, seq=seq, hash=newest, at=head.at, signature=signature))
    return len(entries)


def public_key(connection: Connection, vault: Vault, org: str) -> Ed25519PublicKey | None:
    """None until the first seal."""
    sealed = connection.execute(select(audit_keys.c.sealed).where(audit_keys.c.org == org)).scalar()
    return _opened(vault, org, sealed).public_key() if sealed else None


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


def _key(connection: Connection, vault: Vault, org: str) -> Ed25519PrivateKey:
    """The organization's signing key, made when it seals for the first time."""
    sealed = connection.execute(select(audit_keys.c.sealed).where(audit_keys.c.org == org)).scalar()
    if sealed:
        return _opened(vault, org, sealed)
    key = Ed25519PrivateKey.generate()
    sealed = vault.seal(key.private_bytes_raw(), about=about(org))
    connection.execute(insert(audit_keys).values(org=org, sealed=sealed, created_at=datetime.now(UTC)))
    return key


def _opened(vault: Vault, org: str, sealed: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(vault.open(sealed, about=about(org)))


def about(org: str) -> About:
    return About(org, "audit_keys", org, "sealed")
