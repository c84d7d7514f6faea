"""Fresh credentials: claim, call, save. One refresh reaches the provider, however many callers there are.

The claim is committed before the call, with a fence and a lease; the answer is saved only where that claim still
stands. While the old access token lives, it is served when a refresh fails for a reason that passes.
"""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, update

from tieline import audit
from tieline.actor import Actor
from tieline.connections import acquire, rows, rules
from tieline.connections.access import Access
from tieline.connections.loading import Loaded, Loader, about
from tieline.connections.outage import Outages
from tieline.connections.rows import Reference
from tieline.connections.saving import credential_columns
from tieline.connections.tables import credentials
from tieline.connections.views import restart
from tieline.egress import Egress
from tieline.errors import (
    NotConfigured,
    ProviderRefused,
    ProviderUnavailable,
    ProviderUnreadable,
    ReconnectRequired,
    Suspended,
    TielineError,
)
from tieline.storage import Database
from tieline.storage.metadata import now as database_now

_LOG = structlog.get_logger(__name__)
_POLL = 0.1
_WAIT = 30.0
"""Seconds that a caller waits for somebody else's refresh when the old token is over."""
_RETRY_AFTER = 5.0
"""Seconds, where the provider does not say."""
_LONGEST_OUTAGE = timedelta(hours=1)


