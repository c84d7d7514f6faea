"""Completes a connect session: whoever started it says who came back; only then is anything exchanged and saved.

The same nonce and user again within ten minutes gives the same answer; another user burns the flow.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, or_, select, update
from sqlalchemy.exc import IntegrityError

from tieline import audit
from tieline.actor import Actor
from tieline.connections import acquire, rows, rules, views
from tieline.connections.access import Access
from tieline.connections.checks import check
from tieline.connections.grant import Grant
from tieline.connections.loading import Loader
from tieline.connections.saving import Draft, save
from tieline.connections.sessions import about, end, hashed, require_connectable, visible
from tieline.connections.tables import connect_sessions, connections
from tieline.connections.types import Completion, Problem, SessionRequest
from tieline.egress import Egress
from tieline.errors import (
    EndUserMismatch,
    ProviderUnavailable,
    ScopesMissing,
    SessionEnded,
    StorageUnavailable,
    TielineError,
)
from tieline.integrations.views import redirect_uri
from tieline.providers import rows as provider_rows
from tieline.storage import Database

_POLL = 0.1
_WAIT = 45.0
_ERRORS = {error.code: error for error in TielineError.__subclasses__()}


class Completing:
    """`by_nonce` is for the application's backend; `complete` is what the interstitial's yes runs."""

    def __init__(self, db: Database, loader: Loader, egress: Egress, *, public_url: str) -> None:
        self._db = db
        self._loader = loader
        self._egress = egress
        self._url = public_url
        self._running: set[asyncio.Task[Completion]] = set()

    async def by_nonce(self, actor: Actor, nonce: str, end_user: str) -> Completion:
        """Exchanges, checks and saves what the browser brought, for the user who is logged in at the application.

        Raises SessionEnded, EndUserMismatch (which burns the flow), AccountMismatch, Conflict, ScopesMissing,
        CheckFailed, CodeExpired, and ProviderUnavailable, after which it may be tried again.
        """
        actor.require("connect")
        rows.require_end_user(actor, end_user)
        row = await self._db.read(lambda connection: _by_nonce(connection, actor, nonce))
        if row is None or row.step in ("new", "started", "burned"):
            raise SessionEnded("This nonce is not valid. It may have been used by another user, or be over.")
        inside = replace(actor, organization=row.org)
        if row.end_user != end_user:
            await self._burn(inside, row)
            raise EndUserMismatch(
                "Another user came back than was sent to the provider. Nothing was connected; start again.",
                session=row.id,
            )
        return await self.complete(inside, row, binding="app")

    async def complete(self, actor: Actor, row: Row[Any], *, binding: str) -> Completion:
        """A caller that goes away does not stop it. Raises as `by_nonce` does."""
        now = datetime.now(UTC)
        if row.step == "done" and now < row.expires_at + rules.REPEATABLE:
            return await self._repeat(row)
        if now >= row.expires_at:
            raise SessionEnded("This connect session is over: it was not completed within ten minutes. Start again.")
        task = asyncio.create_task(self._claimed(actor, row, binding))
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def drain(self) -> None:
        """Waits for the exchanges under way."""
        await asyncio.gather(*self._running, return_exceptions=True)

    def _ended(self, task: "asyncio.Task[Completion]") -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()

    async def _claimed(self, actor: Actor, row: Row[Any], binding: str) -> Completion:
        claimed = await self._claim(row)
        if claimed is None:
            return await self._others(row)
        try:
            return await self._make(actor, claimed, binding)
        except (ProviderUnavailable, StorageUnavailable):
            # The code may still be good: the same nonce may be sent again.
            await self._release(row)
            raise
        except TielineError as problem:
            await self._fail(actor, row, problem)
            raise

    async def _make(self, actor: Actor, row: Row[Any], binding: str) -> Completion:
        """Exchange, check, save."""
        now = datetime.now(UTC)
        material: dict[str, Any] = json.loads(self._loader.vault.open(row.sealed, about=about(row)))
        provider, version, access = await self._db.read(lambda open_: self._access(open_, actor, row, material))
        asked = None if row.scopes is None else tuple(row.scopes)
        requested = access.scopes(asked) if access.method.oauth2 else ()
        if "granted" in material:
            access = replace(access, grant=Grant.load(material["granted"].encode()))
        else:
            access = await self._exchanged(access, row, material, requested, now)
            if "code" in material:
                await self._keep(row, {**material, "granted": access.grant.dump().decode()})
        access = await acquire.run_on_connect(access, self._egress, now=now)
        checked = await check(access, self._egress, now=now)
        if checked.problem is not None:
            # What was not granted explains a refusal better than the refusal does.
            _require_scopes(access, None)
            raise checked.problem
        access = checked.access or access
        _require_scopes(access, checked.scopes)
        draft = Draft(
            provider=provider,
            version=version,
            end_user=row.end_user,
            access=access,
            checked=checked,
            requested=requested,
            binding=binding,
            connection_id=row.connection_id,
            account_id=row.account_id,
        )

        def store(connection: Connection) -> Completion:
            saved = save(connection, self._loader.vault, actor, draft)
            result = {"result": "reconnected" if saved.renewed else "connected", "connectionId": saved.connection_id}
            if not end(connection, row, "done", result, was=("completing",)):
                raise SessionEnded("This connect session was cancelled. Nothing was connected; start again.")
            return _completion(connection, row, result)

        try:
            return await self._db.write(store)
        except IntegrityError:
            # The same account was connected at the same moment: it is there now, and is renewed.
            return await self._db.write(store)

    def _access(
        self, connection: Connection, actor: Actor, row: Row[Any], material: Mapping[str, Any]
    ) -> tuple[Row[Any], Row[Any], Access]:
        provider = provider_rows.by_id(connection, row.provider_id)
        access, version = self._loader.new(
            connection, actor, provider, row.auth_method, row.variant, version=row.version, end_user=row.end_user
        )
        # An admin may have switched it off since the session was started.
        require_connectable(access)
        access.require_client()
        grant = replace(access.grant, values=material.get("secrets", {}))
        access = replace(access, inputs=material.get("inputs", {}), grant=grant, connection_id=row.connection_id or "")
        return provider, version, access.with_captured(material.get("captured", {}))

    async def _exchanged(
        self, access: Access, row: Row[Any], material: Mapping[str, Any], scopes: tuple[str, ...], now: datetime
    ) -> Access:
        if access.method.oauth2 is None:
            return access
        if "code" not in material:
            return await acquire.by_client_credentials(access, self._egress, now=now, scopes=scopes)
        return await acquire.by_code(
            access,
            self._egress,
            now=now,
            code=material["code"],
            redirect_uri=redirect_uri(self._url, row.client_row_id),
            verifier=material["verifier"],
            scopes=scopes,
            callback=material["callback"],
        )

    async def _claim(self, row: Row[Any]) -> Row[Any] | None:
        """The session as it is now: whoever had the claim before may have exchanged its code already."""
        now = datetime.now(UTC)
        free = or_(
            connect_sessions.c.step == "returned",
            (connect_sessions.c.step == "completing") & (connect_sessions.c.claimed_until < now),
        )
        change = (
            update(connect_sessions)
            .where(connect_sessions.c.id == row.id, free)
            .values(step="completing", claimed_until=now + rules.LEASE)
        )

        def claim(connection: Connection) -> Row[Any] | None:
            claimed = connection.execute(change).rowcount == 1
            return connection.execute(_same(row)).one() if claimed else None

        return await self._db.write(claim)

    async def _others(self, row: Row[Any]) -> Completion:
        """Somebody else completes it right now (a reload, a retry): their answer."""
        deadline = asyncio.get_running_loop().time() + _WAIT
        while asyncio.get_running_loop().time() < deadline:
            again = await self._db.read(lambda connection: connection.execute(_same(row)).one())
            if again.step == "done":
                return await self._repeat(again)
            if again.step == "returned":
                detail = "The provider could not be asked just now. Send the nonce again in a moment."
                raise ProviderUnavailable(detail, retry_after=5)
            if again.step != "completing":
                raise SessionEnded("This connect session is over. Start again.")
            await asyncio.sleep(_POLL)
        raise ProviderUnavailable("The exchange takes long. Send the nonce again in a moment.", retry_after=5)

    async def _repeat(self, row: Row[Any]) -> Completion:
        """The stored result; the same problem is raised again."""
        problem: Mapping[str, Any] = row.result.get("raised") or {}
        if problem:
            facts = {"restart": problem["restart"]} if problem.get("restart") else {}
            raise _ERRORS[problem["code"]](problem["detail"], **facts)
        return await self._db.read(lambda connection: _completion(connection, row, row.result))

    async def _fail(self, actor: Actor, row: Row[Any], problem: TielineError) -> None:
        restart = problem.facts.get("restart")
        shown = {"code": problem.code, "title": problem.title, "detail": problem.detail}
        result = {"result": "failed", "problem": shown, "raised": {**shown, "restart": restart}}

        def store(connection: Connection) -> None:
            if end(connection, row, "done", result, was=("completing",)):
                audit.record(connection, actor, "connectSession.failed", row.id, outcome="failed", reason=problem.code)

        await self._db.write(store)

    async def _burn(self, actor: Actor, row: Row[Any]) -> None:
        def store(connection: Connection) -> None:
            # What is connected already was completed by the right user, and stays.
            end(connection, row, "burned", {"result": "failed", "problem": {"code": EndUserMismatch.code}})
            audit.record(connection, actor, "connectSession.burned", row.id, outcome="refused", reason="end-user")

        await self._db.write(store)

    async def _keep(self, row: Row[Any], material: Mapping[str, Any]) -> None:
        """What the code was exchanged for, sealed: it cannot be exchanged twice, whatever fails after it."""
        sealed = self._loader.vault.seal(json.dumps(material).encode(), about=about(row))
        await self._while_completing(row, sealed=sealed)

    async def _release(self, row: Row[Any]) -> None:
        await self._while_completing(row, step="returned", claimed_until=None)

    async def _while_completing(self, row: Row[Any], **columns: Any) -> None:
        mine = (connect_sessions.c.id == row.id) & (connect_sessions.c.step == "completing")
        change = update(connect_sessions).where(mine).values(**columns)
        await self._db.write(lambda connection: connection.execute(change))


def _same(row: Row[Any]) -> Select[Any]:
    """The row of this session as it is now."""
    return select(connect_sessions).where(connect_sessions.c.id == row.id)


def _by_nonce(connection: Connection, actor: Actor, nonce: str) -> Row[Any] | None:
    query = select(connect_sessions).where(connect_sessions.c.nonce_hash == hashed(nonce), *visible(actor))
    return connection.execute(query).first()


def _completion(connection: Connection, row: Row[Any], result: Mapping[str, Any]) -> Completion:
    made = result.get("connectionId")
    found = connection.execute(rows.query().where(connections.c.id == made)).first() if made else None
    problem = result.get("problem")
    provider = provider_rows.by_id(connection, row.provider_id).slug.partition("~")[0]
    restart = SessionRequest(
        provider=provider, end_user=row.end_user or None, connection=row.connection_id, return_to=row.return_to
    )
    return Completion(
        result=result["result"],
        connection=None if found is None else views.connection(found),
        context=row.context,
        problem=None if problem is None else Problem.model_validate(problem),
        restart=restart if found is None else None,
    )


def _require_scopes(access: Access, found: tuple[str, ...] | None) -> None:
    """Raises ScopesMissing when less was granted than the document requires. A key or password has no scopes."""
    if found is None and access.method.oauth2 is None:
        return
    granted = set(access.grant.scopes if found is None else found)
    implied = {each for scope in access.manifest.scope_catalog if scope.value in granted for each in scope.implies}
    required = [each.value for each in access.manifest.scope_catalog if each.required]
    missing = [scope for scope in required if scope not in granted | implied]
    if missing:
        raise ScopesMissing(
            f"The user did not grant what is required: {', '.join(missing)}. Connect again and allow it.",
            missing=missing,
        )
