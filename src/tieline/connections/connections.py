"""Connections: import, read, label, check, refresh, suspend, delete. Only `credentials` shows a credential."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, true, update
from sqlalchemy import Connection as Open

from tieline.actor import Actor
from tieline.audit import Audit, record
from tieline.connections import acquire, rows, views
from tieline.connections.checks import Checked, check
from tieline.connections.credentials import Credentials, require_usable
from tieline.connections.explaining import explain
from tieline.connections.freshness import is_renewable
from tieline.connections.importing import Importing
from tieline.connections.loading import Loaded, Loader
from tieline.connections.rows import Reference, as_reference
from tieline.connections.rules import require_small
from tieline.connections.tables import connections
from tieline.connections.tables import credentials as credential_rows
from tieline.connections.types import CheckResult, Connection, Credential, Explanation
from tieline.egress import Egress
from tieline.errors import (
    CheckFailed,
    Conflict,
    InvalidRequest,
    Misconfigured,
    SealBroken,
    TielineError,
)
from tieline.secret import Secret
from tieline.shapes import Page
from tieline.storage import Database

_ATTEMPTS = 10
"""Of a change that depends on what was read."""


class Connections(Importing):
    """A connection is named by its id, or by end user, provider and (where there are several) account."""

    def __init__(self, db: Database, loader: Loader, egress: Egress, credentials: Credentials, audit: Audit) -> None:
        super().__init__(db, loader, egress)
        self._credentials = credentials
        self._audit = audit

    async def list(
        self,
        actor: Actor,
        *,
        end_user: str | None = None,
        provider: str | None = None,
        status: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Connection]:
        """Oldest first; opens no seal. `end_user` '' asks for those of the organization itself."""
        actor.require("connections:read")
        if not 1 <= limit <= 200:
            raise InvalidRequest("`limit` is between 1 and 200.")
        query = rows.query().where(*rows.visible(actor)).order_by(connections.c.id).limit(limit + 1)
        if end_user is not None:
            query = query.where(connections.c.end_user == end_user)
        if provider is not None:
            query = query.where(rows.of_provider(provider))
        if status is not None:
            query = query.where(rows.has_status(status))
        if cursor:
            query = query.where(connections.c.id > cursor)
        found = await self._db.read(lambda open_: open_.execute(query).all())
        items = tuple(views.connection(row) for row in found[:limit])
        return Page(items=items, next_cursor=items[-1].id if len(found) > limit else None)

    async def get(self, actor: Actor, reference: Reference | str) -> Connection:
        """Raises NotFound, NotConnected, AmbiguousConnection."""
        actor.require("connections:read")
        return await self._db.read(lambda open_: views.connection(rows.find(open_, actor, as_reference(reference))))

    async def update(
        self,
        actor: Actor,
        reference: Reference | str,
        *,
        label: str | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> Connection:
        """Label and metadata; the latter is merged member by member, null removes one."""
        actor.require("connections:write")

        def change(open_: Open) -> Connection | None:
            row = rows.find(open_, actor, as_reference(reference))
            merged = {**row.metadata, **(metadata or {})}
            kept = {name: value for name, value in merged.items() if value is not None}
            require_small(label=label, metadata=kept)
            columns: dict[str, Any] = {
                "metadata": kept,
                "label": row.label if label is None else label or None,
            }
            if not self._change(open_, connections.c.row_version == row.row_version, row, columns):
                return None
            fields = [*(metadata or {}), *(["label"] if label is not None else [])]
            record(open_, actor, "connection.updated", row.id, fields=sorted(fields))
            return views.connection(rows.find(open_, actor, Reference(id=row.id)))

        for _ in range(_ATTEMPTS):
            changed = await self._db.write(change)
            if changed is not None:
                return changed
        raise Conflict("This connection is being changed by many at once. Try again.")

    async def suspend(self, actor: Actor, reference: Reference | str) -> Connection:
        """No traffic from now on, until `resume`. The credential stays."""
        return await self._switch(actor, reference, "connection.suspended", datetime.now(UTC))

    async def resume(self, actor: Actor, reference: Reference | str) -> Connection:
        return await self._switch(actor, reference, "connection.resumed", None)

    async def delete(self, actor: Actor, reference: Reference | str) -> None:
        """Revokes at the provider where that can be done, then shreds the credential, whatever the provider says."""
        actor.require("connections:write")
        row = await self._db.read(lambda open_: rows.find(open_, actor, as_reference(reference)))
        await self._credentials.settled(row.id)
        revoked = row.suspended_at is None and await self._revoked(actor, row.id)

        def shred(open_: Open) -> None:
            open_.execute(delete(credential_rows).where(credential_rows.c.connection_id == row.id))
            open_.execute(delete(connections).where(connections.c.id == row.id))
            facts = {"provider": views.slug(row), "endUser": row.end_user}
            record(open_, actor, "connection.deleted", row.id, outcome="ok" if revoked else "notRevoked", **facts)

        await asyncio.shield(self._db.write(shred))

    async def _revoked(self, actor: Actor, identifier: str) -> bool:
        """What does not open cannot be revoked either, and is shredded all the same."""
        try:
            loaded = await self._db.read(lambda open_: self._loader.load(open_, actor, Reference(id=identifier)))
        except (SealBroken, Misconfigured):
            return False
        return await acquire.revoke(loaded.access, self._egress, now=datetime.now(UTC)) is None

    async def credentials(
        self, actor: Actor, reference: Reference | str, *, loaded: Loaded | None = None
    ) -> Credential:
        """A fresh one, in the clear, audited before it is given. `loaded` is the same connection, found just now.

        Raises ReconnectRequired, ProviderUnavailable.
        """
        actor.require("credentials:read")
        loaded = await self._credentials.current(actor, as_reference(reference), loaded=loaded)
        await self._audit.log(actor, "credential.read", loaded.row.id, also=rows.used(loaded.row))
        return _credential(loaded)

    async def refresh(self, actor: Actor, reference: Reference | str) -> Connection:
        """Renews the credential now. Raises as `credentials` does."""
        actor.require("connections:write")
        loaded = await self._credentials.renew(actor, as_reference(reference))
        return await self._db.read(lambda open_: views.connection(rows.find(open_, actor, Reference(id=loaded.row.id))))

    async def check(self, actor: Actor, reference: Reference | str) -> CheckResult:
        """Asks the provider whether the credential works and who it is, and stores the answer."""
        actor.require("connections:write")
        loaded, checked = await self._checked(actor, as_reference(reference))
        now = datetime.now(UTC)
        problem = checked.problem

        def store(open_: Open) -> None:
            # What was found out about an older credential says nothing about the one that took its place.
            rows.find(open_, actor, Reference(id=loaded.row.id))
            if rows.credential(open_, loaded.row.id).version != loaded.credential.version:
                return
            if problem is None:
                rows.mark(open_, loaded.row.id, state="ok", code=None, message=None)
            else:
                state = "reconnect" if _is_final(problem) else "failing"
                rows.mark(open_, loaded.row.id, state=state, code=problem.code, message=problem.detail)
            columns = {"last_checked_at": now, **({"identity": dict(checked.identity)} if checked.identity else {})}
            open_.execute(update(connections).where(connections.c.id == loaded.row.id).values(columns))
            outcome = "ok" if problem is None else "failed"
            record(open_, actor, "connection.checked", loaded.row.id, outcome=outcome)

        await self._db.write(store)
        shown = None if problem is None else views.problem(problem)
        account = views.account(dict(checked.identity or loaded.row.identity))
        return CheckResult(ok=problem is None, account=account, problem=shown, checked_at=now)

    async def _checked(self, actor: Actor, reference: Reference) -> tuple[Loaded, Checked]:
        """An access token that is refused is renewed once: only what a fresh one says counts."""
        loaded = await self._credentials.to_check(actor, reference)
        checked = await check(loaded.access, self._egress, now=datetime.now(UTC))
        token = loaded.access.grant.access_token
        refused = checked.problem is not None and checked.problem.facts.get("status") in (
            loaded.access.method.refresh.on_status
        )
        if not refused or token is None or not is_renewable(loaded):
            return loaded, checked
        loaded = await self._credentials.current(actor, Reference(id=loaded.row.id), stale=token.reveal())
        return loaded, await check(loaded.access, self._egress, now=datetime.now(UTC))

    async def explain(self, actor: Actor, reference: Reference | str) -> Explanation:
        """Would a request work, as whom, and why not. Asks nobody."""
        actor.require("connections:read")
        loaded = await self._db.read(lambda open_: self._loader.load(open_, actor, as_reference(reference)))
        return explain(loaded, now=datetime.now(UTC))

    async def _switch(self, actor: Actor, reference: Reference | str, action: str, at: datetime | None) -> Connection:
        actor.require("connections:write")

        def change(open_: Open) -> Connection:
            row = rows.find(open_, actor, as_reference(reference))
            self._change(open_, true(), row, {"suspended_at": at})
            record(open_, actor, action, row.id)
            return views.connection(rows.find(open_, actor, Reference(id=row.id)))

        return await self._db.write(change)

    def _change(self, open_: Open, only_if: ColumnElement[bool], row: Row[Any], columns: Mapping[str, Any]) -> bool:
        """False when the condition does not hold (any more)."""
        counted = {"row_version": connections.c.row_version + 1, "updated_at": datetime.now(UTC)}
        changed = open_.execute(
            update(connections).where(connections.c.id == row.id, only_if).values(**columns, **counted)
        )
        return changed.rowcount == 1


def _is_final(problem: TielineError) -> bool:
    """Whether the provider said no to the credential, rather than to the question."""
    status = problem.facts.get("status")
    about_the_call = isinstance(status, int) and status >= 300 and status not in (401, 403)
    return isinstance(problem, CheckFailed) and not about_the_call


def _credential(loaded: Loaded) -> Credential:
    require_usable(loaded)
    access, grant = loaded.access, loaded.access.grant
    declared = access.declared
    values = {
        name: Secret(str(value))
        for name, value in {**access.inputs, **grant.values}.items()
        if name in declared and declared[name].from_ in ("user", "adminOrUser") and declared[name].store
    }
    return Credential(
        type=access.method.type or "none",
        access_token=grant.access_token,
        token_type=grant.token_type,
        expires_at=grant.expires_at,
        scopes=grant.scopes,
        values=values if grant.access_token is None else {},
    )
