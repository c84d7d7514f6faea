"""The browser's side of a connect session: open, submit, come back, confirm. Nothing is exchanged here but on confirm.

Whatever the browser brings, a code or typed inputs, is sealed in the session; who completes it decides what it is for.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, select, update

from tieline import audit
from tieline.connections import acquire, rules
from tieline.connections.access import Access
from tieline.connections.answers import code_of, is_issuers, refusal_of, state_of
from tieline.connections.checks import check
from tieline.connections.completing import Completing
from tieline.connections.forms import VARIANT, asked, known_values, split, typed_values
from tieline.connections.loading import Loader
from tieline.connections.opening import Opened, Picked, load
from tieline.connections.pages import Confirm, Ended, Page, Redirect
from tieline.connections.sessions import about, hashed
from tieline.connections.showing import GONE, form_page, leaves, onward_page, stranger_page, used_page
from tieline.connections.tables import connect_sessions
from tieline.egress import Egress
from tieline.errors import (
    Fault,
    InvalidInputs,
    NotConfigured,
    NotConnectable,
    ProviderUnavailable,
    RateLimited,
    SessionEnded,
    StorageUnavailable,
    TielineError,
)
from tieline.integrations.rows import client_row_id
from tieline.integrations.views import redirect_uri
from tieline.limits import Bucket, Limiter
from tieline.manifest.inputs import read_inputs
from tieline.manifest.templates import Missing, Unrenderable
from tieline.protocols import oauth2 as protocol
from tieline.runner import capture
from tieline.secret import Secret
from tieline.storage import Database

_OPEN = ("new", "started")
_MOST_PARAMETERS = 50
_MOST_TRIES = 20
"""Of typed credentials in one session: with more, its page would be a way to guess other people's."""


