"""The browser's side of a connect session: open, submit, come back, confirm. Nothing is exchanged here but on confirm.

Whatever the browser brings, a code or typed inputs, is sealed in the session; who completes it decides what it is for.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from tieline import audit
from tieline.actor import Actor
from tieline.connections import acquire, rules
from tieline.connections.access import Access
from tieline.connections.checks import check
from tieline.connections.completing import Completing
from tieline.connections.forms import asked, form_fields, split
from tieline.connections.loading import Loader
from tieline.connections.pages import Choice, Confirm, Ended, Form, Page, Posted, Redirect, Subject
from tieline.connections.sessions import about, hashed, require_connectable
from tieline.connections.tables import connect_sessions
from tieline.egress import Egress
from tieline.errors import Fault, InvalidInputs, NotConnectable, SessionEnded, TielineError
from tieline.integrations.rows import client_row_id
from tieline.integrations.views import redirect_uri
from tieline.manifest import Provider
from tieline.manifest.inputs import read_inputs
from tieline.organizations.organizations import by_id as organization_by_id
from tieline.protocols import oauth2 as protocol
from tieline.protocols.apply import with_query
from tieline.providers import rows as provider_rows
from tieline.runner import capture
from tieline.secret import Secret
from tieline.storage import Database

NONCE = "tieline_nonce"
_GONE = "This link is not valid any more. Go back to the application, and connect again from there."


@dataclass(frozen=True)
class Opened:
    """A session with what its pages need. `material` is what is sealed in it."""

    row: Row[Any] = field(repr=False)
    actor: Actor
    provider: Row[Any] = field(repr=False)
    material: Mapping[str, Any] = field(repr=False)
    manifest: Provider
    methods: tuple[str, ...]
    access: Access | None
    subject: Subject


class Flow:
    """Each method answers a page. Trouble is a page too, or the way back to the application; never JSON."""

    def __init__(
        self, db: Database, loader: Loader, egress: Egress, completing: Completing, *, public_url: str
    ) -> None:
        self._db = db
        self._loader = loader
        self._egress = egress
        self._completing = completing
        self._url = public_url

    async def open(self, token: str, *, method: str | None = None) -> Page:
        """The session's page. Consumes nothing: it may be reloaded, and previewed by a chat."""
        opened = await self._opened(connect_sessions.c.token_hash == hashed(token), method)
        if isinstance(opened, Ended):
            return opened
        if opened.row.step not in ("new", "started"):
            return _used(opened)
        return _form(opened)

    async def submit(self, token: str, typed: Mapping[str, str], *, method: str | None, browser: str | None) -> Page:
        """The form: goes to the provider, or checks what was typed at once, on the page, without storing it."""
        opened = await self._opened(connect_sessions.c.token_hash == hashed(token), method)
        if isinstance(opened, Ended):
            return opened
        if opened.row.step not in ("new", "started"):
            return _used(opened)
        if opened.access is None:
            return _form(opened)
        try:
            access = self._typed(opened, opened.access, typed)
        except InvalidInputs as problem:
            return _form(opened, typed=typed, errors={fault.path: fault for fault in problem.errors})
        if access.method.oauth2 is not None and access.method.renewal == "refresh_token":
            return await self._leave(opened, access, browser)
        return await self._try(opened, access, typed, browser)

    async def callback(self, client_row_id: str, params: Mapping[str, str], *, browser: str | None) -> Page:
        """The browser comes back from the provider, with a code or an error."""
        state = params.get("state", "")
        opened = await self._opened(connect_sessions.c.state_hash == hashed(state), None)
        if isinstance(opened, Ended):
            return opened
        row = opened.row
        bound = browser is not None and secrets.compare_digest(hashed(browser), row.browser_hash or "")
        if not bound or row.client_row_id != client_row_id or opened.access is None:
            # Another browser than the one that left, or another client's address: nothing is taken from it.
            return Ended(False, "This did not start here", _GONE, "state-mismatch", opened.subject)
        if row.step != "started":
            return _used(opened)
        problem = _refusal(opened.access, params)
        if problem is not None:
            return await self._return(opened, {}, browser, result=problem)
        captured = capture(
            opened.access.method.oauth2.callback.capture if opened.access.method.oauth2 else {}, {"callback": params}
        )
        code = params[_code_param(opened.access)]
        brought = {"code": code, "callback": dict(params), "captured": captured}
        return await self._return(opened, brought, browser)

    async def confirm(self, nonce: str, *, browser: str | None) -> Page:
        """The interstitial's yes: the user confirms who receives the connection, and it is made."""
        opened = await self._opened(connect_sessions.c.nonce_hash == hashed(nonce), None)
        if isinstance(opened, Ended):
            return opened
        row = opened.row
        bound = browser is not None and secrets.compare_digest(hashed(browser), row.browser_hash or "")
        if not bound or row.return_to or row.embed_origin:
            return Ended(False, "This did not start here", _GONE, "state-mismatch", opened.subject)
        try:
            done = await self._completing.complete(opened.actor, row, binding="confirmedByUser")
        except TielineError as problem:
            return Ended(False, problem.title, problem.detail, problem.code, opened.subject)
        if done.connection is None:
            detail = done.problem.detail if done.problem else "Nothing was connected."
            return Ended(False, "Not connected", detail, done.problem.code if done.problem else "", opened.subject)
        label = done.connection.account.label
        detail = f"{label} is connected." if label else "The connection works."
        return Ended(True, f"{opened.subject.provider} is connected", f"{detail} You can close this page.", "", None)

    async def cancel(self, token: str, *, browser: str | None) -> Page:
        """The user does not want to: back to the application, which is told so."""
        opened = await self._opened(connect_sessions.c.token_hash == hashed(token), None)
        if isinstance(opened, Ended):
            return opened
        if opened.row.step not in ("new", "started"):
            return _used(opened)
        return await self._return(opened, {}, browser, result={"result": "cancelled"})

    async def decline(self, nonce: str, *, browser: str | None) -> Page:
        """The interstitial's no: what the browser brought is forgotten."""
        opened = await self._opened(connect_sessions.c.nonce_hash == hashed(nonce), None)
        if isinstance(opened, Ended) or opened.row.step != "returned":
            return opened if isinstance(opened, Ended) else _used(opened)
        bound = browser is not None and secrets.compare_digest(hashed(browser), opened.row.browser_hash or "")
        if not bound:
            return Ended(False, "This did not start here", _GONE, "state-mismatch", opened.subject)
        return await self._return(opened, {}, browser, result={"result": "cancelled"})

    async def _opened(self, found: Any, method: str | None) -> "Opened | Ended":
        def load(connection: Connection) -> Opened | Ended:
            row = connection.execute(select(connect_sessions).where(found)).first()
            if row is None:
                return Ended(False, "This link is not valid", _GONE, "session-ended")
            if datetime.now(UTC) >= row.expires_at and row.step not in ("done", "burned"):
                return Ended(False, "This link has expired", _GONE, "session-expired")
            return self._load(connection, row, method)

        return await self._db.read(load)

    def _load(self, connection: Connection, row: Row[Any], method: str | None) -> Opened:
        organization = organization_by_id(connection, row.org)
        actor = Actor("endUser", row.end_user, row.org, organization.parent_id or row.org, frozenset())
        provider = provider_rows.by_id(connection, row.provider_id)
        version = provider_rows.version_row(connection, row.provider_id, row.version)
        manifest = self._loader.documents.of(version)
        blob = None if row.sealed is None else self._loader.vault.open(row.sealed, about=about(row))
        material: dict[str, Any] = {} if blob is None else json.loads(blob)
        methods: list[str] = []
        for name in [row.auth_method] if row.auth_method else list(manifest.auth):
            try:
                access, _ = self._loader.new(connection, actor, provider, name, row.variant, version=row.version)
                require_connectable(access)
                access.require_client()
            except TielineError:
                continue
            methods.append(name)
        chosen = method if method in methods else methods[0] if len(methods) == 1 else None
        access = None
        if chosen is not None:
            access, _ = self._loader.new(
                connection, actor, provider, chosen, row.variant, version=row.version, end_user=row.end_user
            )
        platform = organization_by_id(connection, organization.parent_id) if organization.parent_id else organization
        subject = Subject(
            application=platform.name if platform.name != "default" else organization.name,
            provider=(manifest.branding and manifest.branding.display_name) or manifest.name or provider.slug,
            logo_url=manifest.logo_url,
            end_user=row.end_user_name or row.end_user or organization.name,
            scopes=_scopes(access, row.scopes),
        )
        return Opened(row, actor, provider, material, manifest, tuple(methods), access, subject)

    def _typed(self, opened: Opened, access: Access, typed: Mapping[str, str]) -> Access:
        """The account with what the user typed, and what the application knew already. Raises InvalidInputs."""
        given: dict[str, object] = {**opened.material.get("given", {}), **typed}
        wanted = asked(access)
        read = read_inputs(
            wanted, {name: given[name] for name in given if name in wanted}, from_={"user", "adminOrUser"}
        )
        plain, secret = split(access, read)
        return replace(access, inputs=plain, grant=replace(access.grant, values=secret))

    async def _leave(self, opened: Opened, access: Access, browser: str | None) -> Page:
        """To the provider's authorization page, with a fresh state and verifier."""
        oauth2 = access.method.oauth2
        client = access.registration.client_row_id or client_row_id(
            access.registration.integration_id, access.method_name, access.variant
        )
        if oauth2 is None:
            raise NotConnectable("This method has no authorization page.")
        state, verifier = secrets.token_urlsafe(32), protocol.new_verifier()
        browser = browser or secrets.token_urlsafe(32)
        pkce = oauth2.pkce or "S256"
        variables = access.oauth(
            access.scopes(None if opened.row.scopes is None else tuple(opened.row.scopes)),
            redirectUri=redirect_uri(self._url, client),
            state=state,
            codeChallenge=protocol.challenge(verifier, pkce),
            codeChallengeMethod=pkce,
        )
        url = protocol.authorization_url(oauth2, {**access.values(), "oauth": variables}, inputs=access.declared)
        typed = {"inputs": dict(access.inputs), "secrets": dict(access.grant.values)}
        material = {**opened.material, **typed, "verifier": verifier}
        await self._keep(
            opened,
            material,
            access,
            step="started",
            state_hash=hashed(state),
            browser_hash=hashed(browser),
            client_row_id=client,
        )
        return Redirect(Secret(url), Secret(browser))

    async def _try(self, opened: Opened, access: Access, typed: Mapping[str, str], browser: str | None) -> Page:
        """Typed credentials are checked at once; only good ones are kept, sealed, for the completion."""
        now = datetime.now(UTC)
        try:
            tried = access
            if access.method.oauth2 is not None:
                tried = await acquire.by_client_credentials(access, self._egress, now=now, scopes=access.scopes(None))
            checked = await check(tried, self._egress, now=now)
            problem = checked.problem
        except TielineError as error:
            problem = error
        if problem is not None:
            return _form(opened, typed=typed, message=problem.detail)
        brought = {"inputs": dict(access.inputs), "secrets": dict(access.grant.values)}
        return await self._return(opened, brought, browser, access=access)

    async def _return(
        self,
        opened: Opened,
        brought: Mapping[str, Any],
        browser: str | None,
        *,
        access: Access | None = None,
        result: Mapping[str, object] | None = None,
    ) -> Page:
        """Back to the application with a one-time nonce, on success and on failure; or on to a page of ours."""
        nonce, browser = secrets.token_urlsafe(32), browser or secrets.token_urlsafe(32)
        over = {"step": "returned"} if result is None else {"step": "done", "result": dict(result)}
        row = opened.row
        await self._keep(
            opened,
            {**opened.material, **brought} if result is None else {},
            access or opened.access,
            nonce_hash=hashed(nonce),
            browser_hash=hashed(browser),
            expires_at=datetime.now(UTC) + rules.SESSION_LIFE,
            **over,
        )
        if row.return_to:
            return Redirect(Secret(with_query(row.return_to, {NONCE: nonce})), Secret(browser))
        if row.embed_origin:
            return Posted(opened.subject, row.embed_origin, Secret(nonce))
        if result is not None:
            problem: Any = result.get("problem") or {}
            detail = problem.get("detail") or "Nothing was connected. You can close this page."
            return Ended(False, "Not connected", detail, problem.get("code", "cancelled"), opened.subject)
        return Confirm(opened.subject, Secret(nonce)) if browser else _used(opened)

    async def _keep(self, opened: Opened, material: Mapping[str, Any], access: Access | None, **columns: Any) -> None:
        """Seals the material into the session, if it is still where it was when the page was made."""
        row = opened.row
        method = row.auth_method or (access.method_name if access else None)

        def save(connection: Connection) -> bool:
            blob = json.dumps(material).encode()
            sealed = self._loader.vault.seal(blob, about=about(row)) if material else None
            changed = connection.execute(
                update(connect_sessions)
                .where(connect_sessions.c.id == row.id, connect_sessions.c.step == row.step)
                .values(sealed=sealed, auth_method=method, **columns)
            )
            if changed.rowcount == 1 and columns["step"] != "started":
                reason = _result(columns).get("result", "returned")
                audit.record(connection, opened.actor, "connectSession.returned", row.id, reason=reason)
            return changed.rowcount == 1

        if not await self._db.write(save):
            raise SessionEnded("This connect session went on in another window. Look there, or start again.")


