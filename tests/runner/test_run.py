import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieline.errors import AddressRefused, ProviderRefused, ProviderUnavailable, ProviderUnreadable
from tieline.manifest import Input, Request
from tieline.manifest.model import Apply
from tieline.manifest.origins import OriginSet
from tieline.manifest.templates import Missing, Unrenderable
from tieline.protocols.http import HttpResponse
from tieline.runner import Setting, error_code, judge, read_answer, retry_after, run

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def go(upstream, egress):
    async def go(request, *, values=None, inputs=None, rules=(), to=None, **more):
        setting = Setting(
            values=values or {},
            inputs={name: Input.model_validate(each) for name, each in (inputs or {}).items()},
            to=to or OriginSet.of(upstream.url),
            base_url=f"{upstream.url}/v1",
            rules=[Apply.model_validate(each) for each in rules],
        )
        return await run(Request.model_validate({"url": "/me", **request}), setting, egress, now=NOW, **more)

    return go


async def test_a_request_without_more_is_a_get_under_the_base_url(go, upstream):
    outcome = await go({})

    assert outcome.problem is None
    assert (upstream.last.method, upstream.last.path, upstream.last.query) == ("GET", "/v1/me", "")
    assert upstream.last.body == b""


async def test_everything_of_a_request_is_rendered(go, upstream):
    request = {
        "method": "PUT",
        "url": "/users/{{ name }}",
        "query": {"q": "{{ name }}", "n": 1, "gone": "{{ gone }}", "none": None},
        "headers": {"X-Name": "{{ name }}", "X-N": 1, "X-Flag": True, "X-None": None},
        "body": {"name": "{{ name }}", "list": ["{{ n }}", "{{ gone }}"], "gone": "{{ gone }}"},
    }

    await go(request, values={"name": "a/b c", "n": 2})

    sent = upstream.last
    assert (sent.method, sent.path, sent.query) == ("PUT", "/v1/users/a%2Fb%20c", "q=a%2Fb%20c&n=1")
    assert (sent.headers["x-name"], sent.headers["x-n"], sent.headers["x-flag"]) == ("a/b c", "1", "true")
    assert "x-none" not in sent.headers
    assert json.loads(sent.body) == {"name": "a/b c", "list": [2]}
    assert sent.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("format_", "body", "kind", "expected"),
    [
        (
            "form",
            {"a": "x y", "b": True, "c": [1], "d": None},
            "application/x-www-form-urlencoded",
            b"a=x%20y&b=true&c=%5B1%5D",
        ),
        ("json", {"a": "x y"}, "application/json", b'{"a": "x y"}'),
        ("text", "hello {{ name }}", "text/plain", b"hello <ada>"),
        ("xml", "<a>{{ name }}</a>", "application/xml", b"<a>&lt;ada&gt;</a>"),
    ],
)
async def test_a_body_is_sent_in_its_format(go, upstream, format_, body, kind, expected):
    await go({"format": format_, "body": body}, values={"name": "<ada>"})

    assert (upstream.last.method, upstream.last.headers["content-type"], upstream.last.body) == ("POST", kind, expected)


async def test_a_body_in_the_query_or_none_at_all(go, upstream):
    await go({"format": "query", "body": {"a": "x y"}, "query": {"b": "1"}})
    assert (upstream.last.query, upstream.last.body) == ("b=1&a=x%20y", b"")

    await go({"format": "none", "body": {"a": "x y"}})
    assert (upstream.last.query, upstream.last.body) == ("", b"")


async def test_the_documents_own_content_type_is_kept(go, upstream):
    await go({"headers": {"content-type": "application/vnd.api+json"}, "body": {"a": 1}})

    assert upstream.last.headers["content-type"] == "application/vnd.api+json"


async def test_the_credential_is_put_on_unless_the_request_says_otherwise(go, upstream):
    rules = [{"headers": {"Authorization": "Bearer {{ token }}"}}]

    async def authorization(**request):
        await go(request, rules=rules, values={"token": "t1", "other": "o1"})
        return upstream.last.headers.get("authorization")

    assert await authorization() == "Bearer t1"
    assert await authorization(use="credential") == "Bearer t1"
    assert await authorization(use="none") is None
    assert await authorization(use={"headers": {"Authorization": "Other {{ other }}"}}) == "Other o1"


@pytest.mark.parametrize("missing", ["url", "use", "rule"])
async def test_a_call_that_misses_a_value_never_goes_out(go, upstream, missing):
    request = {
        "url": {"url": "/users/{{ gone }}"},
        "use": {"use": {"headers": {"Authorization": "Bearer {{ gone }}"}}},
        "rule": {},
    }[missing]
    rules = [{"headers": {"Authorization": "Bearer {{ gone }}"}}] if missing == "rule" else []

    with pytest.raises(Missing):
        await go(request, rules=rules)

    assert upstream.sent == []


