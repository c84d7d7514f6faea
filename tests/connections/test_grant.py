import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieline.connections.grant import Grant, read_grant, variables_in, with_values
from tieline.errors import ProviderUnreadable
from tieline.secret import Secret

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
CENTURY = timedelta(days=36_600)


def _jwt(claims):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none'})}.{part(claims)}.sig"


def _read(captured=None, **more):
    return read_grant({"accessToken": "a1", **(captured or {})}, now=NOW, **more)


def _epoch(moment):
    return int(moment.timestamp())


def test_expiry_counts_from_now():
    assert _read({"expiresIn": 3600}).expires_at == NOW + timedelta(hours=1)
    assert _read().issued_at == NOW


@pytest.mark.parametrize("seconds", ["3600", " 3600 ", 3600.0, "3600.0"])
def test_seconds_may_be_text_or_a_fraction(seconds):
    assert _read({"expiresIn": seconds}).expires_at == NOW + timedelta(hours=1)


@pytest.mark.parametrize("seconds", [0, "0", -1, -(10**400), None, True, "", "soon", [], {}, "²", float("nan")])
def test_seconds_that_say_nothing_are_no_expiry(seconds):
    assert _read({"expiresIn": seconds}).expires_at is None


@pytest.mark.parametrize("seconds", [10**12, 10**400, "9" * 400, float("inf")])
def test_seconds_without_end_are_a_century_at_most(seconds):
    assert NOW < _read({"expiresIn": seconds}).expires_at <= NOW + CENTURY


LATER = NOW + timedelta(days=2)


@pytest.mark.parametrize(
    "moment",
    [
        _epoch(LATER),
        str(_epoch(LATER)),
        _epoch(LATER) * 1000,
        str(_epoch(LATER) * 1000),
        LATER.isoformat(),
        LATER.isoformat().replace("+00:00", "Z"),
        LATER.isoformat().removesuffix("+00:00"),
        "2026-05-03T14:00:00+02:00",
    ],
)
def test_a_moment_of_expiry_may_be_epoch_seconds_milliseconds_or_iso_8601(moment):
    assert _read({"expiresAt": moment}).expires_at == LATER


@pytest.mark.parametrize("moment", ["tomorrow", "", None, 10**40, -(10**40), float("nan"), float("inf"), [], "9" * 30])
def test_a_moment_that_cannot_be_read_is_no_expiry(moment):
    assert _read({"expiresAt": moment}).expires_at is None


def test_what_was_captured_comes_before_the_token_and_that_before_the_document():
    token = _jwt({"exp": _epoch(NOW + timedelta(seconds=30))})
    everything = {"accessToken": token, "expiresIn": 10, "expiresAt": _epoch(NOW + timedelta(seconds=20))}

    def life(*names):
        grant = read_grant({name: everything[name] for name in names}, now=NOW, lifetime=40)
        return (grant.expires_at - NOW).total_seconds()

    assert life("accessToken", "expiresIn", "expiresAt") == 10
    assert life("accessToken", "expiresAt") == 20
    assert life("accessToken") == 30
    assert _read(lifetime=40).expires_at == NOW + timedelta(seconds=40)
    assert _read(lifetime=0).expires_at is None
    assert _read().expires_at is None


@pytest.mark.parametrize(
    "token", ["a.b.c", "a.!!!.c", "..", "a.bnVsbA.c", "a.W10.c", _jwt({"exp": "soon"}), _jwt({"exp": None}), "ä.ö.ü"]
)
def test_a_token_that_only_looks_like_a_jwt_has_no_expiry(token):
    assert _read({"accessToken": token}).expires_at is None


@pytest.mark.parametrize("token", [None, "", 42, [], {"a": 1}])
def test_without_an_access_token_it_is_no_grant(token):
    with pytest.raises(ProviderUnreadable):
        _read({"accessToken": token})


WAS = Grant(access_token=Secret("a0"), refresh_token=Secret("r0"), scopes=("read",), id_token=Secret("i0"))


@pytest.mark.parametrize(
    ("keep", "answered", "kept"),
    [
        ("ifMissing", "r1", "r1"),
        ("ifMissing", None, "r0"),
        ("ifMissing", "", "r0"),
        ("always", "r1", "r0"),
        ("always", None, "r0"),
        ("never", "r1", "r1"),
        ("never", None, None),
    ],
)
def test_which_refresh_token_is_kept_is_the_documents_to_say(keep, answered, kept):
    grant = _read({"refreshToken": answered}, was=WAS, keep_refresh_token=keep)

    assert grant.refresh_token == (None if kept is None else Secret(kept))


