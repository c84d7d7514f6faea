"""Rows of connections and sessions as outward values."""

from typing import Any

from sqlalchemy import Row

from tieline.connections.rules import status_of
from tieline.connections.types import Account, Connection, Problem, Scopes, SessionRequest
from tieline.errors import TielineError


def connection(row: Row[Any]) -> Connection:
    """`row` is of rows.query()."""
    status = status_of(state=row.state, suspended=row.suspended_at is not None)
    update_waits = row.newest_digest != row.security_digest and row.provider_retired_at is None
    attention = "reconnect" if status == "reconnect" else "approveUpdate" if update_waits else None
    asked, given = row.scopes.get("requested", []), row.scopes.get("granted", [])
    return Connection(
        id=row.id,
        provider=slug(row),
        provider_version=row.effective_version or row.consented_version,
        provider_type=row.provider_type,
        end_user=row.end_user or None,
        account_id=row.account_id,
        account=account(row.identity),
        label=row.label,
        status=status,
        usable=status in ("active", "error"),
        attention=attention,
        auth_method=row.auth_method,
        variant=row.variant,
        scopes=Scopes(
            requested=tuple(asked), granted=tuple(given), missing=tuple(each for each in asked if each not in given)
        ),
        error=_problem(row),
        error_count=row.error_count,
        metadata=row.metadata,
        binding=row.binding,
        token_type=row.token_type,
        created_at=row.created_at,
        updated_at=row.updated_at,
        last_synced_at=row.last_synced_at,
        last_used_at=row.last_used_at,
        last_checked_at=row.last_checked_at,
        expires_at=row.expires_at,
    )


def account(identity: dict[str, Any]) -> Account:
    """From what a check found out, by the document's names."""
    label = identity.get("label") or identity.get("name") or identity.get("username") or identity.get("email")
    return Account(
        id=identity.get("id"),
        label=label or identity.get("id"),
        email=identity.get("email"),
        avatar_url=identity.get("avatarUrl"),
    )


def slug(row: Row[Any]) -> str:
    """A retired provider's slug carries its row id behind a tilde."""
    return row.provider.partition("~")[0]


def restart(row: Row[Any]) -> SessionRequest:
    """A connect session that renews this very connection."""
    return SessionRequest(
        provider=slug(row), end_user=row.end_user or None, connection=row.id, auth_method=row.auth_method
    )


def problem(error: TielineError) -> Problem:
    return Problem(code=error.code, title=error.title, detail=error.detail)


def _problem(row: Row[Any]) -> Problem | None:
    if row.error_code is None:
        return None
    return Problem(code=row.error_code, title=row.error_code.replace("-", " "), detail=row.error_message or "")
