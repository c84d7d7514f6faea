"""Rows that belong to the storage itself: which keys seal, what changed, and the answers given to repeated requests."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text

from tieline.storage.metadata import UtcDateTime, metadata

# state: new (never sealed anything), primary (seals), readable (sealed before), retired (dropped).
# `check_value` tells a wrong key from the right one and gives neither away.
encryption_keys = Table(
    "encryption_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("check_value", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

changes = Table(
    "changes",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("n", BigInteger, nullable=False),
)

# `status` and `sealed` (the answer) are NULL while the first request is under way.
idempotency = Table(
    "idempotency",
    metadata,
    Column("org", Text, primary_key=True),
    Column("actor", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_hash", Text, nullable=False),
    Column("status", Integer),
    Column("sealed", LargeBinary),
    Column("expires_at", UtcDateTime, nullable=False),
    Index("ix_idempotency_expires_at", "expires_at"),
)