def test_the_first_refresh_token_is_kept_whatever_the_rule():
    for keep in ("ifMissing", "always", "never"):
        assert _read({"refreshToken": "r1"}, keep_refresh_token=keep).refresh_token == Secret("r1")


def test_a_renewal_that_does_not_say_keeps_scopes_and_identity():
    grant = _read(was=WAS, asked=("read", "write"))

    assert (grant.scopes, grant.id_token) == (("read",), Secret("i0"))


def test_scopes_are_those_granted_or_else_those_asked_for():
    assert _read({"scope": "read write"}, asked=("admin",)).scopes == ("read", "write")
    assert _read({"scope": "read,write"}).scopes == ("read", "write")
    assert _read({"scope": ["read", "write", "read"]}).scopes == ("read", "write")
    assert _read({"scope": " "}, asked=("admin",)).scopes == ("admin",)
    assert _read(asked=("admin",)).scopes == ("admin",)


def test_the_type_is_bearer_unless_said():
    assert _read().token_type == "Bearer"
    assert _read({"tokenType": "MAC"}).token_type == "MAC"


def test_named_tokens_stand_beside_the_main_one_and_are_renewed_one_by_one():
    first = _read({"tokens.user.accessToken": "u0", "tokens.user.refreshToken": "ur0", "tokens.bot.accessToken": "b0"})

    second = read_grant({"accessToken": "a2", "tokens.user.accessToken": "u1"}, now=NOW, was=first)

    assert second.tokens == {
        "user": {"accessToken": Secret("u1"), "refreshToken": Secret("ur0")},
        "bot": {"accessToken": Secret("b0")},
    }
    assert first.tokens["user"]["accessToken"] == Secret("u0")
    assert second.variables()["tokens"]["user"] == {"accessToken": "u1", "refreshToken": "ur0"}


def test_captured_targets_that_are_no_part_of_a_credential_are_variables():
    captured = {"accessToken": "a", "instanceUrl": "https://x.example", "tokens.user.accessToken": "u", "expiresIn": 1}

    assert variables_in(captured) == {"instanceUrl": "https://x.example"}
    assert _read(captured).values == {"instanceUrl": "https://x.example"}
    assert with_values(Grant(values={"a": 1, "b": 1}), {"b": 2}).values == {"a": 1, "b": 2}


def test_a_grant_comes_back_from_the_vault_as_it_went_in():
    grant = Grant(
        access_token=Secret("a"),
        refresh_token=Secret("r"),
        id_token=Secret("i"),
        token_type="Bearer",
        scopes=("read", "write"),
        issued_at=NOW,
        expires_at=NOW + timedelta(seconds=1, microseconds=5),
        tokens={"user": {"accessToken": Secret("u")}},
        values={"apiKey": "k", "port": 8443, "flags": [True, None, {"a": "é"}]},
    )

    assert Grant.load(grant.dump()) == grant
    assert Grant.load(Grant().dump()) == Grant()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    captured=st.dictionaries(
        st.sampled_from(["accessToken", "refreshToken", "expiresIn", "expiresAt", "scope", "tokenType", "idToken", "x"])
        | st.text(),
        JSON | st.floats(),
        max_size=8,
    )
)
def test_whatever_a_token_endpoint_answers_is_a_grant_or_unreadable(captured):
    try:
        grant = read_grant(captured, now=NOW)
    except ProviderUnreadable:
        return

    assert grant.access_token
    assert Grant.load(grant.dump()).access_token == grant.access_token


def test_a_grant_does_not_show_what_it_holds():
    grant = Grant(
        access_token=Secret("canary-a"),
        refresh_token=Secret("canary-r"),
        id_token=Secret("canary-i"),
        tokens={"user": {"accessToken": Secret("canary-u")}},
        values={"apiKey": "canary-k"},
    )

    assert "canary" not in repr(grant) + str(grant) + f"{grant}"
    with pytest.raises(TypeError):
        json.dumps(grant.__dict__)


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
def test_a_moment_beyond_the_calendar_in_utc_is_no_expiry(moment):
    assert _read({"expiresAt": moment}).expires_at is None


def test_an_expiry_is_in_utc():
    assert _read({"expiresAt": "2026-05-02T01:00:00+02:00"}).expires_at.tzinfo is UTC
