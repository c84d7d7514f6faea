import asyncio
import json

import pytest

from tieline.errors import AddressRefused, ProviderRefused, ProviderUnavailable
from tieline.manifest.origins import OriginSet
from tieline.manifest.templates import Missing, Unrenderable
from tieline.runner import Setting

pytestmark = pytest.mark.anyio


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


async def test_an_outcome_does_not_show_what_it_carries(go, upstream):
    upstream.answers('{"access_token": "canary-1"}', x_secret="canary-2")

    outcome = await go({"capture": {"accessToken": "{{ body.access_token }}"}})
    setting = Setting({"token": "canary-3"}, inputs={}, to=OriginSet())

    assert outcome.captured == {"accessToken": "canary-1"}
    assert "canary" not in repr(outcome) + repr(setting)
