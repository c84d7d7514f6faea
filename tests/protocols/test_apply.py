import base64
import json
from urllib.parse import parse_qsl, urlsplit

import pytest

from tieline.errors import InvalidRequest
from tieline.manifest import Input
from tieline.manifest.model import Apply
from tieline.manifest.templates import Missing, Unrenderable
from tieline.protocols.apply import put, rules_for
from tieline.protocols.http import HttpRequest, HttpResponse

URL = "https://api.acme.example/v1/items?x=1"
BASE = "https://api.acme.example/v1"
SCOPE = {"apiKey": "k/1 &é", "user": "ada", "password": "p:w", "credential": {"accessToken": "a1"}}


def _put(rule, request=None, *, scope=SCOPE, inputs=None, base_url=BASE):
    declared = {name: Input.model_validate(each) for name, each in (inputs or {}).items()}
    rules = [Apply.model_validate(each) for each in (rule if isinstance(rule, list) else [rule])]
    return put(request or HttpRequest("GET", URL), rules, scope, inputs=declared, base_url=base_url)


def test_a_header_replaces_the_callers():
    request = HttpRequest("GET", URL, (("authorization", "Bearer other"), ("Accept", "a/b")))

    sent = _put({"headers": {"Authorization": "Bearer {{ credential.accessToken }}"}}, request)

    assert sent.headers == (("Accept", "a/b"), ("Authorization", "Bearer a1"))


def test_a_query_parameter_is_encoded_and_stands_behind_the_callers():
    sent = _put({"query": {"api_key": "{{ apiKey }}"}})

    assert sent.url == "https://api.acme.example/v1/items?x=1&api_key=k%2F1%20%26%C3%A9"


def test_a_query_parameter_begins_the_query_where_there_is_none():
    assert _put({"query": {"k": "1"}}, HttpRequest("GET", BASE)).url == f"{BASE}?k=1"


def test_a_cookie_joins_the_others():
    sent = _put({"cookies": {"sid": "s1", "t": "{{ user }}"}}, HttpRequest("GET", URL, (("Cookie", "a=b"),)))

    assert sent.header("cookie") == "a=b; sid=s1; t=ada"
    assert len(sent.headers) == 1


@pytest.mark.parametrize("value", ["a;b", "a, b", 'a"b', "a b", "a\\b", "a\r\nSet-Cookie: x=y"])
def test_a_value_that_would_begin_another_cookie_is_refused(value):
    with pytest.raises(Unrenderable) as raised:
        _put({"cookies": {"sid": "{{ apiKey }}"}}, scope={"apiKey": value})

    assert value not in str(raised.value)


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\x00b", "a\x7f"])
def test_a_value_that_would_begin_another_header_is_refused(value):
    with pytest.raises(Unrenderable) as raised:
        _put({"headers": {"X-Key": "{{ apiKey }}"}}, scope={"apiKey": value})

    assert value not in str(raised.value)


def test_members_are_put_into_a_json_body_over_the_callers():
    request = HttpRequest("POST", URL, (("Content-Type", "application/vnd.acme+json"),), b'{"a": 1, "token": "other"}')

    sent = _put({"body": {"token": "{{ apiKey }}", "deep": {"user": "{{ user }}"}}}, request)

    assert json.loads(sent.body) == {"a": 1, "token": "k/1 &é", "deep": {"user": "ada"}}
    assert sent.header("content-type") == "application/vnd.acme+json"


def test_an_empty_body_becomes_json():
    sent = _put({"body": {"token": "{{ user }}"}}, HttpRequest("POST", URL))

    assert json.loads(sent.body) == {"token": "ada"}
    assert sent.header("content-type") == "application/json"


def test_members_are_put_into_a_form_over_the_callers():
    headers = (("content-type", "application/x-www-form-urlencoded; charset=utf-8"),)
    request = HttpRequest("POST", URL, headers, b"a=1&a=2&token=other&token=second&empty=")

    sent = _put({"body": {"token": "{{ apiKey }}", "flag": True}}, request)

    pairs = parse_qsl(sent.body.decode(), keep_blank_values=True)
    assert pairs == [("a", "1"), ("a", "2"), ("empty", ""), ("token", "k/1 &é"), ("flag", "true")]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"[1]"),
        ("application/json", b'"a"'),
        ("application/json", b"{"),
        ("application/json", b"\xff"),
        ("application/json", b"[" * 100_000),
        ("text/plain", b"hello"),
        ("application/x-www-form-urlencoded", b"\xff=1"),
    ],
)
def test_a_body_that_cannot_take_members_is_refused(kind, body):
    with pytest.raises(InvalidRequest):
        _put({"body": {"token": "x"}}, HttpRequest("POST", URL, (("Content-Type", kind),), body))


