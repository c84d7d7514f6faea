from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tieline.manifest.templates import (
    Missing,
    TemplateFault,
    Unrenderable,
    check_url,
    render_header,
    render_url,
    render_xml,
)


@dataclass(frozen=True)
class Input:
    type: str = "string"
    from_: str = "user"
    secret: bool = False


INPUTS = {
    "sub": Input(),
    "key": Input(secret=True),
    "formula": Input(from_="computed"),
    "either": Input(from_="adminOrUser"),
    "admin": Input(from_="admin"),
    "dc": Input(from_="flow"),
    "region": Input(type="choice"),
    "host": Input(type="hostname"),
    "base": Input(type="url"),
}


def url(text: str | list[str], base_url: str | None = None, **scope: object) -> str:
    return render_url(text, scope, inputs=INPUTS, base_url=base_url)


@pytest.mark.parametrize(
    ("text", "scope", "expected"),
    [
        ("https://api.acme.example/v1", {}, "https://api.acme.example/v1"),
        ("HTTPS://API.acme.example:8443", {}, "https://api.acme.example:8443"),
        ("https://[::1]:80/x", {}, "https://[::1]:80/x"),
        ("https://a.example/é x/100%/%2f?q=a b", {}, "https://a.example/%C3%A9%20x/100%25/%2f?q=a%20b"),
        ("https://{{ sub }}.acme.example/x", {"sub": "Team-1"}, "https://team-1.acme.example/x"),
        ("https://{{ sub }}-eu.acme.example", {"sub": "a.b"}, "https://a.b-eu.acme.example"),
        ("https://accounts.acme.{{ dc }}/o", {"dc": "com.au"}, "https://accounts.acme.com.au/o"),
        ("https://{{ sub }}.acme.{{ dc }}/o", {"sub": "x", "dc": "eu"}, "https://x.acme.eu/o"),
        ("https://{{ dc }}/o", {"dc": "api.acme.example"}, "https://api.acme.example/o"),
        ("https://api.acme.{{ region }}", {"region": "eu"}, "https://api.acme.eu"),
        ("https://{{ host }}/o", {"host": "GHE.local:8443"}, "https://ghe.local:8443/o"),
        ("https://{{ host }}/o", {"host": "[2001:DB8::1]:8443"}, "https://[2001:db8::1]:8443/o"),
        ("https://api.{{ host }}/o", {"host": "ghe.local"}, "https://api.ghe.local/o"),
        ("https://{{ host }}:{{ port }}/o", {"host": "h", "port": 8080}, "https://h:8080/o"),
        ("https://{{ host }}:80{{ port }}/o", {"host": "h", "port": "80"}, "https://h:8080/o"),
        ("{{ base }}/health", {"base": "http://h.example/api/"}, "http://h.example/api/health"),
        ("{{ base }}", {"base": "HTTPS://H.example/API/?a=b"}, "https://h.example/API/?a=b"),
        ("{{ base }}?x={{ sub }}", {"base": "https://h.example/", "sub": "a"}, "https://h.example/?x=a"),
        ("{{ body.next }}", {"body": {"next": "https://h.example/é?c=1"}}, "https://h.example/%C3%A9?c=1"),
        ("https://h.example/{{ sub }}/x", {"sub": "a/b c?d#é"}, "https://h.example/a%2Fb%20c%3Fd%23%C3%A9/x"),
        ("https://h.example/bot{{ key }}/x", {"key": "1:A"}, "https://h.example/bot1:A/x"),
        ("https://h.example/%{{ sub }}", {"sub": "41"}, "https://h.example/%2541"),
        ("https://h.example?q={{ sub }}&r=1#/{{ sub }}", {"sub": "a&b=c d"},
         "https://h.example?q=a%26b%3Dc%20d&r=1#/a%26b%3Dc%20d"),
        ("https://h.example/{{ n }}/{{ b }}", {"n": 5, "b": True}, "https://h.example/5/true"),
        (["{{ dc }}/token", "https://h.example/token"], {}, "https://h.example/token"),
    ],
)  # fmt: skip
def test_each_place_has_its_own_encoding(text: str | list[str], scope: dict[str, object], expected: str):
    assert url(text, **scope) == expected


