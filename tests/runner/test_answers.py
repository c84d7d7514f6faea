import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieline.errors import ProviderRefused, ProviderUnreadable
from tieline.manifest import Request
from tieline.protocols.http import HttpResponse
from tieline.runner import error_code, judge, read_answer, retry_after

from .conftest import NOW

pytestmark = pytest.mark.anyio


async def test_what_the_answer_has_is_captured_and_the_rest_left_out(go, upstream):
    upstream.answers(
        '{"id": 7, "list": [1], "empty": "", "none": null}', x_account="a1", set_cookie="sid=s1; Path=/; HttpOnly"
    )
    capture = {
        "id": "{{ body.id }}",
        "list": "{{ body.list }}",
        "text": "no {{ body.id }}",
        "header": "{{ headers['x-account'] }}",
        "cookie": "{{ cookies.sid }}",
        "status": "{{ status }}",
        "first": ["{{ body.gone }}", "{{ body.id }}"],
        "constant": 5,
        "empty": "{{ body.empty }}",
        "none": "{{ body.none }}",
        "gone": "{{ body.gone.deeper }}",
        "at": "{{ now }}",
        "bytes": "{{ 'aGk=' | base64decode }}",
    }

    outcome = await go({"capture": capture})

    assert outcome.captured == {
        "id": 7,
        "list": [1],
        "text": "no 7",
        "header": "a1",
        "cookie": "s1",
        "status": 200,
        "first": 7,
        "constant": 5,
        "at": "2026-05-01T12:00:00Z",
        "bytes": "hi",
    }
    json.dumps(outcome.captured)


async def test_an_answer_that_a_filter_cannot_read_is_the_providers_fault(go, upstream):
    upstream.answers('{"inner": "not json"}')

    for request in (
        {"capture": {"x": "{{ body.inner | fromJson | get('a') }}"}},
        {"expect": {"require": [{"value": "{{ body.inner | fromJson }}"}]}},
    ):
        assert isinstance((await go(request)).problem, ProviderUnreadable)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded", "access_token=a1&scope=a%20b&token_type="),
        ("application/x-www-form-urlencoded; charset=utf-8", "access_token=a1&scope=a+b&token_type="),
    ],
)
async def test_a_token_answer_may_be_a_form(go, upstream, kind, body):
    upstream.answers(body, kind=kind)

    outcome = await go({"capture": {"accessToken": "{{ body.access_token }}"}})

    assert outcome.answer["body"] == {"access_token": "a1", "scope": "a b", "token_type": ""}
    assert outcome.captured == {"accessToken": "a1"}


async def test_a_form_that_says_it_is_text_is_read(go, upstream):
    upstream.answers("access_token=a1&expires=5", kind="text/plain")

    assert (await go({})).answer["body"] == {"access_token": "a1", "expires": "5"}


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/html", "<html><title>Sign in</title>access_token=a1</html>"),
        ("application/json", "<html>"),
        ("application/json", ""),
        ("application/json", "{" * 50_000),
        ("application/json", "[" * 50_000),
        ("text/plain", "OK"),
        ("application/octet-stream", b"\xff\xfe"),
    ],
)
async def test_a_page_instead_of_an_answer_is_no_body_and_captures_nothing(go, upstream, kind, body):
    upstream.answers(body, kind=kind)

    outcome = await go({"capture": {"accessToken": "{{ body.access_token }}"}})

    assert outcome.answer["body"] is None
    assert outcome.captured == {}


async def test_json_is_read_whatever_it_is_called_and_with_a_mark_in_front(go, upstream):
    upstream.answers(b'\xef\xbb\xbf{"id": 7}', kind="text/html")

    assert (await go({})).answer["body"] == {"id": 7}