def _form(
    opened: Opened,
    *,
    typed: Mapping[str, str] | None = None,
    errors: Mapping[str, Fault] | None = None,
    message: str = "",
) -> Page:
    if not opened.methods:
        return Ended(
            False,
            "This cannot be connected now",
            "Its setup was changed meanwhile. Tell the people who run the application.",
            "not-connectable",
            opened.subject,
        )
    if opened.access is None:
        return Form(opened.subject, None, tuple(_choice(opened, name) for name in opened.methods))
    access = opened.access
    known = {**opened.material.get("given", {}), **(typed or {})}
    fields = form_fields(access, known, errors or {}, given=opened.material.get("given", {}))
    leaves = access.method.oauth2 is not None and access.method.renewal == "refresh_token"
    return Form(opened.subject, access.method_name, (), fields, leaves, message)


def _choice(opened: Opened, name: str) -> Choice:
    method = opened.manifest.auth[name]
    return Choice(name, method.label or name, method.description or "")


def _used(opened: Opened) -> Ended:
    done = _result({"result": opened.row.result}).get("result") in ("connected", "reconnected")
    if done:
        return Ended(True, "This is connected already", "You can close this page.", "", opened.subject)
    return Ended(False, "This link has been used", _GONE, "session-ended", opened.subject)