class Flow:
    """Each method answers a page. Trouble is a page too, or the way back to the application; never JSON.

    `browser` is the value of the binding cookie. Raises SessionEnded, SealBroken, StorageUnavailable, StorageFull.
    """

    def __init__(
        self, db: Database, loader: Loader, egress: Egress, completing: Completing, *, public_url: str
    ) -> None:
        self._db = db
        self._loader = loader
        self._egress = egress
        self._completing = completing
        self._url = public_url
        self._tries = Limiter()

    async def open(self, token: str, *, method: str | None = None, browser: str | None = None) -> Page:
        """The session's page. Consumes nothing: it may be reloaded, and previewed by a chat."""
        opened = await self._opened(connect_sessions.c.token_hash == hashed(token), Picked(method))
        if isinstance(opened, Ended):
            return opened
        return self._form(opened) if opened.row.step in _OPEN else self._again(opened, browser)

    async def submit(self, token: str, typed: Mapping[str, str], *, method: str | None, browser: str | None) -> Page:
        """The form: goes to the provider, or checks what was typed at once, on the page, without storing it."""
        picked = Picked(method, typed.get(VARIANT))
        opened = await self._opened(connect_sessions.c.token_hash == hashed(token), picked)
        if isinstance(opened, Ended):
            return opened
        if opened.row.step not in _OPEN:
            return self._again(opened, browser)
        if opened.access is None:
            return self._form(opened)
        try:
            access = self._typed(opened, opened.access, typed)
        except InvalidInputs as problem:
            return self._form(opened, typed=typed, errors={fault.path: fault for fault in problem.errors})
        if leaves(access):
            return await self._leave(opened, access, typed, browser)
        return await self._try(opened, access, typed, browser)

    async def callback(self, client_row_id: str, params: Mapping[str, str], *, browser: str | None) -> Page:
        """The browser comes back from the provider, with a code or an error."""
        # Which parameter is the state, the session's document says.
        states = [hashed(value) for value in list(params.values())[:_MOST_PARAMETERS]]
        opened = await self._opened(connect_sessions.c.state_hash.in_(states), None)
        if isinstance(opened, Ended):
            return opened
        row, access = opened.row, opened.access
        if access is None:
            return self._form(opened)
        oauth2 = access.method.oauth2
        mine = oauth2 is not None and hashed(state_of(oauth2, params)) == row.state_hash
        if oauth2 is None or not mine:
            return stranger_page(opened)
        if not opened.bound(browser):
            return await self._astray(opened, "browser")
        if row.client_row_id != client_row_id:
            return await self._astray(opened, "client")
        if row.step != "started":
            return self._again(opened, browser)
        if not is_issuers(access, oauth2, params):
            return await self._astray(opened, "issuer")
        problem = refusal_of(oauth2, params)
        if problem is not None:
            return await self._return(opened, {}, browser, result=problem)
        try:
            captured = capture(oauth2.callback.capture, {"callback": params})
        except Unrenderable:
            return stranger_page(opened)
        brought = {"code": code_of(oauth2, params), "callback": dict(params), "captured": captured}
        return await self._return(opened, brought, browser)

    async def confirm(self, nonce: str, *, browser: str | None) -> Page:
        """The interstitial's yes: the user confirms who receives the connection, and it is made."""
        opened = await self._interstitial(nonce, browser)
        if isinstance(opened, Ended):
            return opened
        try:
            done = await self._completing.complete(opened.actor, opened.row, binding="confirmedByUser")
        except (ProviderUnavailable, StorageUnavailable) as problem:
            return Confirm(opened.subject, Secret(nonce), message=problem.detail)
        except TielineError as problem:
            return Ended(False, problem.title, problem.detail, problem.code, opened.subject)
        if done.connection is None:
            detail = done.problem.detail if done.problem else "Nothing was connected. You can close this page."
            code = done.problem.code if done.problem else "cancelled"
            return Ended(False, "Not connected", detail, code, opened.subject)
        label = done.connection.account.label
        detail = f"{label} is connected." if label else "The connection works."
        title = f"{opened.subject.provider} is connected"
        return Ended(True, title, f"{detail} You can close this page.", "", opened.subject)

    async def cancel(self, token: str, *, browser: str | None) -> Page:
        """The user does not want to: back to the application, which is told so."""
        opened = await self._opened(connect_sessions.c.token_hash == hashed(token), Picked())
        if isinstance(opened, Ended):
            return opened
        if opened.row.step not in _OPEN:
            return self._again(opened, browser)
        return await self._return(opened, {}, browser, result={"result": "cancelled"})

    async def decline(self, nonce: str, *, browser: str | None) -> Page:
        """The interstitial's no: what the browser brought is forgotten."""
        opened = await self._interstitial(nonce, browser)
        if isinstance(opened, Ended):
            return opened
        if opened.row.step != "returned":
            return self._again(opened, browser)
        return await self._return(opened, {}, browser, result={"result": "cancelled"})

    async def _astray(self, opened: Opened, reason: str) -> Page:
        """From another browser, at another client's address, or of another server: nothing is taken, and the state is
        over. Whoever gets to see this address cannot bring the code to the browser that the state belongs to."""
        row = opened.row
        mine = (connect_sessions.c.id == row.id) & (connect_sessions.c.state_hash == row.state_hash)
        change = update(connect_sessions).where(mine, connect_sessions.c.step == "started")

        def forget(connection: Connection) -> None:
            if connection.execute(change.values(step="new", state_hash=None)).rowcount == 1:
                audit.record(
                    connection, opened.actor, "connectSession.astray", row.id, outcome="refused", reason=reason
                )

        await self._db.write(forget)
        return stranger_page(opened)

    async def _interstitial(self, nonce: str, browser: str | None) -> Opened | Ended:
        """The session whose page of ours asked; an application's nonce is for the application."""
        opened = await self._opened(connect_sessions.c.nonce_hash == hashed(nonce), None)
        if isinstance(opened, Ended):
            return opened
        ours = not opened.row.return_to and not opened.row.embed_origin
        return opened if ours and opened.bound(browser) else stranger_page(opened)

    async def _opened(self, found: ColumnElement[bool], picked: Picked | None) -> Opened | Ended:
        def read(connection: Connection) -> Opened | Ended:
            row = connection.execute(select(connect_sessions).where(found)).first()
            if row is None:
                return Ended(False, "This link is not valid", GONE, "not-found")
            opened = load(connection, self._loader, row, picked)
            if datetime.now(UTC) >= row.expires_at and row.step not in ("done", "burned"):
                return Ended(False, "This link has expired", GONE, "session-ended", opened.subject)
            return opened

        return await self._db.read(read)

    def _form(
        self,
        opened: Opened,
        *,
        typed: Mapping[str, str] | None = None,
        errors: Mapping[str, Fault] | None = None,
        message: str = "",
    ) -> Page:
        address = redirect_uri(self._url, _client(opened.access)) if opened.access else ""
        return form_page(opened, redirect_uri=address, typed=typed, errors=errors, message=message)

    def _again(self, opened: Opened, browser: str | None) -> Page:
        """A reload, a second click, the back button: the same way on, for the same browser, until it is completed."""
        nonce, row = opened.material.get("nonce"), opened.row
        if nonce and browser and opened.bound(browser) and datetime.now(UTC) < row.expires_at:
            return onward_page(opened, nonce, browser, result=row.result)
        return used_page(opened)

    def _typed(self, opened: Opened, access: Access, typed: Mapping[str, str]) -> Access:
        """The account with what the user typed, and what is known already. Raises InvalidInputs."""
        known = known_values(access, opened.given)
        given = {**typed_values(access, typed, known), **known}
        faults: list[Fault] = []
        if not opened.decided:
            faults.append(Fault(f"/{VARIANT}", "required", "Choose one."))
        wanted = asked(access)
        read: dict[str, object] = {}
        try:
            mine = {name: value for name, value in given.items() if name in wanted}
            read = read_inputs(wanted, mine, from_={"user", "adminOrUser"})
        except InvalidInputs as problem:
            faults += problem.errors
        if faults:
            raise InvalidInputs(errors=faults)
        plain, secret = split(access, read)
        return replace(access, inputs=plain, grant=replace(access.grant, values=secret))

    async def _leave(self, opened: Opened, access: Access, typed: Mapping[str, str], browser: str | None) -> Page:
        """To the provider's authorization page, with a fresh state and verifier."""
        oauth2 = access.method.oauth2
        if oauth2 is None:
            raise NotConnectable("This method has no authorization page.")
        state, verifier = secrets.token_urlsafe(32), protocol.new_verifier()
        browser = browser or secrets.token_urlsafe(32)
        client, pkce = _client(access), oauth2.pkce or "S256"
        variables = access.oauth(
            access.scopes(opened.scopes),
            redirectUri=redirect_uri(self._url, client),
            state=state,
            codeChallenge=protocol.challenge(verifier, pkce),
            codeChallengeMethod=pkce,
        )
        try:
            url = protocol.authorization_url(oauth2, {**access.values(), "oauth": variables}, inputs=access.declared)
        except (Missing, Unrenderable):
            problem = f"This does not make an address of {opened.subject.provider}. Check it."
            return self._form(opened, typed=typed, message=problem)
        brought = {"inputs": dict(access.inputs), "secrets": dict(access.grant.values), "verifier": verifier}
        moved = await self._keep(
            opened,
            {**opened.material, **brought, "fixed": dict(opened.fixed)},
            access,
            step="started",
            state_hash=hashed(state),
            browser_hash=hashed(browser),
            client_row_id=client,
        )
        if not moved:
            raise SessionEnded("This went on in another window. Look there, or start again at the application.")
        return Redirect(Secret(url), Secret(browser))

    async def _try(self, opened: Opened, access: Access, typed: Mapping[str, str], browser: str | None) -> Page:
        """Typed credentials are checked at once; only good ones are kept, sealed, for the completion."""
        now = datetime.now(UTC)
        try:
            self._tries.charge([Bucket(opened.row.id, _MOST_TRIES, rules.SESSION_LIFE.total_seconds())])
        except RateLimited as limited:
            wait = f"Wait {-(-(limited.retry_after or 60) // 60):g} minutes, or start again at the application."
            return self._form(opened, typed=typed, message=f"This was tried too often. {wait}")
        try:
            tried = access
            if access.method.oauth2 is not None:
                scopes = access.scopes(opened.scopes)
                tried = await acquire.by_client_credentials(access, self._egress, now=now, scopes=scopes)
            problem = (await check(tried, self._egress, now=now)).problem
        except TielineError as error:
            problem = error
        if problem is not None:
            users = isinstance(problem, NotConfigured) and access.users_client
            message = "The provider does not accept this client ID and secret." if users else problem.detail
            return self._form(opened, typed=typed, message=message)
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
        # One nonce for a session, so that every page of it that is still open counts.
        nonce: str = opened.material.get("nonce") or secrets.token_urlsafe(32)
        browser = browser or secrets.token_urlsafe(32)
        over = {"step": "returned"} if result is None else {"step": "done", "result": dict(result)}
        moved = await self._keep(
            opened,
            {**(opened.material if result is None else {}), **brought, "nonce": nonce},
            access or opened.access,
            nonce_hash=hashed(nonce),
            browser_hash=hashed(browser),
            expires_at=datetime.now(UTC) + rules.SESSION_LIFE,
            **over,
        )
        if moved:
            return onward_page(opened, nonce, browser, result=result)
        # A second click was faster.
        now = await self._opened(connect_sessions.c.id == opened.row.id, None)
        return now if isinstance(now, Ended) else self._again(now, browser)

    async def _keep(self, opened: Opened, material: Mapping[str, Any], access: Access | None, **columns: Any) -> bool:
        """Seals the material into the session; False if it is no more where it was when the page was made."""
        row = opened.row
        # Who goes to the provider may go there twice, by another click; the last one counts.
        steps = _OPEN if columns["step"] == "started" else (row.step,)
        chosen = {"auth_method": access.method_name, "variant": access.variant} if access and opened.decided else {}

        def save(connection: Connection) -> bool:
            sealed = self._loader.vault.seal(json.dumps(material).encode(), about=about(row))
            changed = connection.execute(
                update(connect_sessions)
                .where(connect_sessions.c.id == row.id, connect_sessions.c.step.in_(steps))
                .values(sealed=sealed, **chosen, **columns)
            )
            if changed.rowcount == 1 and columns["step"] != "started":
                result: Mapping[str, Any] = columns.get("result") or {}
                reason = result.get("result", "returned")
                audit.record(connection, opened.actor, "connectSession.returned", row.id, reason=reason)
            return changed.rowcount == 1

        return await self._db.write(save)


def _client(access: Access) -> str:
    """The row of the client, which the redirect URI names; of a user's own, the one it would have."""
    stored = access.registration.client_row_id
    return stored or client_row_id(access.registration.integration_id, access.method_name, access.variant)