def test_a_path_prefix_stands_between_base_and_path():
    sent = _put({"path": "/bot{{ apiKey }}"}, scope={"apiKey": "12:ab/c"})

    assert sent.url == "https://api.acme.example/v1/bot12:ab%2Fc/items?x=1"


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://api.acme.example/v2/items", BASE),
        ("https://api.acme.example/v11/items", BASE),
        ("https://other.acme.example/v1/items", BASE),
        ("https://api.acme.example.evil.example/v1", "https://api.acme.example"),
        (URL, None),
    ],
)
def test_a_path_prefix_goes_under_the_base_url_only(url, base):
    with pytest.raises(InvalidRequest):
        _put({"path": "/bot{{ apiKey }}"}, HttpRequest("GET", url), base_url=base)


@pytest.mark.parametrize("value", ["..", ".", "../x"])
def test_a_path_prefix_does_not_go_up(value):
    try:
        sent = _put({"path": "/{{ apiKey }}"}, scope={"apiKey": value})
    except Unrenderable:
        return
    assert urlsplit(sent.url).path == "/v1/..%2Fx/items"


@pytest.mark.parametrize("user", ["ada", "é"])
def test_basic_is_rfc_7617_in_utf_8(user):
    sent = _put({"basic": {"username": "{{ user }}", "password": "{{ password }}"}}, scope={**SCOPE, "user": user})

    assert sent.header("authorization") == "Basic " + base64.b64encode(f"{user}:p:w".encode()).decode()


def test_basic_may_have_one_half_only():
    sent = _put({"basic": {"username": "{{ user }}"}})

    assert base64.b64decode(sent.header("authorization").removeprefix("Basic ")) == b"ada:"


MISSING = [
    {"headers": {"X-Key": "{{ gone }}"}},
    {"headers": {"X-Key": ["{{ gone }}", "{{ lost }}"]}},
    {"query": {"k": "{{ gone }}"}},
    {"cookies": {"k": "{{ gone }}"}},
    {"body": {"k": "{{ gone }}"}},
    {"body": {"deep": {"k": "{{ gone }}"}}},
    {"basic": {"username": "{{ gone }}", "password": "x"}},
    {"basic": {"username": "x", "password": "{{ gone }}"}},
]


@pytest.mark.parametrize("rule", [*MISSING, {"path": "/{{ gone }}"}])
@pytest.mark.parametrize("scope", [{}, {"gone": None}, {"gone": ""}, {"gone": "", "lost": None}])
@pytest.mark.parametrize("inputs", [{}, {"gone": {"secret": True}, "lost": {}}])
def test_a_call_whose_credential_is_missing_is_never_built(rule, scope, inputs):
    with pytest.raises(Missing):
        _put(rule, HttpRequest("POST", URL), scope=scope, inputs=inputs)


@pytest.mark.parametrize("rule", MISSING)
def test_what_its_declaration_says_is_optional_is_left_out(rule):
    optional = {"gone": {"required": False}, "lost": {"required": False}}

    sent = _put(rule, HttpRequest("POST", URL), scope={}, inputs=optional)

    assert "gone" not in sent.url + sent.body.decode()
    assert sent.url == URL
    assert sent.header("x-key") is None
    assert sent.header("cookie") is None


def test_rules_for_other_hosts_are_not_put_on():
    rules = [
        {"to": ["api.acme.example"], "headers": {"X-One": "{{ user }}"}},
        {"to": ["*.other.example"], "headers": {"X-Two": "{{ user }}"}},
        {"to": ["files.acme.example", "API.*.EXAMPLE"], "headers": {"X-Three": "{{ user }}"}},
        {"headers": {"X-All": "{{ user }}"}},
    ]

    assert {name for name, _ in _put(rules).headers} == {"X-One", "X-Three", "X-All"}


def test_a_host_is_only_what_stands_for_it():
    rules = [Apply.model_validate({"to": ["api.acme.example"]})]

    assert rules_for(rules, "API.acme.example")
    for host in ("api.acme.example.evil.example", "evil-api.acme.example", "acme.example", ""):
        assert not rules_for(rules, host)


def test_a_later_rule_reads_what_an_earlier_one_made():
    rules = [{"query": {"a": "1"}}, {"query": {"b": "2"}}, {"headers": {"X": "1"}}, {"headers": {"x": "2"}}]

    sent = _put(rules)

    assert sent.url == URL + "&a=1&b=2"
    assert sent.headers == (("x", "2"),)


def test_a_credential_that_reads_like_a_template_stays_text():
    sent = _put({"headers": {"X-Key": "{{ apiKey }}"}}, scope={"apiKey": "{{ user }}", "user": "canary"})

    assert sent.header("x-key") == "{{ user }}"


def test_calls_and_answers_do_not_show_what_they_carry():
    request = HttpRequest("GET", "https://u.example/p?k=canary-1", (("Authorization", "canary-2"),), b"canary-3")
    response = HttpResponse(200, (("Set-Cookie", "canary-2"),), b"canary-3")

    assert repr(request) == "HttpRequest(GET https://u.example/p)"
    assert repr(response) == "HttpResponse(200, 8 bytes)"
