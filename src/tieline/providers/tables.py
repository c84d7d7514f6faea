"""Rows of providers and their versions; they never leave this package."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint

from tieline.storage.metadata import Json, UtcDateTime, metadata

# `org` is '' for a provider of the whole instance.
providers = Table(
    "providers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("org", Text, nullable=False, server_default=""),
    Column("slug", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("created_by", Text),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    Column("category", Text, nullable=False),
    Column("auth_type", Text, nullable=False),
    Column("is_template", Boolean, nullable=False),
    Column("is_public", Boolean, nullable=False),
    Column("status", Text, nullable=False),
    Column("replaced_by", Text),
    Column("logo_url", Text),
    Column("documentation", Text),
    Column("row_version", Integer, nullable=False, server_default="1"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("retired_at", UtcDateTime),
    UniqueConstraint("org", "slug"),
    Index("ix_providers_slug", "slug"),
    Index("ix_providers_category", "category"),
    Index("ix_providers_created_by", "created_by"),
)

# A version is immutable: source (the author's text), resolved (the normal form) and the exact bases it was made from.
provider_versions = Table(
    "provider_versions",
    metadata,
    Column("provider_id", Text, ForeignKey("providers.id"), primary_key=True),
    Column("version", Text, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("channel", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("resolved", Json, nullable=False),
    Column("bases", Json, nullable=False),
    Column("digest", Text, nullable=False),
    Column("security_digest", Text, nullable=False),
    Column("published_at", UtcDateTime, nullable=False),
    UniqueConstraint("provider_id", "number"),
    Index("ix_provider_versions_security_digest", "provider_id", "security_digest", "number"),
)