async def test_a_value_that_would_begin_another_header_never_goes_out(go, upstream):
    with pytest.raises(Unrenderable):
        await go({"headers": {"X-Name": "{{ name }}"}}, values={"name": "a\r\nX-Evil: 1"})

    assert upstream.sent == []


async def test_now_uuid_and_nonce_are_one_value_per_request(go, upstream):
    request = {"headers": {"X-A": "{{ uuid }} {{ nonce }} {{ now }}", "X-B": "{{ uuid }} {{ nonce }} {{ now }}"}}

    await go(request)
    first = upstream.last.headers
    await go(request)

    assert first["x-a"] == first["x-b"]
    assert first["x-a"].endswith("2026-05-01T12:00:00Z")
    assert upstream.last.headers["x-a"] != first["x-a"]


async def test_a_literal_host_is_called_only_where_the_setting_allows_it(go, upstream):
    request = {"url": f"{upstream.url}/elsewhere"}
    assert (await go(request)).problem is None

    with pytest.raises(AddressRefused):
        await go(request, to=OriginSet.of("https://api.acme.example"))

    assert len(upstream.sent) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_never_followed(go, upstream, status):
    upstream.answers(b"", status=status, location=f"{upstream.url}/v1/stolen")

    outcome = await go({}, rules=[{"headers": {"Authorization": "Bearer canary"}}])

    assert len(upstream.sent) == 1
    assert isinstance(outcome.problem, ProviderRefused)
    assert outcome.problem.facts["status"] == status


@pytest.mark.parametrize(
    ("expected", "status", "ok"),
    [
        (None, 200, True),
        (None, 204, True),
        (None, 304, False),
        (None, 404, False),
        ([201], 201, True),
        ([201], 200, False),
        (["2xx"], 299, True),
        (["2xx"], 300, False),
        (["200-204", 404], 203, True),
        (["200-204", 404], 404, True),
        (["200-204", 404], 205, False),
        ([500], 500, True),
        ([429], 429, True),
    ],
)
async def test_a_status_is_expected_by_number_class_or_range(go, upstream, expected, status, ok):
    upstream.answers(b"" if status in (204, 304) else "{}", status=status)

    outcome = await go({"expect": {"status": expected}} if expected else {})

    assert (outcome.problem is None) is ok


async def test_a_success_that_carries_an_error_is_a_refusal(go, upstream):
    upstream.answers('{"ok": false, "error": "invalid_auth"}')
    expect = {"failIf": [{"value": "{{ body.ok }}", "equals": False}]}

    outcome = await go({"expect": expect, "capture": {"accessToken": "{{ body.error }}"}})

    assert isinstance(outcome.problem, ProviderRefused)
    assert outcome.problem.facts == {"status": 200, "error": "invalid_auth"}
    assert outcome.captured == {}


async def test_an_answer_without_what_is_required_is_a_refusal(go, upstream):
    expect = {"require": [{"value": "{{ body.id }}"}]}

    assert isinstance((await go({"expect": expect})).problem, ProviderRefused)
    upstream.answers('{"id": 7}')
    assert (await go({"expect": expect})).problem is None


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


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
@pytest.mark.parametrize("body", ["<html>busy</html>", '{"error": "invalid_grant"}'])
async def test_a_busy_provider_is_unavailable_and_not_a_refusal(go, upstream, status, body):
    upstream.answers(body, status=status, retry_after="7")

    outcome = await go({})

    assert isinstance(outcome.problem, ProviderUnavailable)
    assert outcome.problem.retry_after == 7
    assert outcome.captured == {}


async def test_a_provider_that_is_away_is_an_outcome_and_no_exception(go):
    outcome = await go({"url": "http://127.0.0.1:1/"}, to=OriginSet.of("http://127.0.0.1:1"))

    assert isinstance(outcome.problem, ProviderUnavailable)
    assert outcome.response is None
    with pytest.raises(ProviderUnavailable):
        outcome.required()


async def test_a_provider_that_does_not_answer_is_unavailable_when_the_deadline_is_over(go, upstream, egress):
    async def silent(reader, writer):
        await asyncio.sleep(5)

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    outcome = await go({"url": f"{url}/"}, to=OriginSet.of(url), deadline=0.1)

    assert isinstance(outcome.problem, ProviderUnavailable)
    server.close()


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


async def test_an_outcome_does_not_show_what_it_carries(go, upstream):
    upstream.answers('{"access_token": "canary-1"}', x_secret="canary-2")

    outcome = await go({"capture": {"accessToken": "{{ body.access_token }}"}})
    setting = Setting({"token": "canary-3"}, inputs={}, to=OriginSet())

    assert outcome.captured == {"accessToken": "canary-1"}
    assert "canary" not in repr(outcome) + repr(setting)


def test_the_time_of_retry_after_is_ours():
    assert retry_after((("retry-after", DATE.format(30)),), now=NOW + timedelta(seconds=10)) == 20
