import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tieline.errors import RateLimited
from tieline.limits import Bucket, Limiter

pytestmark = pytest.mark.anyio


class Clock:
    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def limiter(clock):
    return Limiter(clock)


def _wait(limiter, *buckets):
    """Seconds until it would pass; 0 when it has passed."""
    try:
        limiter.charge(buckets)
    except RateLimited as limited:
        return limited.retry_after
    return 0


def _passes(limiter, *buckets):
    return _wait(limiter, *buckets) == 0


PERIODS = st.sampled_from([0.5, 1.0, 60.0, 3600.0, 86_400.0])
WAITS = st.lists(st.floats(0, 1.3), min_size=1, max_size=60)


@settings(deadline=None, max_examples=150)
@given(limit=st.integers(1, 8), per=PERIODS, waits=WAITS, start=st.floats(0, 1e7))
def test_in_no_stretch_of_the_period_do_more_than_the_limit_pass(limit, per, waits, start):
    clock = Clock()
    clock.now = start
    limiter = Limiter(clock)
    passed = []

    for wait in waits:
        clock.now += wait * per / limit
        if _passes(limiter, Bucket("a", limit, per)):
            passed.append(clock.now)

    for index, first in enumerate(passed):
        assert len([moment for moment in passed[index:] if moment < first + per]) <= limit


@settings(deadline=None, max_examples=150)
@given(limit=st.integers(1, 8), per=PERIODS, waits=WAITS, start=st.floats(0, 1e7))
def test_who_waits_as_long_as_he_is_told_passes(limit, per, waits, start):
    clock = Clock()
    clock.now = start
    limiter = Limiter(clock)
    bucket = Bucket("a", limit, per)

    for wait in waits:
        clock.now += wait * per / limit
        told = _wait(limiter, bucket)
        assert 0 <= told <= per * (1 + 2 / 60) + 0.001
        if told:
            clock.now += told
            assert _passes(limiter, bucket)


def test_the_limit_itself_passes_and_one_more_does_not(limiter):
    bucket = Bucket("a", 3, 60)

    assert [_passes(limiter, bucket) for _ in range(4)] == [True, True, True, False]


def test_the_whole_limit_is_there_again_when_the_period_is_over(limiter, clock):
    bucket = Bucket("a", 3, 60)
    for _ in range(3):
        limiter.charge([bucket])

    clock.now += 61.1

    assert [_passes(limiter, bucket) for _ in range(4)] == [True, True, True, False]


def test_a_call_is_charged_to_all_of_its_buckets_or_to_none(limiter):
    wide, narrow = Bucket("wide", 2, 60), Bucket("narrow", 1, 60)
    limiter.charge([wide, narrow])

    with pytest.raises(RateLimited):
        limiter.charge([wide, narrow])

    assert _passes(limiter, wide)
    assert not _passes(limiter, wide)


def test_the_longest_wait_of_several_buckets_is_told(limiter):
    buckets = [Bucket("a", 1, 1), Bucket("a", 1, 3600)]
    limiter.charge(buckets)

    with pytest.raises(RateLimited) as limited:
        limiter.charge(buckets)

    assert limited.value.retry_after > 3000


def test_a_costly_call_takes_more_of_the_limit(limiter):
    assert _passes(limiter, Bucket("a", 5, 60, cost=4))
    assert not _passes(limiter, Bucket("a", 5, 60, cost=2))
    assert _passes(limiter, Bucket("a", 5, 60, cost=1))


def test_keys_do_not_share_a_limit(limiter):
    assert all(_passes(limiter, Bucket(f"org/{number}", 1, 60)) for number in range(20))


def test_memory_follows_the_traffic(limiter, clock):
    for number in range(500):
        limiter.charge([Bucket(f"org/{number}", 10, 60)])

    clock.now += 200
    limiter.charge([Bucket("org/new", 10, 60)])

    assert len(limiter._windows) == 1


def test_what_still_counts_is_not_swept(limiter, clock):
    limiter.charge([Bucket("day", 1, 86_400)])

    clock.now += 3_600
    limiter.charge([Bucket("other", 1, 1)])

    assert not _passes(limiter, Bucket("day", 1, 86_400))


def test_the_memory_of_one_bucket_does_not_grow_with_its_limit(limiter, clock):
    bucket = Bucket("a", 1e9, 60)
    for _ in range(3_000):
        clock.now += 0.05
        limiter.charge([bucket])

    (window,) = limiter._windows.values()
    assert len(window._counts) <= 62


async def test_no_more_calls_run_at_once_than_there_are_places(limiter):
    async with limiter.concurrent("a", 2), limiter.concurrent("a", 2):
        with pytest.raises(RateLimited) as limited:
            async with limiter.concurrent("a", 2):
                pass
        async with limiter.concurrent("b", 2):
            pass

    assert limited.value.retry_after == 1.0
    async with limiter.concurrent("a", 1):
        pass
    assert limiter._running == {}


async def test_a_place_is_given_back_when_the_call_fails(limiter):
    for _ in range(3):
        with pytest.raises(RuntimeError):
            async with limiter.concurrent("a", 1):
                raise RuntimeError

    assert limiter._running == {}
