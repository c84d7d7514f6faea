"""Connect sessions: a short-lived permission to make or renew one connection. The side of the application's backend.

A session's token, state and nonce are hashed at rest; what the browser brought is sealed in it until completion.
"""

import asyncio
import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, insert, or_, select, update

from tieline import audit
from tieline.actor import Actor
from tieline.connections import rows, rules, views
from tieline.connections.access import Access
from tieline.connections.forms import asked, variants_of
from tieline.connections.loading import Loader
from tieline.connections.tables import connect_sessions, connections
from tieline.connections.types import ConnectSession, EndUser, NewConnectSession
from tieline.errors import (
    Fault,
    Forbidden,
    InvalidInputs,
    InvalidRequest,
    NotConfigured,
    NotConnectable,
    NotFound,
    TielineError,
)
from tieline.ids import new_id
from tieline.manifest.inputs import read_inputs
from tieline.manifest.origins import origin_of
from tieline.manifest.support import not_yet
from tieline.organizations.organizations import by_id as organization_by_id
from tieline.organizations.organizations import is_safe_url
from tieline.organizations.tables import organizations
from tieline.providers import rows as provider_rows
from tieline.providers.tables import providers
from tieline.secret import Secret
from tieline.storage import Database
from tieline.storage.vault import About

_LONGEST_WAIT = 60.0
_POLL = 0.25
_GOING = ("new", "started", "returned", "completing")
"""The steps of a session that is not over."""
_FIXED = ("provider_id", "version", "end_user", "connection_id", "account_id", "return_to", "embed_origin")
"""What never changes in a session: a row that somebody has changed does not open."""


