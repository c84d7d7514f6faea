"""All the tables of the first release."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from tieline.storage.migrations.append_only import append_only

revision = "0001"
down_revision = None

TIME = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    _organizations()
    _providers()
    _integrations()
    _connections()
    _audit()
    _storage()
    append_only(op.get_bind())


def _organizations() -> None:
    op.create_table(
        "organizations",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("parent_id", sa.Text, server_default="", nullable=False),
        sa.Column("slug", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("branding", JSON, nullable=False),
        sa.Column("return_urls", JSON, nullable=False),
        sa.Column("embed_origins", JSON, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_organizations"),
        sa.UniqueConstraint("parent_id", "slug", name="uq_organizations_parent_id_slug"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("org", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("hint", sa.Text, nullable=False),
        sa.Column("scopes", JSON, nullable=False),
        sa.Column("restrictions", JSON, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("expires_at", TIME),
        sa.Column("last_used_at", TIME),
        sa.Column("revoked_at", TIME),
        sa.ForeignKeyConstraint(["org"], ["organizations.id"], name="fk_api_keys_org_organizations"),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("hash", name="uq_api_keys_hash"),
    )
    op.create_index("ix_api_keys_org", "api_keys", ["org"])


def _providers() -> None:
    op.create_table(
        "providers",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("org", sa.Text, server_default="", nullable=False),
        sa.Column("slug", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("created_by", sa.Text),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("description", sa.Text, server_default="", nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("auth_type", sa.Text, nullable=False),
        sa.Column("is_template", sa.Boolean, nullable=False),
        sa.Column("is_public", sa.Boolean, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("replaced_by", sa.Text),
        sa.Column("logo_url", sa.Text),
        sa.Column("documentation", sa.Text),
        sa.Column("row_version", sa.Integer, server_default="1", nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("retired_at", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_providers"),
        sa.UniqueConstraint("org", "slug", name="uq_providers_org_slug"),
    )
    op.create_index("ix_providers_category", "providers", ["category"])
    op.create_index("ix_providers_created_by", "providers", ["created_by"])
    op.create_index("ix_providers_slug", "providers", ["slug"])
    op.create_table(
        "provider_versions",
        sa.Column("provider_id", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("resolved", JSON, nullable=False),
        sa.Column("bases", JSON, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("security_digest", sa.Text, nullable=False),
        sa.Column("published_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["provider_id"], ["providers.id"], name="fk_provider_versions_provider_id_providers"),
        sa.PrimaryKeyConstraint("provider_id", "version", name="pk_provider_versions"),
        sa.UniqueConstraint("provider_id", "number", name="uq_provider_versions_provider_id_number"),
    )
    op.create_index(
        "ix_provider_versions_security_digest", "provider_versions", ["provider_id", "security_digest", "number"]
    )


def _integrations() -> None:
    op.create_table(
        "integrations",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("org", sa.Text, nullable=False),
        sa.Column("provider_id", sa.Text, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("scopes", JSON),
        sa.Column("overlay", JSON, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("pinned_version", sa.Text),
        sa.Column("inputs", JSON, nullable=False),
        sa.Column("origins", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("row_version", sa.Integer, server_default="1", nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["org"], ["organizations.id"], name="fk_integrations_org_organizations"),
        sa.ForeignKeyConstraint(["provider_id"], ["providers.id"], name="fk_integrations_provider_id_providers"),
        sa.PrimaryKeyConstraint("id", name="pk_integrations"),
        sa.UniqueConstraint("org", "provider_id", name="uq_integrations_org_provider_id"),
    )
    op.create_table(
        "clients",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("org", sa.Text, nullable=False),
        sa.Column("integration_id", sa.Text, nullable=False),
        sa.Column("auth_method", sa.Text, nullable=False),
        sa.Column("variant", sa.Text, server_default="", nullable=False),
        sa.Column("issuer", sa.Text, server_default="", nullable=False),
        sa.Column("client_id", sa.Text),
        sa.Column("origins", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("row_version", sa.Integer, server_default="1", nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["integration_id"], ["integrations.id"], name="fk_clients_integration_id_integrations", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["org"], ["organizations.id"], name="fk_clients_org_organizations"),
        sa.PrimaryKeyConstraint("id", name="pk_clients"),
        sa.UniqueConstraint(
            "integration_id",
            "auth_method",
            "variant",
            "issuer",
            name="uq_clients_integration_id_auth_method_variant_issuer",
        ),
    )


def _connections() -> None:
    op.create_table(
        "connect_sessions",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("org", sa.Text, nullable=False),
        sa.Column("token_hash", sa.Text, nullable=False),
        sa.Column("state_hash", sa.Text),
        sa.Column("nonce_hash", sa.Text),
        sa.Column("browser_hash", sa.Text),
        sa.Column("provider_id", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("auth_method", sa.Text),
        sa.Column("variant", sa.Text),
        sa.Column("client_row_id", sa.Text),
        sa.Column("end_user", sa.Text, nullable=False),
        sa.Column("end_user_name", sa.Text, server_default="", nullable=False),
        sa.Column("connection_id", sa.Text),
        sa.Column("account_id", sa.Text),
        sa.Column("return_to", sa.Text),
        sa.Column("embed_origin", sa.Text),
        sa.Column("scopes", JSON),
        sa.Column("context", JSON),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("claimed_until", TIME),
        sa.Column("result", JSON),
        sa.Column("origins", sa.Text, server_default="", nullable=False),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["org"], ["organizations.id"], name="fk_connect_sessions_org_organizations"),
        sa.ForeignKeyConstraint(["provider_id"], ["providers.id"], name="fk_connect_sessions_provider_id_providers"),
        sa.PrimaryKeyConstraint("id", name="pk_connect_sessions"),
        sa.UniqueConstraint("nonce_hash", name="uq_connect_sessions_nonce_hash"),
        sa.UniqueConstraint("state_hash", name="uq_connect_sessions_state_hash"),
        sa.UniqueConstraint("token_hash", name="uq_connect_sessions_token_hash"),
    )
    op.create_index("ix_connect_sessions_expires_at", "connect_sessions", ["expires_at"])
    op.create_table(
        "connections",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("org", sa.Text, nullable=False),
        sa.Column("provider_id", sa.Text, nullable=False),
        sa.Column("end_user", sa.Text, server_default="", nullable=False),
        sa.Column("account_id", sa.Text, server_default="default", nullable=False),
        sa.Column("group_id", sa.Text),
        sa.Column("consented_version", sa.Text, nullable=False),
        sa.Column("security_digest", sa.Text, nullable=False),
        sa.Column("auth_method", sa.Text, nullable=False),
        sa.Column("provider_type", sa.Text, nullable=False),
        sa.Column("variant", sa.Text),
        sa.Column("client_row_id", sa.Text),
        sa.Column("label", sa.Text),
        sa.Column("account_email", sa.Text),
        sa.Column("identity", JSON, nullable=False),
        sa.Column("scopes", JSON, nullable=False),
        sa.Column("inputs", JSON, nullable=False),
        sa.Column("origins", sa.Text, nullable=False),
        sa.Column("metadata", JSON, nullable=False),
        sa.Column("binding", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("suspended_at", TIME),
        sa.Column("error_code", sa.Text),
        sa.Column("error_message", sa.Text),
        sa.Column("error_count", sa.Integer, server_default="0", nullable=False),
        sa.Column("row_version", sa.Integer, server_default="1", nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("last_synced_at", TIME),
        sa.Column("last_used_at", TIME),
        sa.Column("last_checked_at", TIME),
        sa.Column("check_at", TIME),
        sa.ForeignKeyConstraint(["org"], ["organizations.id"], name="fk_connections_org_organizations"),
        sa.ForeignKeyConstraint(["provider_id"], ["providers.id"], name="fk_connections_provider_id_providers"),
        sa.PrimaryKeyConstraint("id", name="pk_connections"),
        sa.UniqueConstraint(
            "org", "end_user", "provider_id", "account_id", name="uq_connections_org_end_user_provider_id_account_id"
        ),
    )
    op.create_index("ix_connections_check_at", "connections", ["check_at"])
    op.create_index("ix_connections_org_id", "connections", ["org", "id"])
    op.create_index("ix_connections_provider_id_security_digest", "connections", ["provider_id", "security_digest"])
    op.create_table(
        "credentials",
        sa.Column("connection_id", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("token_type", sa.Text),
        sa.Column("issued_at", TIME, nullable=False),
        sa.Column("expires_at", TIME),
        sa.Column("refresh_at", TIME),
        sa.Column("fence", sa.Integer, server_default="0", nullable=False),
        sa.Column("claimed_until", TIME),
        sa.Column("attempt", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("failures", sa.Integer, server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name="fk_credentials_connection_id_connections", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("connection_id", name="pk_credentials"),
    )
    op.create_index("ix_credentials_refresh_at", "credentials", ["refresh_at"])


def _audit() -> None:
    op.create_table(
        "audit_events",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("org", sa.Text, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger),
        sa.Column("prev_hash", sa.Text),
        sa.Column("hash", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_audit_events"),
        sa.UniqueConstraint("org", "seq", name="uq_audit_events_org_seq"),
    )
    op.create_index("ix_audit_events_org_id", "audit_events", ["org", "id"])
    op.create_index("ix_audit_events_org_target_id", "audit_events", ["org", "target", "id"])
    op.create_index(
        "ix_audit_events_unsealed",
        "audit_events",
        ["org", "id"],
        sqlite_where=sa.text("seq IS NULL"),
        postgresql_where=sa.text("seq IS NULL"),
    )
    op.create_table(
        "audit_heads",
        sa.Column("org", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("signature", sa.Text, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("org", "seq", name="pk_audit_heads"),
    )
    op.create_table(
        "audit_keys",
        sa.Column("org", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("org", name="pk_audit_keys"),
    )


def _storage() -> None:
    op.create_table(
        "encryption_keys",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("check_value", sa.Text, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_encryption_keys"),
    )
    op.create_table(
        "changes",
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("n", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("topic", name="pk_changes"),
    )
    op.create_table(
        "idempotency",
        sa.Column("org", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("request_hash", sa.Text, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("org", "actor", "key", name="pk_idempotency"),
    )
    op.create_index("ix_idempotency_expires_at", "idempotency", ["expires_at"])
    op.create_table(
        "jobs",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("leased_until", TIME),
        sa.Column("fence", sa.Integer, server_default="0", nullable=False),
        sa.Column("attempts", sa.Integer, server_default="0", nullable=False),
        sa.Column("payload", JSON),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.UniqueConstraint("kind", "key", name="uq_jobs_kind_key"),
    )
    op.create_index("ix_jobs_due_at", "jobs", ["due_at"])
