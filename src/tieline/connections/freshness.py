"""Whether a credential is fresh enough, and what a failed refresh leaves behind. Pure.

`stale` is an access token that the caller has just seen refused, whatever its expiry says.
"""

from datetime import datetime, timedelta

from tieline.connections import rules
from tieline.connections.loading import Loaded
from tieline.errors import ProviderUnreadable, TielineError

CLIENT_CHANGED = "client-changed"


def is_renewable(loaded: Loaded) -> bool:
    """Whether a refresh could bring another token."""
    access = loaded.access
    return access.method.renewal == "reacquire" or (
        access.method.renewal == "refresh_token" and access.grant.refresh_token is not None
    )


def is_due(loaded: Loaded, stale: str | None, now: datetime) -> bool:
    method, credential = loaded.access.method, loaded.credential
    if method.renewal == "none":
        return False
    if not lives(loaded, stale, now) or loaded.row.state == "reconnect":
        return True
    if rules.is_last_try(method.refresh.rotation, credential.attempt):
        return False
    return rules.needs_refresh(
        now=now,
        refresh_at=credential.refresh_at,
        min_age_over=now >= credential.issued_at + timedelta(seconds=method.refresh.min_age),
        access_token=token_of(loaded),
        stale=stale,
    )


def is_in_vain(loaded: Loaded, stale: str | None, now: datetime) -> bool:
    """Whether the provider's API has refused what was renewed for that reason, too often to renew it again now."""
    age = now - loaded.credential.issued_at
    return stale == token_of(loaded) and not rules.is_worth_renewing(loaded.access.grant.refusals, age)


def is_claimed(loaded: Loaded, now: datetime) -> bool:
    return loaded.credential.claimed_until is not None and loaded.credential.claimed_until >= now


def lives(loaded: Loaded, stale: str | None, now: datetime) -> bool:
    """Whether the access token can still be served."""
    return life_left(loaded, stale, now) != timedelta(0)


def life_left(loaded: Loaded, stale: str | None, now: datetime) -> timedelta | None:
    """Of the access token; None when no end is known, nothing when it is over or was refused."""
    token, expires_at = token_of(loaded), loaded.credential.expires_at
    if token is None or token == stale:
        return timedelta(0)
    return None if expires_at is None else max(expires_at - now, timedelta(0))


def token_of(loaded: Loaded) -> str | None:
    token = loaded.access.grant.access_token
    return None if token is None else token.reveal()


def mark_of(attempt: str | None, problem: TielineError) -> str | None:
    """What is kept of a failure until it is known whether the provider renewed the grant all the same; `attempt` is
    what an earlier failure left."""
    status = problem.facts.get("status")
    unreadable = isinstance(problem, ProviderUnreadable)
    if problem.facts.get("sent", False) is not False or (unreadable and "reason" in problem.facts):
        return rules.ANSWER_LOST
    if unreadable or (isinstance(status, int) and status >= 500):
        return attempt or rules.ANSWER_UNCLEAR
    return attempt
