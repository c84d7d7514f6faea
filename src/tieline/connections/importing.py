"""Imports credentials that exist already, proved at the provider before they are stored."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Unpack

from sqlalchemy import Connection as Open
from sqlalchemy import Row
from sqlalchemy.exc import IntegrityError

from tieline.actor import Actor
from tieline.connections import acquire, rows, views
from tieline.connections.access import Access
from tieline.connections.checks import Checked, check
from tieline.connections.forms import asked, split
from tieline.connections.grant import Grant, read_grant
from tieline.connections.loading import Loader
from tieline.connections.rows import Reference
from tieline.connections.rules import require_small
from tieline.connections.saving import Draft, save
from tieline.connections.sessions import require_connectable
from tieline.connections.types import Connection, EndUser, Import
from tieline.egress import Egress
from tieline.errors import (
    CheckFailed,
    Fault,
    Forbidden,
    InvalidInputs,
    InvalidRequest,
    ProviderRefused,
    ProviderUnavailable,
    ReconnectRequired,
)
from tieline.manifest.inputs import read_inputs
from tieline.providers import rows as provider_rows
from tieline.secret import Secret
from tieline.storage import Database


class Importing:
    """One, or the same account again, which renews it."""

    def __init__(self, db: Database, loader: Loader, egress: Egress) -> None:
        self._db = db
        self._loader = loader
        self._egress = egress

    async def create(self, actor: Actor, **given: Unpack[Import]) -> Connection:
        """Imports an existing credential, as `upsert` does."""
        connection, _ = await self.upsert(actor, **given)
        return connection

    async def upsert(self, actor: Actor, **given: Unpack[Import]) -> tuple[Connection, bool]:
        """Imports an existing credential, checked first; whether the connection is new stands beside it.

        The same user, provider and account is renewed. Raises InvalidInputs, CheckFailed, NotConnectable, NotFound.
        """
        return await self._upsert(actor, **given)

    async def _upsert(
        self,
        actor: Actor,
        *,
        provider: str,
        end_user: str | EndUser | None = None,
        inputs: Mapping[str, object] | None = None,
        credentials: Mapping[str, object] | None = None,
        auth_method: str | None = None,
        variant: str | None = None,
        account_id: str | None = None,
        label: str | None = None,
        metadata: Mapping[str, object] | None = None,
        check: bool = True,
    ) -> tuple[Connection, bool]:
        actor.require("connections:write")
        user = end_user.id if isinstance(end_user, EndUser) else end_user or ""
        rows.require_end_user(actor, user)
        _check_restriction(actor, provider)
        require_small(end_user=user, account_id=account_id, label=label, metadata=metadata)
        found, version, access = await self._db.read(
            lambda open_: self._new(open_, actor, provider, user, auth_method, variant)
        )
        access = _given(access, inputs or {}, credentials)
        checked = Checked()
        if access.method.oauth2 is not None and credentials is None:
            access = await self._without_user(access)
        if check:
            access, checked = await self._proved(access)
        draft = Draft(
            provider=found,
            version=version,
            end_user=user,
            access=checked.access or access,
            checked=checked,
            requested=_requested(access, checked),
            binding="import",
            account_id=account_id,
            metadata=metadata,
            label=label,
            renews_unnamed=True,
        )

        def store(open_: Open) -> tuple[Connection, bool]:
            saved = save(open_, self._loader.vault, actor, draft)
            return views.connection(rows.find(open_, actor, Reference(id=saved.connection_id))), not saved.renewed

        try:
            return await self._db.write(store)
        except IntegrityError:
            # The same account was imported at the same moment: it is there now, and is renewed.
            return await self._db.write(store)

    def _new(
        self, open_: Open, actor: Actor, provider: str, user: str, method: str | None, variant: str | None
    ) -> tuple[Row[Any], Row[Any], Access]:
        found = provider_rows.found(open_, actor, provider)
        manifest = self._loader.documents.of(provider_rows.current(open_, found.id))
        if method is None and len(manifest.auth) > 1:
            names = ", ".join(manifest.auth)
            fault = Fault("/authMethod", "required", "This provider has several auth methods.", f"One of: {names}.")
            raise InvalidRequest("Say which auth method the credential is for.", errors=[fault])
        name = method or next(iter(manifest.auth), "default")
        access, version = self._loader.new(open_, actor, found, name, variant, end_user=user)
        require_connectable(access)
        return found, version, access

    async def _without_user(self, access: Access) -> Access:
        """Client credentials need nobody; a code does."""
        access.require_client()
        if access.method.renewal != "reacquire":
            raise InvalidRequest("This method needs a user. Start a connect session, or give `credentials`.")
        now = datetime.now(UTC)
        return await acquire.by_client_credentials(access, self._egress, now=now, scopes=access.scopes(None))

    async def _proved(self, access: Access) -> tuple[Access, Checked]:
        """Where the access token is over, its refresh token is the proof."""
        now = datetime.now(UTC)
        expires_at = access.grant.expires_at
        over = access.grant.access_token is None or (expires_at is not None and expires_at <= now)
        renewed = over and access.grant.refresh_token is not None
        if renewed:
            try:
                access = await acquire.renewed(access, self._egress, now=now)
            except (ProviderRefused, ReconnectRequired) as refused:
                detail = "The provider does not accept this refresh token. Check that it is the newest one."
                raise CheckFailed(detail, error=refused.facts.get("error")) from refused
        checked = await check(access, self._egress, now=now)
        if renewed and isinstance(checked.problem, ProviderUnavailable):
            # The old refresh token may be dead by now: the new one must not be lost.
            return access, Checked()
        if checked.problem is not None:
            raise checked.problem
        return access, checked


def _given(access: Access, inputs: Mapping[str, object], credentials: Mapping[str, object] | None) -> Access:
    """The account with what the caller brings. Raises InvalidInputs with every fault."""
    if credentials is None or inputs:
        wanted = asked(access)
        read = read_inputs(wanted, inputs, from_={"user", "adminOrUser"})
        plain, secret = split(access, read)
        access = replace(access, inputs=plain, grant=replace(access.grant, values=secret))
    if credentials is None:
        return access
    known = {"accessToken", "refreshToken", "idToken", "tokenType", "expiresAt", "scopes"}
    faults = [
        Fault(f"/credentials/{name}", "unknown_key", "This is no part of a credential.", f"Known: {', '.join(known)}.")
        for name in sorted(set(credentials) - known)
    ]
    if not isinstance(credentials.get("accessToken"), str) and not isinstance(credentials.get("refreshToken"), str):
        faults.append(Fault("/credentials/accessToken", "required", "An access or refresh token is needed."))
    if faults:
        raise InvalidInputs("The credentials cannot be imported like this.", errors=faults)
    return replace(access, grant=_imported(access.grant, credentials))


def _imported(was: Grant, credentials: Mapping[str, object]) -> Grant:
    scopes = credentials.get("scopes")
    captured = {**credentials, "scope": scopes}
    now = datetime.now(UTC)
    if credentials.get("accessToken"):
        return read_grant(captured, now=now, was=was)
    # Only a refresh token: the first use makes an access token of it.
    return replace(was, refresh_token=Secret(str(credentials["refreshToken"])), issued_at=now, expires_at=now)


def _requested(access: Access, checked: Checked) -> tuple[str, ...]:
    """What the granted scopes are compared with: nothing, where nobody says what was granted."""
    known = access.grant.scopes or checked.scopes is not None
    return access.scopes(None) if access.method.oauth2 and known else ()


def _check_restriction(actor: Actor, provider: str) -> None:
    narrowed = actor.restriction
    if narrowed.connection is not None or (narrowed.provider is not None and narrowed.provider != provider):
        raise Forbidden("This key is restricted to another connection or provider.")
