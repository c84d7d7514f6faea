"""Fresh credentials: claim, call, save. One refresh reaches the provider, however many callers there are.

The claim is committed before the call, with a fence and a lease; the answer is saved only where that claim still
stands. While the old access token lives, it is served when a refresh fails for a reason that passes, or takes long.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import structlog
from sqlalchemy import Connection, update

from tieline import audit
from tieline.actor import Actor
from tieline.connections import acquire, claims, rows, rules
from tieline.connections.access import Access
from tieline.connections.claims import Claim
from tieline.connections.freshness import (
    CLIENT_CHANGED,
    is_claimed,
    is_due,
    is_in_vain,
    is_renewable,
    life_left,
    lives,
    mark_of,
    token_of,
)
from tieline.connections.hot import Hot
from tieline.connections.loading import Loaded, Loader, about
from tieline.connections.outage import Outages
from tieline.connections.rows import Reference
from tieline.connections.saving import credential_columns
from tieline.connections.tables import connections
from tieline.connections.views import restart
from tieline.egress import Egress
from tieline.errors import (
    NotConfigured,
    ProviderRefused,
    ProviderUnavailable,
    ProviderUnreadable,
    ReconnectRequired,
    StorageFull,
    StorageUnavailable,
    Suspended,
    TielineError,
)
from tieline.storage import Database

_LOG = structlog.get_logger(__name__)
_EARLIEST_POLL, _LATEST_POLL = 0.1, 0.5
_PATIENCE = 1.0
"""Seconds that a caller whose token lives waits for the next one."""
_WAIT = 30.0
"""Seconds that a caller waits for somebody else's refresh when the old token is over."""
_RETRY_AFTER = 5.0
"""Seconds, where the provider does not say."""
_MESSAGES = {
    "grant-revoked": "The provider no longer accepts the grant. The user must connect again.",
    "refresh-unknown": "The answer to a refresh was lost, the new refresh token with it. The user must connect again.",
    CLIENT_CHANGED: "The grant was given to another client id than the integration has now. Set that one again, or "
    "the user must connect again.",
}


