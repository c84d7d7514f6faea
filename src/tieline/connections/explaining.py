"""Would a request work, as whom, under which version, rule, scope and bucket, and why not. Names only, no values."""

from datetime import datetime

from tieline.connections import views
from tieline.connections.buckets import buckets_of
from tieline.connections.loading import Loaded
from tieline.connections.rules import status_of
from tieline.connections.types import Explanation
from tieline.manifest.model import Apply


def explain(loaded: Loaded, *, now: datetime) -> Explanation:
    row, access = loaded.row, loaded.access
    origins = access.origins or access.computed_origins()
    buckets = buckets_of(
        access.manifest.rate_limits,
        method="GET",
        path="/",
        organization=row.org,
        provider_id=row.provider_id,
        connection_id=row.id,
        end_user=row.end_user,
        integration_id=access.registration.integration_id,
    )
    blocking = _blocking(loaded, now=now)
    return Explanation(
        usable=not blocking,
        reasons=(*blocking, *_limiting(loaded)),
        account=views.account(row.identity),
        provider_version=row.effective_version or row.consented_version,
        latest_version=row.newest_version or row.consented_version,
        auth_method=row.auth_method,
        base_url=access.shown_base_url,
        origins={use: each.patterns for use, each in origins.uses.items()},
        rate_limits=tuple(f"{each.limit:g} in {each.per:g} s" for each in buckets),
        placements=tuple(place for rule in access.method.apply for place in _places(rule)),
    )


def _blocking(loaded: Loaded, *, now: datetime) -> tuple[str, ...]:
    """Why no request would work now; none when some would."""
    row, credential = loaded.row, loaded.credential
    reasons: list[str] = []
    status = status_of(state=row.state, suspended=row.suspended_at is not None)
    if status == "suspended":
        reasons.append("The connection is suspended. Resume it.")
    if status == "reconnect":
        reasons.append("The provider no longer accepts the credential. The user must connect again.")
    over = credential.expires_at is not None and now >= credential.expires_at
    if status == "error" and over:
        reasons.append(f"The access token is over, and the last renewal failed ({row.error_code}). It is tried again.")
    return tuple(reasons)


def _limiting(loaded: Loaded) -> tuple[str, ...]:
    """Why some requests would not."""
    reasons: list[str] = []
    if loaded.access.base_url is None:
        reasons.append("The provider has no base URL: only whole addresses (Tieline-Url) can be called.")
    scopes = loaded.row.scopes
    if missing := [each for each in scopes.get("requested", []) if each not in scopes.get("granted", [])]:
        reasons.append(f"The user did not grant: {', '.join(missing)}. Calls that need it will be refused.")
    return tuple(reasons)


def _places(rule: Apply) -> list[str]:
    """`header Authorization`, with the hosts that the rule is for."""
    where = f" on {', '.join(rule.to)}" if rule.to else ""
    names = [f"header {name}" for name in rule.headers]
    names += [f"query parameter {name}" for name in rule.query]
    names += [f"cookie {name}" for name in rule.cookies]
    if isinstance(rule.body, dict):
        names += [f"body member {name}" for name in rule.body]
    if rule.path is not None:
        names.append("path prefix")
    if rule.basic is not None:
        names.append("basic authentication")
    return [name + where for name in names]
