from datetime import timedelta

import pytest

from tieline.connections.outage import Outages

PAUSE = timedelta(seconds=30)


@pytest.fixture
def now():
    return [100.0]


@pytest.fixture
def outages(now):
    return Outages(lambda: now[0])


def _fail(outages, times, provider="p"):
    for _ in range(times):
        outages.failed(provider, PAUSE)


def test_two_failures_are_no_outage(outages):
    _fail(outages, 2)

    assert outages.wait("p") is None


def test_after_three_failures_nobody_asks_for_as_long_as_the_last_one_said(outages, now):
    _fail(outages, 3)

    assert outages.wait("p") == 30
    now[0] += 29.5
    assert outages.wait("p") == 0.5
    now[0] += 0.5
    assert outages.wait("p") is None


def test_one_provider_that_is_down_holds_up_no_other(outages):
    _fail(outages, 3)

    assert outages.wait("q") is None


def test_a_success_ends_it_and_the_count_begins_anew(outages):
    _fail(outages, 3)

    outages.over("p")
    _fail(outages, 2)

    assert outages.wait("p") is None


def test_a_failed_attempt_after_the_pause_begins_another_pause(outages, now):
    _fail(outages, 3)
    now[0] += 31

    _fail(outages, 1)

    assert outages.wait("p") == 30


def test_a_success_that_was_no_outage_is_no_error(outages):
    outages.over("never-seen")
