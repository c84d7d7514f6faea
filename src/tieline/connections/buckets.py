"""Which buckets a proxied call is charged to. Pure."""

from fnmatch import fnmatchcase

from tieline.limits import Bucket
from tieline.manifest import RateLimits

_PERIODS = {
    "requests_per_second": 1.0,
    "requests_per_minute": 60.0,
    "requests_per_hour": 3600.0,
    "requests_per_day": 86_400.0,
}


def buckets_of(
    limits: RateLimits | None,
    *,
    method: str,
    path: str,
    organization: str,
    provider_id: str,
    connection_id: str,
    end_user: str,
    integration_id: str,
) -> tuple[Bucket, ...]:
    """`scope` decides whose counter it is: the connection's, the end user's, the integration's, or everybody's."""
    if limits is None:
        return ()
    owners = {
        "connection": f"{organization}/{provider_id}/connection/{connection_id}",
        "endUser": f"{organization}/{provider_id}/endUser/{end_user}",
        "integration": f"{provider_id}/integration/{integration_id}",
        "global": f"{provider_id}/global",
    }
    usual = owners[limits.scope]
    found = [
        _bucket(usual, limit, per) for name, per in _PERIODS.items() if (limit := getattr(limits, name)) is not None
    ]
    for index, each in enumerate(limits.buckets):
        fits = (not each.methods or method in each.methods) and (each.path is None or fnmatchcase(path, each.path))
        if fits:
            owner = owners[each.scope or limits.scope]
            found.append(_bucket(f"{owner}/{index}", each.limit, float(each.per), each.cost))
    return tuple(found)


def _bucket(key: str, limit: float, per: float, cost: float = 1.0) -> Bucket:
    """Where a period has no room for one call (half a request per second), a longer one has."""
    return Bucket(key, cost, per * cost / limit, cost) if limit < cost else Bucket(key, limit, per, cost)
