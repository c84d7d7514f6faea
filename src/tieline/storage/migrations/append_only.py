"""The database itself refuses to change the audit: a sealed event or a signed head stays what it is.

The one update allowed is the seal, which fills `seq`, `prev_hash` and `hash` of an event that has none.
"""

from sqlalchemy import Connection

_FIXED = ("id", "org", "at", "actor", "action", "target", "outcome", "facts")


def append_only(connection: Connection) -> None:
    """Refused statements fail with an integrity error on both databases."""
    statements = _sqlite() if connection.dialect.name == "sqlite" else _postgresql()
    for statement in statements:
        connection.exec_driver_sql(statement)


def _sqlite() -> list[str]:
    changed = " OR ".join(f"NEW.{name} IS NOT OLD.{name}" for name in _FIXED)
    refuse = "BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END"
    return [
        f"CREATE TRIGGER audit_events_update BEFORE UPDATE ON audit_events"
        f" WHEN OLD.seq IS NOT NULL OR NEW.seq IS NULL OR {changed} {refuse}",
        f"CREATE TRIGGER audit_events_delete BEFORE DELETE ON audit_events {refuse}",
        f"CREATE TRIGGER audit_heads_update BEFORE UPDATE ON audit_heads {refuse}",
        f"CREATE TRIGGER audit_heads_delete BEFORE DELETE ON audit_heads {refuse}",
    ]


def _postgresql() -> list[str]:
    changed = " OR ".join(f"NEW.{name} IS DISTINCT FROM OLD.{name}" for name in _FIXED)
    refuse = "EXECUTE FUNCTION audit_is_append_only()"
    return [
        "CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN RAISE EXCEPTION 'the audit is append-only' USING ERRCODE = 'restrict_violation'; END $$",
        f"CREATE TRIGGER audit_events_update BEFORE UPDATE ON audit_events FOR EACH ROW"
        f" WHEN (OLD.seq IS NOT NULL OR NEW.seq IS NULL OR {changed}) {refuse}",
        f"CREATE TRIGGER audit_events_delete BEFORE DELETE OR TRUNCATE ON audit_events {refuse}",
        f"CREATE TRIGGER audit_heads_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_heads {refuse}",
    ]