DATE = "Fri, 01 May 2026 12:00:{:02} GMT"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 5 ", 5),
        ("99999999", 86_400),
        ("9" * 400, 86_400),
        (DATE.format(30), 30),
        ("Friday, 01-May-26 12:00:30 GMT", 30),
        ("Fri May  1 12:00:30 2026", 30),
        ("Fri, 01 May 2026 11:59:00 GMT", 0),
        ("Fri, 01 May 2099 12:00:00 GMT", 86_400),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        ("Fri, 99 May 2026 12:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value, seconds):
    assert retry_after((("Retry-After", value),), now=NOW) == seconds


def test_without_retry_after_nothing_is_said():
    assert retry_after((), now=NOW) is None


@given(st.text(max_size=40))
def test_no_retry_after_is_an_error_of_ours(value):
    waited = retry_after((("retry-after", value),), now=NOW)

    assert waited is None or 0 <= waited <= 86_400


@given(
    body=st.binary(max_size=60) | st.sampled_from([b"1" * 5000, b"NaN", b'{"a": 1e999}', b"\x00", b'"\\ud800"']),
    kind=st.sampled_from(["application/json", "application/x-www-form-urlencoded", "text/plain", "", "\xff;;"]),
    cookie=st.text(st.characters(max_codepoint=255), max_size=20),
)
def test_no_answer_is_an_error_of_ours(body, kind, cookie):
    response = HttpResponse(200, (("Content-Type", kind), ("Set-Cookie", cookie)), body)

    assert read_answer(response)["status"] == 200


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("invalid_grant", "invalid_grant"),
        ("invalidGrant", "invalidGrant"),
        ("BAD_REFRESH-TOKEN", "BAD_REFRESH-TOKEN"),
        ("Unauthorized", "Unauthorized"),
        ("E1001", "other"),
        ("sk_live_4eC39HqLyjWDarjtT1zdp7dc", "other"),
        ("dGhlIHNlY3JldA", "other"),
        ("QVkmTZwnPbRsLd", "other"),
        ("some-code.x", None),
        ("The token of ada@acme.example has expired", None),
        ("x" * 65, None),
        ("", None),
        (42, None),
        ({"code": "a"}, None),
    ],
)
def test_an_error_is_passed_on_only_when_it_is_a_code(error, code):
    assert error_code({"error": error}) == code
    assert error_code([error]) is None


def test_a_problem_never_carries_what_the_provider_wrote():
    response = HttpResponse(400, (("X", "canary-1"),), b'{"error": "canary 2", "error_description": "canary-3"}')

    problem = judge(Request().expect, response, read_answer(response))

    assert isinstance(problem, ProviderRefused)
    assert "canary" not in f"{problem} {problem.detail} {problem.facts} {problem.errors} {problem!r}"


async def test_a_problem_does_not_repeat_what_the_provider_was_sent(go, upstream):
    upstream.answers('{"error": "swordfish"}', status=400)

    outcome = await go({}, values={"client": {"secrets": ["swordfish"]}})

    assert outcome.problem.facts == {"status": 400, "error": "other"}
    assert "swordfish" not in str(outcome.answer["body"])


def test_the_time_of_retry_after_is_ours():
    assert retry_after((("retry-after", DATE.format(30)),), now=NOW + timedelta(seconds=10)) == 20


@pytest.mark.parametrize("escaped", ["\\ud800", "\\u0000", "\\udfff\\ud800"])
def test_what_no_database_takes_does_not_come_out_of_an_answer(escaped):
    text = json.dumps({"deep": [{"KEY": "KEY"}]}).replace("KEY", escaped)
    form = "a=%00&b=%ed%a0%80"

    body = read_answer(HttpResponse(200, (), text.encode()))["body"]
    fields = read_answer(HttpResponse(200, (("Content-Type", "application/x-www-form-urlencoded"),), form.encode()))[
        "body"
    ]

    assert set("".join(body["deep"][0])) == set("".join(body["deep"][0].values())) == {"\ufffd"}
    assert set("".join(fields.values())) == {"\ufffd"}


@pytest.mark.parametrize("depth", [300, 600, 900, 100_000])
def test_an_answer_nested_deeply_is_read_or_is_none(depth):
    assert read_answer(HttpResponse(200, (), b"[" * depth + b"]" * depth))["status"] == 200
