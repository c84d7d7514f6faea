"""Write an event down, unchained, in the transaction of the change itself: no audit, no change."""

from datetime import UTC, datetime

from sqlalchemy import Connection, insert

from tieline.actor import Actor
from tieline.audit.chain import canonical
from tieline.audit.tables import audit_events
from tieline.ids import new_id


def record(
    connection: Connection, actor: Actor, action: str, target: str, *, outcome: str = "ok", **facts: object
) -> None:
    """`action` is like `apiKey.created`, `target` an id. Raises TypeError for facts that could hold a secret."""
    connection.execute(insert(audit_events), [row(actor, action, target, outcome, facts)])


def row(actor: Actor, action: str, target: str, outcome: str, facts: dict[str, object]) -> dict[str, object]:
    return {
        "id": new_id("evt"),
        "org": actor.organization,
        "at": datetime.now(UTC),
        "actor": f"{actor.kind}:{actor.id}",
        "action": action,
        "target": target,
        "outcome": outcome,
        "facts": canonical(facts) if facts else "{}",
    }
