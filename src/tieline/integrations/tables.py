"""Rows of integrations and their clients; they never leave this package."""

from sqlalchemy import Boolean, Column, ForeignKey, Integer, LargeBinary, Table, Text, UniqueConstraint

from tieline.storage.metadata import Json, UtcDateTime, metadata

# `sealed` holds the secret admin inputs, `inputs` the others.
integrations = Table(
    "integrations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("org", Text, ForeignKey("organizations.id"), nullable=False),
    Column("provider_id", Text, ForeignKey("providers.id"), nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("scopes", Json),
    Column("overlay", Json, nullable=False),
    Column("channel", Text, nullable=False),
    Column("pinned_version", Text),
    Column("inputs", Json, nullable=False),
    Column("origins", Text, nullable=False),
    Column("sealed", LargeBinary),
    Column("row_version", Integer, nullable=False, server_default="1"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    UniqueConstraint("org", "provider_id"),
)

# The id is made from what makes the row unique, so that a redirect URI is known before a client id is.
clients = Table(
    "clients",
    metadata,
    Column("id", Text, primary_key=True),
    Column("org", Text, ForeignKey("organizations.id"), nullable=False),
    Column("integration_id", Text, ForeignKey("integrations.id", ondelete="CASCADE"), nullable=False),
    Column("auth_method", Text, nullable=False),
    Column("variant", Text, nullable=False, server_default=""),
    Column("issuer", Text, nullable=False, server_default=""),
    Column("client_id", Text),
    Column("origins", Text, nullable=False),
    Column("sealed", LargeBinary),
    Column("row_version", Integer, nullable=False, server_default="1"),
    Column("updated_at", UtcDateTime, nullable=False),
    UniqueConstraint("integration_id", "auth_method", "variant", "issuer"),
)
