import pytest

from tieline.connections.buckets import buckets_of
from tieline.errors import RateLimited
from tieline.limits import Bucket, Limiter
from tieline.manifest import RateLimits

CALL = {
    "method": "GET",
    "path": "/v1/items",
    "organization": "org_1",
    "provider_id": "prv_1",
    "connection_id": "conn_1",
    "end_user": "ada",
    "integration_id": "int_1",
}


def _limits(**keys):
    return RateLimits.model_validate(keys)


def test_a_provider_without_limits_has_no_bucket():
    assert buckets_of(None, **CALL) == ()
    assert buckets_of(_limits(), **CALL) == ()


def test_every_period_is_a_bucket_of_its_own():
    limits = _limits(requestsPerSecond=1, requestsPerMinute=2, requestsPerHour=3, requestsPerDay=4)

    assert [(each.limit, each.per) for each in buckets_of(limits, **CALL)] == [
        (1, 1.0),
        (2, 60.0),
        (3, 3600.0),
        (4, 86_400.0),
    ]


@pytest.mark.parametrize(
    ("scope", "shared"),
    [
        ("connection", {"method", "path", "end_user", "integration_id"}),
        ("endUser", {"method", "path", "connection_id", "integration_id"}),
        ("integration", {"method", "path", "end_user", "connection_id", "organization"}),
        ("global", {"method", "path", "end_user", "connection_id", "integration_id", "organization"}),
    ],
)
def test_the_scope_says_who_shares_a_counter(scope, shared):
    limits = _limits(requestsPerMinute=1, scope=scope)
    own = buckets_of(limits, **CALL)

    alone = {name for name in CALL if buckets_of(limits, **{**CALL, name: "other"}) != own}

    assert alone == set(CALL) - shared


def test_a_bucket_counts_only_its_methods_and_paths():
    limits = _limits(buckets=[{"limit": 5, "per": 10, "path": "/v1/search*", "methods": ["POST"], "cost": 2}])

    assert buckets_of(limits, **CALL) == ()
    assert buckets_of(limits, **{**CALL, "path": "/v1/search/all"}) == ()
    (bucket,) = buckets_of(limits, **{**CALL, "path": "/v1/search/all", "method": "POST"})
    assert (bucket.limit, bucket.per, bucket.cost) == (5, 10.0, 2)


def test_two_buckets_of_the_same_period_are_counted_apart():
    limits = _limits(requestsPerMinute=10, buckets=[{"limit": 5, "per": 60}, {"limit": 5, "per": 60, "path": "/v1/*"}])

    assert len({each.key for each in buckets_of(limits, **CALL)}) == 3


def test_less_than_one_call_in_a_period_is_one_call_in_a_longer_one():
    now = [100.0]
    limiter = Limiter(lambda: now[0])
    half = _limits(requestsPerSecond=0.5)

    limiter.charge(buckets_of(half, **CALL))
    now[0] += 1.0
    with pytest.raises(RateLimited):
        limiter.charge(buckets_of(half, **CALL))
    now[0] += 1.1
    limiter.charge(buckets_of(half, **CALL))


def test_a_call_that_costs_more_than_the_limit_waits_for_as_many_periods():
    limits = _limits(buckets=[{"limit": 2, "per": 10, "cost": 5}])

    (bucket,) = buckets_of(limits, **CALL)

    assert bucket == Bucket(bucket.key, 5, 25.0, 5)
