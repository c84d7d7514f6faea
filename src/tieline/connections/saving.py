"""Writes a connection and its credential, new or renewed, in one transaction with its audit event."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from tieline import audit
from tieline.actor import Actor
from tieline.connections import acquire, rules
from tieline.connections.access import Access
from tieline.connections.checks import Checked
from tieline.connections.loading import about
from tieline.connections.tables import connections, credentials
from tieline.connections.types import SessionRequest
from tieline.errors import AccountMismatch, Conflict, NotFound
from tieline.ids import new_id
from tieline.storage.metadata import now as database_now
from tieline.storage.vault import Vault

DEFAULT_ACCOUNT = "default"
_SKEW = timedelta(seconds=2)
"""Less than this is no difference of clocks."""


@dataclass(frozen=True)
class Draft:
    """A connection as it is to be stored. `account_id` is the caller's own name for it, where it gives one."""

    provider: Row[Any] = field(repr=False)
    version: Row[Any] = field(repr=False)
    end_user: str
    access: Access
    checked: Checked
    requested: tuple[str, ...] = ()
    binding: str = "app"
    connection_id: str | None = None
    account_id: str | None = None
    metadata: Mapping[str, object] | None = None
    label: str | None = None
    renews_unnamed: bool = False


@dataclass(frozen=True)
class Saved:
    connection_id: str
    renewed: bool


def save(connection: Connection, vault: Vault, actor: Actor, draft: Draft) -> Saved:
    """Raises AccountMismatch, Conflict (a second account that nothing tells from the first) and NotFound."""
    was = _existing(connection, actor, draft)
    identifier = was.id if was is not None else new_id("conn")
    origins = draft.access.computed_origins().text
    draft = replace(draft, access=_kept(connection, draft))
    columns = _columns(draft, was, origins)
    if was is None:
        fixed = {"id": identifier, "org": actor.organization, "provider_id": draft.provider.id}
        times = {"created_at": columns["updated_at"], "end_user": draft.end_user}
        connection.execute(insert(connections).values(**fixed, **times, **columns))
    else:
        connection.execute(update(connections).where(connections.c.id == was.id).values(columns))
    grant = draft.access.grant
    version = 1 if was is None else _version_of(connection, identifier) + 1
    sealing = about(actor.organization, identifier, draft.end_user, draft.provider.id, origins, version)
    sealed = vault.seal(grant.dump(), about=sealing)
    _store_credential(connection, identifier, draft.access, sealed, version)
    action = "connection.created" if was is None else "connection.reconnected"
    facts = {"provider": draft.provider.slug, "endUser": draft.end_user, "binding": draft.binding}
    audit.record(connection, actor, action, identifier, version=draft.version.version, **facts)
    return Saved(identifier, was is not None)


def _existing(connection: Connection, actor: Actor, draft: Draft) -> Row[Any] | None:
    """The row that this renews, or None for a new one."""
    identity = draft.checked.identity.get("id")
    mine = select(connections).where(
        connections.c.org == actor.organization,
        connections.c.end_user == draft.end_user,
        connections.c.provider_id == draft.provider.id,
    )
    if draft.connection_id is not None:
        row = connection.execute(mine.where(connections.c.id == draft.connection_id)).first()
        if row is None:
            raise NotFound("The connection to renew is not there any more, or is another user's.")
        _check_same(draft, row)
        return row
    account = draft.account_id or identity or DEFAULT_ACCOUNT
    row = connection.execute(mine.where(connections.c.account_id == account)).first()
    if row is not None and identity is None and draft.account_id is None and not draft.renews_unnamed:
        raise Conflict(
            "This user has connected this provider already, and it does not say which account this is. Name the "
            "connection to renew, or give the new one an accountId.",
            connection=row.id,
            restart=_restart(draft, row.id),
        )
    if row is not None and not draft.renews_unnamed:
        _check_same(draft, row)
    return row


def _check_same(draft: Draft, row: Row[Any]) -> None:
    """Raises AccountMismatch when the provider names another account than it did before."""
    now, before = draft.checked.identity.get("id"), row.identity.get("id")
    if now is not None and before is not None and now != before:
        raise AccountMismatch(
            "This is another account than the one connected before, which stays as it was. Choose that account at "
            "the provider, or connect this one beside it.",
            restart=_restart(draft, None),
        )