def test_a_path_goes_under_the_base_url():
    assert url("/v1/{{ sub }}", base_url="https://h.example/api/", sub="a/b") == "https://h.example/api/v1/a%2Fb"
    assert url("?id={{ sub }}", base_url="https://h.example/in/", sub="1") == "https://h.example/in/?id=1"
    for base in (None, "https://h.example/?a=b", "https://h.example/#a"):
        with pytest.raises(Unrenderable):
            url("/v1", base_url=base)


def test_a_missing_variable_is_missing():
    with pytest.raises(Missing, match="sub"):
        url("https://h.example/{{ sub }}")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("https://{{ sub }}.acme.example", each) for each in (
            "a/b", "a@b", "a:1", "a b", "a#", "a?", "a\\", "é", "-a", "a..b", ".a", "a.", "a\n", "%41", "x" * 64,
            "[::1]",
        )),
        ("https://{{ sub }}acme.example", "evil-"),
        ("https://{{ sub }}.example", "evil"),
        ("https://{{ sub }}.co.uk", "evil"),
        ("https://api.{{ sub }}", "evil.example"),
        ("https://acme.example.{{ sub }}", "evil.example"),
        ("https://{{ sub }}", "evil.example"),
        ("https://{{ formula }}", "evil.example"),
        ("https://{{ either }}", "evil.example"),
        ("https://{{ sub | lower }}", "evil.example"),
        ("https://{{ 'a' ~ sub }}", "evil.example"),
        ("https://{{ key }}.acme.example", "secret"),
        ("https://10.0.0.{{ sub }}", "1"),
        ("{{ sub }}/x", "https://evil.example"),
        ("https://{{ host }}/x", "user@h.example"),
        ("https://{{ host }}/x", "h.example/y"),
        ("https://{{ host }}/x", "h.example:99999"),
        ("https://{{ host }}/x", "2130706433"),
        ("https://{{ host }}/x", "0x7f.1"),
        ("https://{{ host }}/x", "127.1"),
        ("https://{{ host }}/x", "[::1"),
        ("https://{{ host }}:443/x", "h.example:80"),
        ("https://h.example:{{ sub }}/x", "80@evil.example"),
        ("https://h.example:{{ sub }}/x", "٣"),
        *(("{{ base }}/x", each) for each in (
            "ftp://h.example", "//h.example", "h.example", "https://", "https://u:p@h.example", "https://h.example/#f",
            "https://h.example/?a=b", "https://h.example\\@evil.example", "https://h.example/a b", "https://h.example\n",
            "https://h.example/../x", "https://h.example/%2e%2E/x", "javascript:alert(1)", "https://é.example",
            "https://h.example/\u00a0", " https://h.example",
        )),
        *(("https://h.example/{{ sub }}/x", each) for each in (
            ".", "..", "../a", "a/../b", "a/..", "..\\a", "%2e%2e", "%2E.", "%252e%252e/a", "a\0",
            "a\r\nb", "\ud800", "\x85",
        )),
        ("https://h.example/.{{ sub }}", "."),
        ("https://h.example/%2e{{ sub }}", "."),
        ("https://h.example/{{ sub | trim | default('') }}", " "),
        ("https://h.example/?q={{ sub }}", "a\nb"),
        ("https://h.example/{{ sub }}", "x" * 20_000),
        ("https://h.example/{{ sub }}", {"a": 1}),
    ],
)  # fmt: skip
def test_a_value_that_would_leave_its_place_is_refused_and_not_shown(text: str, value: object):
    scope = dict.fromkeys(("sub", "key", "formula", "either", "host", "base"), value)

    with pytest.raises(Unrenderable) as fault:
        render_url(text, scope, inputs=INPUTS)

    assert "evil" not in str(fault.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v1/me",
        "//evil.example/x",
        "ftp://h.example",
        "https:/{{ sub }}",
        "https://",
        "https:///x",
        "https://u@h.example",
        "https://u:{{ sub }}@h.example",
        "https://h .example",
        "https://h.example:/x",
        "https://h.example:x",
        "https://{{ host }}:",
        "https://:{{ port }}",
        "https://h_{{ sub }}[.example",
        "https://h.example/a/../b",
        "https://h.example/%2e%2e/{{ sub }}",
        "https://h.example/a\\b",
        "https://h.example/a\nb",
        "https://h.example/\ud800",
        "{{ scheme }}://h.example",
        "{{ base }}.evil.example",
        "{{ base }}{{ sub }}",
    ],
)
def test_a_template_that_is_no_url_is_a_fault(text: str):
    with pytest.raises(TemplateFault):
        check_url(text, INPUTS)