def _result(columns: Mapping[str, Any]) -> Mapping[str, Any]:
    return columns.get("result") or {}


def _code_param(access: Access) -> str:
    oauth2 = access.method.oauth2
    return (oauth2.callback.code_param if oauth2 else None) or "code"


def _refusal(access: Access, params: Mapping[str, str]) -> dict[str, object] | None:
    """The result of an authorization response that brings no code (RFC 6749, section 4.1.2.1)."""
    oauth2 = access.method.oauth2
    error = params.get(oauth2.callback.error_param if oauth2 else "error")
    if error == "access_denied":
        return {"result": "cancelled"}
    if error:
        known = error if error.replace("_", "").isalnum() and len(error) <= 64 else "other"
        detail = "The provider could not do it. Try again, or ask the people who run the application."
        problem = {"code": "provider-refused", "title": "The provider refused", "detail": f"{detail} ({known})"}
        return {"result": "failed", "problem": problem}
    if not params.get(_code_param(access)):
        problem = {
            "code": "provider-unreadable",
            "title": "The provider sent no code",
            "detail": "The provider sent the browser back without a code. Try again.",
        }
        return {"result": "failed", "problem": problem}
    return None


def _scopes(access: Access | None, asked_for: Any) -> tuple[tuple[str, str], ...]:
    """What is asked for, with the catalogue's words for people."""
    if access is None or access.method.oauth2 is None:
        return ()
    catalog = {each.value: each for each in access.manifest.scope_catalog}
    scopes = access.scopes(None if asked_for is None else tuple(asked_for))
    return tuple(
        (scope, (catalog[scope].description or catalog[scope].label or scope) if scope in catalog else scope)
        for scope in scopes
    )