def _columns(draft: Draft, was: Row[Any] | None, origins: str) -> dict[str, Any]:
    access, checked = draft.access, draft.checked
    now = datetime.now(UTC)
    granted = access.grant.scopes if checked.scopes is None else checked.scopes
    identity = dict(checked.identity)
    named = draft.account_id or identity.get("id")
    every = access.method.check.every if access.method.check else None
    columns: dict[str, Any] = {
        "account_id": named or (was.account_id if was is not None else DEFAULT_ACCOUNT),
        "consented_version": draft.version.version,
        "security_digest": draft.version.security_digest,
        "auth_method": access.method_name,
        "provider_type": access.method.type or "none",
        "variant": access.variant,
        "client_row_id": access.registration.client_row_id,
        "account_email": identity.get("email"),
        "identity": identity,
        "scopes": {"requested": list(draft.requested), "granted": list(granted)},
        "inputs": dict(access.inputs),
        "origins": origins,
        "binding": draft.binding,
        "state": "ok",
        "error_code": None,
        "error_message": None,
        "error_count": 0,
        "row_version": 1 if was is None else was.row_version + 1,
        "updated_at": now,
        "last_synced_at": now,
        "last_checked_at": now if access.method.check else None,
        "check_at": now + timedelta(seconds=every) if every else None,
    }
    if was is not None and draft.connection_id is not None and was.account_id != DEFAULT_ACCOUNT:
        columns["account_id"] = was.account_id
    if was is None or draft.label is not None:
        columns["label"] = draft.label
    if was is None or draft.metadata is not None:
        columns["metadata"] = dict(draft.metadata or {})
    return columns


def _version_of(connection: Connection, identifier: str) -> int:
    """Of the credential that is there; whoever else is about to store one waits until this one is stored."""
    stored = select(credentials.c.version).where(credentials.c.connection_id == identifier)
    return connection.execute(stored.with_for_update()).scalar_one()


def _store_credential(connection: Connection, identifier: str, access: Access, sealed: bytes, version: int) -> None:
    columns = {**credential_columns(access, sealed), "version": version}
    if version > 1:
        # A new version and fence: a refresh of the old grant that comes late finds nothing to overwrite.
        mine = credentials.c.connection_id == identifier
        connection.execute(update(credentials).where(mine).values(**columns, fence=credentials.c.fence + 1))
    else:
        connection.execute(insert(credentials).values(connection_id=identifier, **columns))


def _kept(connection: Connection, draft: Draft) -> Access:
    """What is stored of an account. Its grant was timed by this process's clock and is read by all, so its times are
    made the database's; those of an import came from elsewhere."""
    access = draft.access.kept()
    grant = replace(access.grant, client_id=access.grant.client_id or acquire.client_id(access))
    ahead = datetime.now(UTC) - database_now(connection)
    if abs(ahead) > _SKEW and draft.binding != "import":
        times = {"issued_at": grant.issued_at, "expires_at": grant.expires_at}
        times["refresh_expires_at"] = grant.refresh_expires_at
        grant = replace(grant, **{name: each and each - ahead for name, each in times.items()})
    return replace(access, grant=grant)


def credential_columns(access: Access, sealed: bytes) -> dict[str, Any]:
    """A fresh grant, with no refresh under way."""
    grant = access.grant
    issued = grant.issued_at or datetime.now(UTC)
    refresh = access.method.refresh
    renewable = access.method.renewal == "reacquire" or grant.refresh_token is not None
    due = rules.refresh_at(
        issued_at=issued,
        expires_at=grant.expires_at,
        before=refresh.before,
        every=refresh.every,
        refresh_expires_at=grant.refresh_expires_at,
    )
    return {
        "sealed": sealed,
        "token_type": grant.token_type,
        "issued_at": issued,
        "expires_at": grant.expires_at,
        "refresh_at": due if renewable else None,
        "claimed_until": None,
        "attempt": None,
        "state": "ok",
        "failures": 0,
    }


def _restart(draft: Draft, connection_id: str | None) -> dict[str, object]:
    return SessionRequest(
        provider=draft.provider.slug,
        end_user=draft.end_user or None,
        connection=connection_id,
        auth_method=draft.access.method_name,
    ).dump()
