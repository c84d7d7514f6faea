from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieline.connections.rules import (
    backoff,
    is_worth_renewing,
    needs_refresh,
    pause,
    refresh_at,
    session_status,
    status_of,
)

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def _in(seconds):
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("state", "suspended", "status"),
    [
        ("ok", False, "active"),
        ("failing", False, "error"),
        ("reconnect", False, "reconnect"),
        ("ok", True, "suspended"),
        ("reconnect", True, "suspended"),
    ],
)
def test_suspended_comes_before_what_the_credential_is(state, suspended, status):
    assert status_of(state=state, suspended=suspended) == status


def test_refresh_is_due_as_long_before_expiry_as_the_document_says():
    due = refresh_at(issued_at=NOW, expires_at=_in(3600), before=300, every=None, jitter=0)

    assert due == _in(3300)


@pytest.mark.parametrize(("jitter", "share"), [(0, 0.8), (1, 0.75)])
def test_refresh_is_due_between_75_and_80_percent_of_the_life(jitter, share):
    assert refresh_at(issued_at=NOW, expires_at=_in(3600), jitter=jitter) == _in(3600 * share)


def test_what_the_document_says_makes_it_no_earlier_than_that():
    assert refresh_at(issued_at=NOW, expires_at=_in(60), before=300, jitter=0) == _in(48)


def test_the_refresh_tokens_own_end_counts_as_well():
    due = refresh_at(issued_at=NOW, expires_at=_in(86_400), refresh_expires_at=_in(1000), jitter=0)

    assert due == _in(800)


def test_a_life_that_is_over_already_is_due_at_once():
    assert refresh_at(issued_at=NOW, expires_at=_in(-60), before=300, every=None) == _in(-60)


def test_without_expiry_refresh_is_never_due_unless_the_document_wants_it_regularly():
    assert refresh_at(issued_at=NOW, expires_at=None, before=300, every=None) is None
    assert refresh_at(issued_at=NOW, expires_at=None, before=300, every=86_400) == _in(86_400)


def test_the_earlier_of_expiry_and_regularity_counts():
    assert refresh_at(issued_at=NOW, expires_at=_in(3600), before=300, every=60, jitter=0) == _in(60)
    assert refresh_at(issued_at=NOW, expires_at=_in(60), before=300, every=3600, jitter=0) == _in(48)


@given(life=st.integers(0, 10**9), before=st.integers(0, 10**6))
def test_chance_only_ever_makes_it_a_little_earlier(life, before):
    expires_at = _in(life)
    latest = refresh_at(issued_at=NOW, expires_at=expires_at, before=before, every=None, jitter=0)
    earliest = refresh_at(issued_at=NOW, expires_at=expires_at, before=before, every=None, jitter=1)

    drawn = refresh_at(issued_at=NOW, expires_at=expires_at, before=before, every=None)

    assert NOW <= earliest <= drawn <= latest <= expires_at


@pytest.mark.parametrize(
    ("due", "min_age_over", "stale", "needed"),
    [
        (None, True, None, False),
        (_in(1), True, None, False),
        (NOW, True, None, True),
        (_in(-1), True, None, True),
        (_in(-1), False, None, False),
        (_in(1), True, "a0", True),
        (_in(1), False, "a0", True),
        (None, True, "a0", True),
        (_in(1), True, "a-older", False),
    ],
)
def test_refresh_is_needed_when_due_or_when_this_very_token_was_refused(due, min_age_over, stale, needed):
    assert needs_refresh(now=NOW, refresh_at=due, min_age_over=min_age_over, access_token="a0", stale=stale) is needed


def test_failures_wait_from_five_seconds_doubling_to_five_minutes():
    waits = [backoff(failures).total_seconds() for failures in range(1, 10)]

    assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert backoff(10_000).total_seconds() == 300


@pytest.mark.parametrize(
    ("failures", "asked", "left", "seconds"),
    [
        (1, None, None, 5),
        (7, None, None, 300),
        (7, None, 40, 40),
        (1, 120, 40, 120),
        (1, 86_400, 40, 3600),
        (2, None, 0, 0),
        (3, None, 0, 20),
        (1, 7, 0, 7),
    ],
)
def test_a_pause_is_what_was_asked_and_ours_ends_with_the_living_token(failures, asked, left, seconds):
    life = None if left is None else timedelta(seconds=left)

    assert pause(failures, asked=asked, left=life).total_seconds() == seconds


def test_a_token_refused_however_often_it_is_renewed_waits_up_to_an_hour():
    waits = [
        next(age for age in range(0, 4000, 20) if is_worth_renewing(refusals, timedelta(seconds=age)))
        for refusals in range(12)
    ]

    assert waits == [0, 0, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600]


@pytest.mark.parametrize(
    ("step", "result", "left", "status"),
    [
        ("new", None, 60, "open"),
        ("started", None, 60, "open"),
        ("returned", None, 60, "awaitingCompletion"),
        ("completing", None, 60, "awaitingCompletion"),
        ("done", "connected", 60, "completed"),
        ("done", "reconnected", -60, "completed"),
        ("done", "denied", 60, "failed"),
        ("done", None, 60, "failed"),
        ("burned", None, 60, "failed"),
        ("burned", "connected", -60, "failed"),
        ("new", None, 0, "expired"),
        ("returned", None, -1, "expired"),
    ],
)
def test_a_session_is_what_its_step_result_and_time_say(step, result, left, status):
    assert session_status(step=step, result=result, now=NOW, expires_at=_in(left)) == status
