"""Rows of jobs: when each is due and who runs it now. These rows are the truth; the loop only obeys them."""

from sqlalchemy import Column, Index, Integer, Table, Text, UniqueConstraint

from tieline.storage.metadata import Json, UtcDateTime, metadata

# `fence` counts the leases: whoever ended with an older number changes nothing any more.
jobs = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("leased_until", UtcDateTime),
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("payload", Json),
    UniqueConstraint("kind", "key"),
    Index("ix_jobs_due_at", "due_at"),
)
