"""Rows of organizations and their API keys; they never leave this package."""

from sqlalchemy import Column, ForeignKey, Index, Table, Text, UniqueConstraint

from tieline.storage.metadata import Json, UtcDateTime, metadata

# `parent_id` is '' for a platform, so that the unique pair also holds there.
organizations = Table(
    "organizations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("parent_id", Text, nullable=False, server_default=""),
    Column("slug", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("branding", Json, nullable=False),
    Column("return_urls", Json, nullable=False),
    Column("embed_origins", Json, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("parent_id", "slug"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("hash", Text, nullable=False, unique=True),
    Column("org", Text, ForeignKey("organizations.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("hint", Text, nullable=False),
    Column("scopes", Json, nullable=False),
    Column("restrictions", Json, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Index("ix_api_keys_org", "org"),
)