def hashed(secret: str) -> str:
    """How tokens, states and nonces are stored: they are 256 random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def about(session: Row[Any]) -> About:
    """What is sealed in it opens for this user at this version of this provider, and for whom it goes back to."""
    return _about(session.org, session.id, [getattr(session, name) for name in _FIXED])


def _about(organization: str, identifier: str, fixed: Sequence[object]) -> About:
    return About(organization, "connect_sessions", identifier, "sealed", json.dumps(fixed))


@dataclass(frozen=True)
class _Wanted:
    provider: str
    end_user: EndUser
    return_to: str | None
    embed_origin: str | None
    context: Mapping[str, object] | None
    scopes: Sequence[str] | None
    connection: str | None
    account_id: str | None
    auth_method: str | None
    variant: str | None
    inputs: Mapping[str, object] | None


class Sessions:
    """What the application does: start, ask, cancel. What the browser does stands in `flow`."""

    def __init__(self, db: Database, loader: Loader, *, public_url: str) -> None:
        self._db = db
        self._loader = loader
        self._url = public_url

    async def start(
        self,
        actor: Actor,
        *,
        provider: str,
        end_user: str | EndUser | None = None,
        return_to: str | None = None,
        embed_origin: str | None = None,
        context: Mapping[str, object] | None = None,
        scopes: Sequence[str] | None = None,
        connection: str | None = None,
        account_id: str | None = None,
        auth_method: str | None = None,
        variant: str | None = None,
        inputs: Mapping[str, object] | None = None,
    ) -> NewConnectSession:
        """A session of ten minutes; its `url` is what the browser opens.

        `return_to` is https or loopback, and in the organization's list where there is one. `inputs` are values the
        application knows already. Raises NotFound, NotConnectable, NotConfigured, Forbidden, InvalidRequest.
        """
        actor.require("connect")
        narrowed = actor.restriction.connection
        if narrowed is not None and narrowed != connection:
            raise Forbidden("This key is restricted to one connection: it can only renew that one.")
        user = EndUser(id=end_user) if isinstance(end_user, str) else end_user or EndUser(id="")
        rows.require_end_user(actor, user.id)
        rules.require_small(end_user=user.id, account_id=account_id, context=context)
        wanted = _Wanted(
            provider,
            user,
            return_to,
            embed_origin,
            context,
            scopes,
            connection,
            account_id,
            auth_method,
            variant,
            inputs,
        )
        return await self._db.write(lambda open_: self._start(open_, actor, wanted))

    async def get(self, actor: Actor, session: str, *, wait: float = 0.0) -> ConnectSession:
        """Its status; `wait` is how many seconds (at most 60) to wait for a change. Raises NotFound."""
        actor.require("connect")
        deadline = asyncio.get_running_loop().time() + min(wait, _LONGEST_WAIT)
        first: str | None = None
        while True:
            seen = await self._db.read(lambda open_: self._view(open_, actor, session))
            first = first or seen.status
            over = seen.status in ("completed", "failed", "expired") or seen.status != first
            if over or asyncio.get_running_loop().time() >= deadline:
                return seen
            await asyncio.sleep(_POLL)

    async def cancel(self, actor: Actor, session: str) -> None:
        """From now on nothing can be connected with it. Raises NotFound."""
        actor.require("connect")

        def burn(open_: Connection) -> None:
            row = _of(open_, actor, session)
            if end(open_, row, "burned", {"result": "cancelled"}):
                audit.record(open_, actor, "connectSession.cancelled", row.id)

        await self._db.write(burn)

    def _start(self, open_: Connection, actor: Actor, wanted: _Wanted) -> NewConnectSession:
        provider = provider_rows.found(open_, actor, wanted.provider)
        _check_addresses(open_, actor, wanted)
        renewed = _renewed(open_, actor, wanted)
        method = wanted.auth_method or (None if renewed is None else renewed.auth_method)
        variant = wanted.variant or (None if renewed is None else renewed.variant)
        version = self._check_connectable(open_, actor, provider, method, variant, wanted.inputs or {})
        now = datetime.now(UTC)
        token = Secret("tlc_" + secrets.token_urlsafe(32))
        values: dict[str, Any] = {
            "id": new_id("ses"),
            "org": actor.organization,
            "token_hash": hashed(token.reveal()),
            "provider_id": provider.id,
            "version": version,
            "auth_method": method,
            "variant": variant,
            "end_user": wanted.end_user.id,
            "end_user_name": wanted.end_user.name or wanted.end_user.email or "",
            "connection_id": wanted.connection,
            "account_id": wanted.account_id,
            "return_to": wanted.return_to,
            "embed_origin": wanted.embed_origin,
            "scopes": None if wanted.scopes is None else list(wanted.scopes),
            "context": None if wanted.context is None else dict(wanted.context),
            "step": "new",
            "origins": "",
            "created_at": now,
            "expires_at": now + rules.SESSION_LIFE,
        }
        sealing = _about(actor.organization, values["id"], [values[name] for name in _FIXED])
        material = json.dumps({"given": dict(wanted.inputs or {})}).encode()
        values["sealed"] = self._loader.vault.seal(material, about=sealing)
        open_.execute(insert(connect_sessions).values(values))
        audit.record(open_, actor, "connectSession.started", values["id"], provider=provider.slug)
        url = Secret(f"{self._url}/connect/{token.reveal()}")
        return NewConnectSession(self._view(open_, actor, values["id"]), token, url)

    def _check_connectable(
        self,
        open_: Connection,
        actor: Actor,
        provider: Row[Any],
        method: str | None,
        variant: str | None,
        inputs: Mapping[str, object],
    ) -> str:
        """The version to consent to. Raises NotConnectable, NotConfigured, Forbidden, InvalidInputs."""
        current = provider_rows.current(open_, provider.id)
        names = [method] if method else list(self._loader.documents.of(current).auth)
        if provider.is_template:
            raise NotConnectable(f"{provider.slug} is a template. Make a provider from it first.")
        if not names:
            raise NotConnectable("This provider has nothing to connect: it declares no auth method.")
        problems: list[TielineError] = []
        # The user chooses among the methods and variants that the application leaves open.
        variants = variants_of(self._loader.documents.of(current), variant)
        for name, each in product(names, variants):
            try:
                return self._connectable(open_, actor, provider, name, each, inputs)
            except (NotConnectable, NotConfigured, Forbidden, InvalidInputs) as problem:
                problems.append(problem)
        # What an admin can mend helps more than what nobody can.
        raise next((problem for problem in problems if isinstance(problem, NotConfigured)), problems[0])

    def _connectable(
        self,
        open_: Connection,
        actor: Actor,
        provider: Row[Any],
        method: str,
        variant: str | None,
        inputs: Mapping[str, object],
    ) -> str:
        try:
            access, version = self._loader.new(open_, actor, provider, method, variant)
        except KeyError:
            raise NotConnectable(f"This provider has no variant {variant!r}.") from None
        require_connectable(access)
        access.require_client()
        wanted = asked(access)
        # Those that are given are not asked on the page, so they must be right.
        known = {name: wanted[name].model_copy(update={"visible_when": None}) for name in inputs if name in wanted}
        read_inputs(known, inputs, from_={"user", "adminOrUser"})
        return version.version

    def _view(self, open_: Connection, actor: Actor, session: str) -> ConnectSession:
        row = _of(open_, actor, session)
        result: Mapping[str, Any] = row.result or {}
        problem: Mapping[str, Any] = result.get("problem") or {}
        status = rules.session_status(
            step=row.step, result=result.get("result"), now=datetime.now(UTC), expires_at=row.expires_at
        )
        made = result.get("connectionId")
        found = open_.execute(rows.query().where(connections.c.id == made)).first() if made else None
        return ConnectSession(
            id=row.id,
            provider=provider_rows.by_id(open_, row.provider_id).slug.partition("~")[0],
            end_user=row.end_user,
            status=status,
            reason=problem.get("code") or (None if made else result.get("result")),
            connection=None if found is None else views.connection(found),
            expires_at=row.expires_at,
        )


def require_connectable(access: Access) -> None:
    """Raises NotConnectable for what this version cannot do, Forbidden for what an admin has switched off."""
    name = access.manifest.name or "This provider"
    if access.method_name not in access.manifest.auth:
        names = ", ".join(access.manifest.auth) or "none"
        raise NotConnectable(f"{name} has no auth method {access.method_name!r}. It has: {names}.")
    if reasons := not_yet(access.manifest, access.method_name):
        raise NotConnectable(f"{name} cannot be connected yet: {' '.join(reasons)}", reasons=list(reasons))
    if not access.registration.enabled:
        raise Forbidden(f"{name} is switched off for this organization.")


def end(
    open_: Connection, row: Row[Any], step: str, result: Mapping[str, object], *, was: Sequence[str] = _GOING
) -> bool:
    """Nothing secret stays behind. False when the session is no more where it `was`: then nothing changes."""
    changed = open_.execute(
        update(connect_sessions)
        .where(connect_sessions.c.id == row.id, connect_sessions.c.step.in_(was))
        .values(step=step, result=dict(result), sealed=None, claimed_until=None)
    )
    return changed.rowcount == 1


def visible(actor: Actor) -> list[ColumnElement[bool]]:
    """Those of the organization and of its customers, narrowed by provider and connection as the key is."""
    narrowed = actor.restriction
    customers = select(organizations.c.id).where(organizations.c.parent_id == actor.organization)
    conditions = [or_(connect_sessions.c.org == actor.organization, connect_sessions.c.org.in_(customers))]
    if narrowed.connection is not None:
        conditions.append(connect_sessions.c.connection_id == narrowed.connection)
    if narrowed.provider is not None:
        allowed = select(providers.c.id).where(rows.of_provider(narrowed.provider))
        conditions.append(connect_sessions.c.provider_id.in_(allowed))
    return conditions


def _of(open_: Connection, actor: Actor, session: str) -> Row[Any]:
    row = open_.execute(select(connect_sessions).where(connect_sessions.c.id == session, *visible(actor))).first()
    if row is None or (actor.restriction.end_user is not None and actor.restriction.end_user != row.end_user):
        raise NotFound(f"There is no connect session {session[:60]!r} here.")
    return row


def _renewed(open_: Connection, actor: Actor, wanted: _Wanted) -> Row[Any] | None:
    """The connection to renew, which must be this user's, at this provider."""
    if wanted.connection is None:
        return None
    row = rows.find(open_, actor, rows.Reference(id=wanted.connection))
    if row.end_user != wanted.end_user.id or views.slug(row) != wanted.provider:
        raise NotFound("The connection to renew is another user's, or at another provider.")
    return row


