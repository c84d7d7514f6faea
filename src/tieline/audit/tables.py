"""Rows of the audit: append-only, which triggers enforce. They never leave this package.

An event outlives its organization, so none of these refers to it by a foreign key.
"""

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Table, Text, UniqueConstraint, text

from tieline.storage.metadata import UtcDateTime, metadata

# `facts` is canonical JSON as text, since its very bytes are hashed. `seq`, `prev_hash` and `hash` come with the seal.
audit_events = Table(
    "audit_events",
    metadata,
    Column("id", Text, primary_key=True),
    Column("org", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("facts", Text, nullable=False),
    Column("seq", BigInteger),
    Column("prev_hash", Text),
    Column("hash", Text),
    UniqueConstraint("org", "seq"),
    Index("ix_audit_events_org_id", "org", "id"),
    Index("ix_audit_events_org_target_id", "org", "target", "id"),
    Index(
        "ix_audit_events_unsealed",
        "org",
        "id",
        sqlite_where=text("seq IS NULL"),
        postgresql_where=text("seq IS NULL"),
    ),
)

audit_heads = Table(
    "audit_heads",
    metadata,
    Column("org", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", Text, nullable=False),
    Column("signature", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

# The seed of the organization's Ed25519 key, which signs its heads.
audit_keys = Table(
    "audit_keys",
    metadata,
    Column("org", Text, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)