@pytest.mark.parametrize(
    "text",
    [
        "{{ sub }}/x",
        "{{ formula }}",
        "https://{{ sub }}/x",
        "https://api.{{ sub }}/x",
        "https://{{ sub }}.co.uk/x",
        "https://{{ sub }}.example/x",
        "https://{{ dc }}.{{ sub }}/x",
    ],
)
def test_a_url_that_gives_a_user_the_host_is_a_fault(text: str):
    with pytest.raises(TemplateFault, match="user"):
        check_url(text, INPUTS)


@pytest.mark.parametrize(
    "text",
    [
        "https://{{ sub }}.acme.co.uk/x",
        "https://{{ sub }}-x.acme.example/x",
        "https://{{ sub }}.acme.{{ dc }}",
        "https://{{ dc }}",
        "https://{{ admin }}",
        "https://{{ region }}",
        "https://{{ host }}:{{ port }}",
        "{{ base }}/health",
        "{{ undeclared }}/token",
        "/v1/{{ sub }}",
        "?connection={{ sub }}",
    ],
)
def test_a_url_whose_host_is_settled_has_no_fault(text: str):
    check_url(text, INPUTS)


def test_a_header_refuses_what_would_end_it():
    assert render_header("Bearer {{ t }}", {"t": "a\té"}) == "Bearer a\té"
    assert render_header(["{{ a }}", "{{ b }}"], {"b": 5}) == "5"
    for bad in ("a\rb", "a\nb", "a\0b", "a\x7f", "\ud800", {"a": 1}, b"\xff"):
        with pytest.raises(Unrenderable):
            render_header("Bearer {{ t }}", {"t": bad})


def test_values_in_xml_are_escaped_once():
    scope = {"a": "<&>"}

    assert render_xml("<x y='{{ a }}'>{{ a | xml }}</x>", scope) == "<x y='&lt;&amp;&gt;'>&lt;&amp;&gt;</x>"


HOSTILE = st.text(st.sampled_from("ab.-_/\\?#&=:@%2eEfF[]+; \t\n\r\0é٣\u2028{}"), min_size=1, max_size=12)


@given(HOSTILE)
def test_a_value_never_leaves_its_path_segment_or_its_parameter(value: str):
    assume(value.strip())
    try:
        rendered = url("https://h.example/a/{{ sub }}/b?p={{ sub }}&q=1", sub=value)
    except Unrenderable:
        return

    parts = urlsplit(rendered)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "h.example", "")
    assert [unquote(each) for each in parts.path.split("/")] == ["", "a", value, "b"]
    assert quote(unquote(parts.path.split("/")[2]), safe=":") == parts.path.split("/")[2]
    assert parse_qsl(parts.query, strict_parsing=True) == [("p", value), ("q", "1")]


@given(HOSTILE)
def test_a_user_stays_below_the_documents_domain(value: str):
    try:
        parts = urlsplit(url("https://{{ sub }}.acme.example/v1", sub=value))
    except Unrenderable:
        return

    assert (parts.scheme, parts.path, parts.query, parts.fragment) == ("https", "/v1", "", "")
    assert (parts.username, parts.password, parts.port) == (None, None, None)
    assert parts.hostname is not None
    assert parts.hostname.endswith(".acme.example")
    assert set(parts.netloc) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-")


@given(st.sampled_from(["https://", "http://", "", "HTTPS://h", "https://h.example/"]), HOSTILE)
def test_a_users_url_is_a_plain_one(start: str, value: str):
    try:
        rendered = url("{{ base }}/v1", base=start + value)
    except Unrenderable:
        return

    parts = urlsplit(rendered)
    assert parts.scheme in ("http", "https")
    assert parts.hostname
    assert parts.path.endswith("/v1")
    assert (parts.username, parts.query, parts.fragment) == (None, "", "")
    assert not set(rendered) & set(" \t\r\n\0\\")