def _check_addresses(open_: Connection, actor: Actor, wanted: _Wanted) -> None:
    """Raises InvalidRequest for an unsafe address, Forbidden for one that the organization has not listed."""
    organization = organization_by_id(open_, actor.organization)
    platform = organization_by_id(open_, actor.platform)
    faults: list[Fault] = []
    for field, url in (("returnTo", wanted.return_to), ("embedOrigin", wanted.embed_origin)):
        if url is not None and not is_safe_url(url):
            hint = "Give an https address, or one on this machine while developing, without a fragment."
            faults.append(Fault(f"/{field}", "insecure_url", "The browser cannot be sent there.", hint))
    if not faults and wanted.embed_origin is not None and origin_of(wanted.embed_origin) != wanted.embed_origin:
        hint = "Give scheme, host and port only: https://app.example."
        faults.append(Fault("/embedOrigin", "no_origin", "This is not the origin of a site.", hint))
    if faults:
        raise InvalidRequest("The session cannot be started like this.", errors=faults)
    listed = [*organization.return_urls, *platform.return_urls]
    if wanted.return_to is not None and listed and not any(_within(wanted.return_to, url) for url in listed):
        raise Forbidden("returnTo is not in the organization's list of return URLs.")
    embeds = [*organization.embed_origins, *platform.embed_origins]
    if wanted.embed_origin is not None and embeds and wanted.embed_origin not in embeds:
        raise Forbidden("embedOrigin is not in the organization's list of embed origins.")


def _within(url: str, listed: str) -> bool:
    """The listed address itself, with any query behind it."""
    return url == listed or url.startswith(listed + "?")