class Credentials:
    """What `current` gives is fresh enough to use at once."""

    def __init__(
        self,
        db: Database,
        loader: Loader,
        egress: Egress,
        *,
        hot: Hot | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._db = db
        self._loader = loader
        self._hot = hot
        self._egress = egress
        self._clock = clock
        self._ahead = timedelta()
        self._outages = Outages()
        self._running: dict[str, asyncio.Task[Loaded]] = {}

    async def current(
        self, actor: Actor, reference: Reference, *, stale: str | None = None, loaded: Loaded | None = None
    ) -> Loaded:
        """The account with a credential that can be used now. `stale` is an access token just seen refused; it comes
        back where another would be refused as well. `loaded` is the same account as it was found just now.

        Raises ReconnectRequired, Suspended, ProviderUnavailable, and what rows.find raises.
        """
        loaded = loaded or await self._load(actor, reference)
        require_usable(loaded)
        now = self._now()
        if not is_due(loaded, stale, now) or (lives(loaded, None, now) and is_in_vain(loaded, stale, now)):
            return loaded
        return await self._refreshed(actor, loaded, stale=stale, refused=stale is not None)

    async def renew(self, actor: Actor, reference: Reference) -> Loaded:
        """A refresh now, due or not. Raises as `current` does."""
        loaded = await self._load(actor, reference)
        require_usable(loaded)
        served = loaded.access.method.renewal == "none" or lives(loaded, None, self._now())
        if served and not is_renewable(loaded):
            return loaded
        return await self._refreshed(actor, loaded, stale=token_of(loaded), refused=False)

    async def to_check(self, actor: Actor, reference: Reference) -> Loaded:
        """As `current`; but where no refresh can mend what the provider refused, it may be asked again."""
        loaded = await self._load(actor, reference)
        if loaded.row.state == "reconnect" and loaded.access.method.renewal == "none":
            require_running(loaded)
            return loaded
        return await self.current(actor, reference)

    async def settled(self, connection_id: str) -> None:
        """Waits for this process's refresh of it, whose new grant could not be revoked otherwise."""
        running = self._running.get(connection_id)
        if running is not None:
            await asyncio.wait({running})

    async def drain(self) -> None:
        """Waits for the refreshes under way, so that a stop loses nothing."""
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _now(self) -> datetime:
        """By the database's clock, as far as it was seen."""
        return self._clock() - self._ahead

    async def _load(self, actor: Actor, reference: Reference) -> Loaded:
        if self._hot is not None and (found := await self._hot.by_actor(actor, reference)) is not None:
            return found
        return await self._db.read(lambda connection: self._loader.load(connection, actor, reference))

    async def _refreshed(self, actor: Actor, loaded: Loaded, *, stale: str | None, refused: bool) -> Loaded:
        """Callers in this process share one refresh; a caller that goes away does not stop it."""
        key = loaded.row.id
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(self._refresh(actor, loaded, stale, refused))
            self._running[key] = task
            task.add_done_callback(lambda done: self._ended(key, done))
        if lives(loaded, stale, self._now()):
            done, _ = await asyncio.wait({task}, timeout=_PATIENCE)
            if not done:
                return loaded
        try:
            renewed = await asyncio.shield(task)
        except (ReconnectRequired, Suspended):
            raise
        except TielineError:
            if not lives(loaded, stale, self._now()):
                raise
            renewed = loaded
        # It may have been suspended while the provider was asked.
        require_usable(renewed)
        return renewed

    def _ended(self, key: str, task: asyncio.Task[Loaded]) -> None:
        self._running.pop(key, None)
        if not task.cancelled():
            # Asked for here, so that a failure nobody waits for any more is not reported as lost.
            task.exception()

    async def _refresh(self, actor: Actor, loaded: Loaded, stale: str | None, refused: bool) -> Loaded:
        """By this process, or by whoever has the claim; theirs is waited for only when the old token is over."""
        time = asyncio.get_running_loop().time
        deadline, poll = time() + _WAIT, _EARLIEST_POLL
        was = loaded.credential.version
        lease = rules.lease(loaded.access.method.refresh.rotation)
        tried = False
        while time() < deadline:
            wait = self._outages.wait(_door(loaded))
            if wait is not None:
                raise ProviderUnavailable("The provider is down.", retry_after=wait)
            # The first time, only the database's clock says whether somebody's claim is over.
            held = None
            if not tried or not is_claimed(loaded, self._now()):
                tried, began = True, time()
                held = await self._claim(loaded, lease, stale)
                # After a long stop, the lease might end during the call.
                if held is not None and time() - began < lease.total_seconds() - acquire.DEADLINE:
                    return await self._call(actor, loaded, held, stale, refused, until=began + lease.total_seconds())
            if held is None and not is_due(loaded, stale, self._now()):
                return loaded
            if lives(loaded, stale, self._now()):
                return loaded
            await asyncio.sleep(poll)
            poll = min(poll * 1.5, _LATEST_POLL)
            loaded = await self._load(actor, Reference(id=loaded.row.id))
            require_usable(loaded)
            if loaded.credential.version != was:
                return loaded
        raise ProviderUnavailable("The refresh takes long. Try again in a moment.", retry_after=_RETRY_AFTER)

    async def _claim(self, loaded: Loaded, lease: timedelta, stale: str | None) -> Claim | None:
        """None when somebody else holds it, or has renewed it meanwhile. Raises ProviderUnavailable after a failure."""

        def due(now: datetime) -> bool:
            return is_due(loaded, stale, now)

        def claim(connection: Connection) -> claims.Claimed:
            claimed = claims.claim(connection, loaded.credential, lease=lease, due=due)
            # Here, since the way back may take long.
            self._ahead = self._clock() - claimed.now
            return claimed

        claimed = await self._db.write(claim)
        if claimed.wait is not None and not lives(loaded, stale, claimed.now):
            detail = "The last refresh failed, and the provider is not asked again yet."
            raise ProviderUnavailable(detail, retry_after=claimed.wait.total_seconds())
        return claimed.claim

    async def _call(
        self, actor: Actor, loaded: Loaded, held: Claim, stale: str | None, refused: bool, *, until: float
    ) -> Loaded:
        try:
            renewed = await acquire.renewed(loaded.access, self._egress, now=self._now())
        except ProviderRefused as refusal:
            self._outages.over(_door(loaded))
            if refusal.facts.get("error") != "invalid_grant":
                await self._passing(loaded, held, stale, refusal)
            return await self._final(actor, loaded, held, refusal)
        except ReconnectRequired as refusal:
            return await self._final(actor, loaded, held, refusal)
        except TielineError as problem:
            await self._passing(loaded, held, stale, problem)
        self._outages.over(_door(loaded))
        refusals = loaded.access.grant.refusals + 1 if refused else 0
        renewed = replace(renewed, grant=replace(renewed.grant, refusals=refusals))
        return await self._save(actor, loaded, held, renewed, until=until)

    async def _save(self, actor: Actor, loaded: Loaded, held: Claim, renewed: Access, *, until: float) -> Loaded:
        row = loaded.row
        sealing = about(row.org, row.id, row.end_user, row.provider_id, row.origins, held.version + 1)
        sealed = self._loader.vault.seal(renewed.grant.dump(), about=sealing)
        granted = renewed.grant.scopes
        changed = granted != loaded.access.grant.scopes

        def save(connection: Connection) -> None:
            if not claims.save(connection, held, credential_columns(renewed, sealed)):
                return
            rows.mark(connection, row.id, state="ok", code=None, message=None)
            if changed:
                scopes = {**row.scopes, "granted": list(granted)}
                connection.execute(update(connections).where(connections.c.id == row.id).values(scopes=scopes))
            audit.record(connection, actor, "credential.refreshed", row.id)

        await self._keep_trying(lambda: self._db.write(save), until=until)
        return await self._load(actor, Reference(id=row.id))

    async def _keep_trying(self, save: Callable[[], Coroutine[Any, Any, object]], *, until: float) -> None:
        """A rotated refresh token exists only here until it is stored: the database gets the lease to come back."""
        pause = 0.2
        while True:
            try:
                await save()
            except (StorageUnavailable, StorageFull):
                if asyncio.get_running_loop().time() + pause > until:
                    raise
                await asyncio.sleep(pause)
                pause = min(pause * 2, 4.0)
            else:
                return

    async def _final(self, actor: Actor, loaded: Loaded, held: Claim, refusal: TielineError) -> Loaded:
        """Only the user can mend it, if nobody else has won meanwhile."""
        again = await self._load(actor, Reference(id=loaded.row.id))
        if again.credential.version != loaded.credential.version:
            return again
        attempt, grant = loaded.credential.attempt, loaded.access.grant
        if grant.client_id not in (None, acquire.client_id(loaded.access)):
            code, state = CLIENT_CHANGED, "ok"
        elif rules.is_unknown(loaded.access.method.refresh.rotation, attempt):
            code, state = "refresh-unknown", "refresh_unknown"
        else:
            code, state = "grant-revoked", "dead"

        def bury(connection: Connection) -> bool:
            buried = claims.bury(connection, held, state=state, attempt=attempt)
            if buried:
                rows.mark(connection, loaded.row.id, state="reconnect", code=code, message=_MESSAGES[code])
                audit.record(connection, actor, "connection.reconnectRequired", loaded.row.id, reason=code)
            return buried

        if not await self._db.write(bury):
            return await self._load(actor, Reference(id=loaded.row.id))
        raise _reconnect(loaded, code) from refusal

    async def _passing(self, loaded: Loaded, held: Claim, stale: str | None, problem: TielineError) -> NoReturn:
        """Backs off, marks nothing broken while the token lives, and raises the problem for whoever's token is over."""
        failures = loaded.credential.failures + 1
        living = life_left(loaded, stale, self._now())
        asked = problem.retry_after or 0.0
        if isinstance(problem, ProviderUnavailable | ProviderUnreadable):
            self._outages.failed(_door(loaded), rules.pause(failures, asked=asked, left=None))
        _LOG.warning("refresh failed", connection=loaded.row.id, code=problem.code, failures=failures)
        pause = rules.pause(failures, asked=asked, left=living)
        if isinstance(problem, NotConfigured) and living == timedelta(0):
            # The admin may mend the client at any moment.
            pause = timedelta(0)
        attempt = mark_of(loaded.credential.attempt, problem)

        def release(connection: Connection) -> None:
            released = claims.release(connection, held, failures=failures, attempt=attempt, pause=pause)
            if released and living == timedelta(0):
                rows.mark(connection, loaded.row.id, state="failing", code=problem.code, message=problem.detail)

        await self._db.write(release)
        if isinstance(problem, NotConfigured):
            raise problem
        wait = problem.retry_after or _RETRY_AFTER
        if isinstance(problem, ProviderUnavailable):
            problem.retry_after = wait
            raise problem
        detail = "The provider did not renew the access token. Try again in a moment."
        raise ProviderUnavailable(detail, retry_after=wait, reason=problem.code) from problem


def require_usable(loaded: Loaded) -> None:
    """Raises Suspended and ReconnectRequired."""
    require_running(loaded)
    code = loaded.row.error_code
    # What was refused to another client works again with the one that it was given to.
    back = code == CLIENT_CHANGED and loaded.access.grant.client_id == acquire.client_id(loaded.access)
    if loaded.row.state == "reconnect" and not back:
        raise _reconnect(loaded, code)


def require_running(loaded: Loaded) -> None:
    """Raises Suspended."""
    if loaded.row.suspended_at is not None:
        raise Suspended("This connection is suspended. Resume it first.", connection=loaded.row.id)


def _door(loaded: Loaded) -> str:
    """What is down when a refresh fails: one provider's token endpoint, which a user's own input may have named, as it
    answers one client: what a provider holds against one tenant's must not stop another's."""
    access = loaded.access
    client = loaded.row.id if access.users_client else access.registration.client_row_id or loaded.row.org
    return " ".join((loaded.row.provider_id, client, *access.reach("token").patterns))


def _reconnect(loaded: Loaded, code: str | None) -> ReconnectRequired:
    detail = "The user must connect again. Start a connect session with `next`."
    if code == CLIENT_CHANGED:
        detail = _MESSAGES[code]
    return ReconnectRequired(detail, connection=loaded.row.id, reason=code, next=restart(loaded.row).dump())