class Credentials:
    """What `current` gives is fresh enough to use at once."""

    def __init__(self, db: Database, loader: Loader, egress: Egress) -> None:
        self._db = db
        self._loader = loader
        self._egress = egress
        self._outages = Outages()
        self._running: dict[str, asyncio.Task[Loaded]] = {}

    async def current(self, actor: Actor, reference: Reference, *, stale: str | None = None) -> Loaded:
        """The account with a credential that can be used now. `stale` is an access token just seen refused.

        Raises ReconnectRequired, Suspended, ProviderUnavailable, and what rows.find raises.
        """
        loaded = await self._load(actor, reference)
        require_usable(loaded)
        if not _due(loaded, stale=stale, now=datetime.now(UTC)):
            return loaded
        return await self._refreshed(actor, loaded, stale=stale)

    async def renew(self, actor: Actor, reference: Reference) -> Loaded:
        """A refresh now, due or not. Raises as `current` does."""
        loaded = await self._load(actor, reference)
        require_usable(loaded)
        lives = loaded.access.method.renewal == "none" or _lives(loaded, None, datetime.now(UTC))
        if lives and not is_renewable(loaded):
            return loaded
        token = loaded.access.grant.access_token
        return await self._refreshed(actor, loaded, stale=token.reveal() if token else None)

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

    async def _load(self, actor: Actor, reference: Reference) -> Loaded:
        return await self._db.read(lambda connection: self._loader.load(connection, actor, reference))

    async def _refreshed(self, actor: Actor, loaded: Loaded, *, stale: str | None) -> Loaded:
        """Callers in this process share one refresh; a caller that goes away does not stop it."""
        key = loaded.row.id
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(self._refresh(actor, loaded, stale))
            self._running[key] = task
            task.add_done_callback(lambda done: self._ended(key, done))
        renewed = await asyncio.shield(task)
        # It may have been suspended while the provider was asked.
        require_usable(renewed)
        return renewed

    def _ended(self, key: str, task: asyncio.Task[Loaded]) -> None:
        self._running.pop(key, None)
        if not task.cancelled():
            # Asked for here, so that a failure nobody waits for any more is not reported as lost.
            task.exception()

    async def _refresh(self, actor: Actor, loaded: Loaded, stale: str | None) -> Loaded:
        """By this process, or by whoever has the claim; theirs is waited for only when the old token is over."""
        deadline = asyncio.get_running_loop().time() + _WAIT
        was = loaded.credential.version
        while asyncio.get_running_loop().time() < deadline:
            wait = self._outages.wait(_door(loaded))
            if wait is not None:
                return self._living(loaded, stale, ProviderUnavailable("The provider is down.", retry_after=wait))
            # Only the database's clock says whether a claim is over.
            fence = await self._claim(loaded)
            if fence is not None:
                return await self._call(actor, loaded, fence, stale)
            if _lives(loaded, stale, datetime.now(UTC)):
                return loaded
            await asyncio.sleep(_POLL)
            loaded = await self._load(actor, Reference(id=loaded.row.id))
            require_usable(loaded)
            if loaded.credential.version != was:
                return loaded
        raise ProviderUnavailable("The refresh takes long. Try again in a moment.", retry_after=_RETRY_AFTER)

    async def _call(self, actor: Actor, loaded: Loaded, fence: int, stale: str | None) -> Loaded:
        try:
            renewed = await acquire.renewed(loaded.access, self._egress, now=datetime.now(UTC))
        except (ReconnectRequired, ProviderRefused) as refusal:
            return await self._refused(actor, loaded, fence, stale, refusal)
        except TielineError as problem:
            return await self._passing(loaded, fence, stale, problem)
        self._outages.over(_door(loaded))
        return await self._save(actor, loaded, fence, renewed)

    async def _claim(self, loaded: Loaded) -> int | None:
        """The fence of this refresh; None when somebody else holds the claim, or has renewed it meanwhile."""
        seen = loaded.credential

        def claim(connection: Connection) -> int | None:
            now = database_now(connection)
            free = credentials.c.claimed_until.is_(None) | (credentials.c.claimed_until < now)
            changed = connection.execute(
                update(credentials)
                .where(credentials.c.connection_id == seen.connection_id, credentials.c.version == seen.version, free)
                .where(credentials.c.state != "dead", credentials.c.fence == seen.fence)
                .values(fence=seen.fence + 1, claimed_until=now + rules.LEASE, attempt=now.isoformat())
            )
            return seen.fence + 1 if changed.rowcount == 1 else None

        return await self._db.write(claim)

    async def _save(self, actor: Actor, loaded: Loaded, fence: int, renewed: Access) -> Loaded:
        row = loaded.row
        sealing = about(row.org, row.id, row.end_user, row.provider_id, row.origins)
        sealed = self._loader.vault.seal(renewed.grant.dump(), about=sealing)

        def save(connection: Connection) -> bool:
            changed = connection.execute(
                update(credentials)
                .where(*_still(loaded, fence))
                .values(**credential_columns(renewed, sealed), version=loaded.credential.version + 1)
            )
            if changed.rowcount == 1:
                rows.mark(connection, loaded.row.id, state="ok", code=None, message=None)
                audit.record(connection, actor, "credential.refreshed", loaded.row.id)
            return changed.rowcount == 1

        await self._keep_trying(lambda: self._db.write(save))
        return await self._load(actor, Reference(id=loaded.row.id))

    async def _keep_trying(self, save: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """A rotated refresh token exists only here until it is stored: the database gets some seconds to come back."""
        for pause in (0.2, 0.5, 1.0, 2.0, 4.0):
            try:
                await save()
            except TielineError:
                await asyncio.sleep(pause)
            else:
                return
        await save()

    async def _refused(
        self, actor: Actor, loaded: Loaded, fence: int, stale: str | None, refusal: TielineError
    ) -> Loaded:
        """The provider said no. Only `invalid_grant` is final, and only if nobody else has won meanwhile."""
        self._outages.over(_door(loaded))
        if isinstance(refusal, ProviderRefused) and refusal.facts.get("error") != "invalid_grant":
            return await self._passing(loaded, fence, stale, refusal)
        again = await self._load(actor, Reference(id=loaded.row.id))
        if again.credential.version != loaded.credential.version:
            return again
        lost = loaded.credential.attempt is not None
        code = "refresh-unknown" if lost else "grant-revoked"

        def bury(connection: Connection) -> bool:
            changed = connection.execute(
                update(credentials)
                .where(*_still(loaded, fence))
                .values(state="refresh_unknown" if lost else "dead", claimed_until=None, refresh_at=None)
            )
            if changed.rowcount == 1:
                message = "The provider no longer accepts the grant. The user must connect again."
                rows.mark(connection, loaded.row.id, state="reconnect", code=code, message=message)
                audit.record(connection, actor, "connection.reconnectRequired", loaded.row.id, reason=code)

            return changed.rowcount == 1

        if not await self._db.write(bury):
            return await self._load(actor, Reference(id=loaded.row.id))
        raise _reconnect(loaded) from refusal

    async def _passing(self, loaded: Loaded, fence: int, stale: str | None, problem: TielineError) -> Loaded:
        """Backs off, marks nothing broken while the token lives, and serves it."""
        failures = loaded.credential.failures + 1
        pause = max(rules.backoff(failures), timedelta(seconds=problem.retry_after or 0))
        living = _lives(loaded, stale, datetime.now(UTC))
        # After a lost answer nobody knows whether the refresh token was used: the mark stays until that is known.
        attempt = loaded.credential.attempt
        if _may_be_lost(problem):
            attempt = attempt or "answer lost"
        if isinstance(problem, ProviderUnavailable):
            self._outages.failed(_door(loaded), min(pause, _LONGEST_OUTAGE))
        _LOG.warning("refresh failed", connection=loaded.row.id, code=problem.code, failures=failures)

        def release(connection: Connection) -> None:
            changed = connection.execute(
                update(credentials)
                .where(*_still(loaded, fence))
                .values(
                    claimed_until=None,
                    attempt=attempt,
                    failures=failures,
                    refresh_at=database_now(connection) + pause,
                )
            )
            if changed.rowcount == 1 and not living:
                rows.mark(connection, loaded.row.id, state="failing", code=problem.code, message=problem.detail)

        await self._db.write(release)
        return self._living(loaded, stale, problem)

    def _living(self, loaded: Loaded, stale: str | None, problem: TielineError) -> Loaded:
        if _lives(loaded, stale, datetime.now(UTC)):
            return loaded
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
    if loaded.row.state == "reconnect":
        raise _reconnect(loaded)


def require_running(loaded: Loaded) -> None:
    """Raises Suspended."""
    if loaded.row.suspended_at is not None:
        raise Suspended("This connection is suspended. Resume it first.", connection=loaded.row.id)


def is_renewable(loaded: Loaded) -> bool:
    """Whether a refresh could bring another token."""
    access = loaded.access
    return access.method.renewal == "reacquire" or (
        access.method.renewal == "refresh_token" and access.grant.refresh_token is not None
    )


def _door(loaded: Loaded) -> str:
    """What is down when a refresh fails: one provider's token endpoint, which a user's own input may have named, as it
    answers one client: what a provider holds against one tenant's must not stop another's."""
    access = loaded.access
    client = loaded.row.id if access.users_client else access.registration.client_row_id or loaded.row.org
    return " ".join((loaded.row.provider_id, client, *access.reach("token").patterns))


def _may_be_lost(problem: TielineError) -> bool:
    """Whether the provider may have renewed the grant all the same, and only its answer did not arrive."""
    status = problem.facts.get("status")
    gateway = isinstance(status, int) and status >= 500
    return problem.facts.get("sent", False) is not False or gateway or isinstance(problem, ProviderUnreadable)


def _reconnect(loaded: Loaded) -> ReconnectRequired:
    return ReconnectRequired(
        "The user must connect again. Start a connect session with `next`.",
        connection=loaded.row.id,
        next=restart(loaded.row).dump(),
    )


def _due(loaded: Loaded, *, stale: str | None, now: datetime) -> bool:
    method = loaded.access.method
    if method.renewal == "none":
        return False
    token = loaded.access.grant.access_token
    if token is None or not _lives(loaded, stale, now):
        return True
    return rules.needs_refresh(
        now=now,
        refresh_at=loaded.credential.refresh_at,
        min_age_over=now >= loaded.credential.issued_at + timedelta(seconds=method.refresh.min_age),
        access_token=token.reveal(),
        stale=stale,
    )


def _lives(loaded: Loaded, stale: str | None, now: datetime) -> bool:
    """Whether the access token can still be served."""
    token = loaded.access.grant.access_token
    if token is None or (stale is not None and stale == token.reveal()):
        return False
    return loaded.credential.expires_at is None or now < loaded.credential.expires_at


def _still(loaded: Loaded, fence: int) -> list[Any]:
    """The credential is the one that was read, and the claim is still this one."""
    return [
        credentials.c.connection_id == loaded.row.id,
        credentials.c.version == loaded.credential.version,
        credentials.c.fence == fence,
    ]
