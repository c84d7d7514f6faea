import re
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tieline.connections.confine import absolute, target
from tieline.errors import PathRefused
from tieline.manifest.origins import OriginSet

BASE = "https://api.acme.example/v1"
ORIGINS = OriginSet.of("https://api.acme.example", "https://*.eu.acme.example", "http://127.0.0.1:8080")

DOTS = [
    "..",
    "%2e%2e",
    ".%2e",
    "%2E.",
    "%2e%2E",
    "%252e%252e",
    "%252e.",
    "%25%32%65%25%32%65",
    "..;",
    "..;a=b",
    "%2e%2e;x",
]
DIVIDERS = ["/", "%2f", "%2F", "%5c", "%5C", "\\", "%252f", "%255c"]


@pytest.mark.parametrize("dots", DOTS)
@pytest.mark.parametrize("divider", DIVIDERS)
@pytest.mark.parametrize(
    "form", ["{dots}{divider}admin", "items{divider}{dots}{divider}admin", "/items{divider}{dots}"]
)
def test_no_spelling_of_a_parent_segment_passes(dots, divider, form):
    with pytest.raises(PathRefused):
        target(BASE, form.format(dots=dots, divider=divider), "")


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example/a",
        "///evil.example",
        "/%2Fevil.example",
        "%2F%2Fevil.example",
        "/%252Fevil.example",
        "/%5Cevil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example/a",
        "/https://evil.example/a",
        "HTTPS://evil.example",
        "https%3A%2F%2Fevil.example",
        "https%253A%252F%252Fevil.example",
        "gopher://evil.example",
        "a#b",
        "a?b=c",
        "a\r\nHost: evil.example",
        "a%0d%0aHost:%20evil.example",
        "a%0D",
        "a%250aHost",
        "a%00",
        "a\x00",
        "a%2500",
        "a\t",
        "a%09",
        "a%7f",
        "a b",
        "ä",
        "a%",
        "a%2",
        "a%zz",
        "a%u002e",
        "./a",
        "a/./b",
        "a/%2e/b",
        ".",
        "..",
        "/..",
        "a<b",
        'a"b',
    ],
)
def test_what_could_leave_the_base_is_refused(path):
    with pytest.raises(PathRefused):
        target(BASE, path, "")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "items",
        "items/",
        "items//42",
        "items/..hidden",
        "items/...",
        "items/a..b",
        "items/.well-known",
        "items/a.b.c~d-e_f",
        "items/(1,2)/$value",
        "items('a%20b')",
        "@me/guilds",
        "users/ada@acme.example",
        "calendars/ada%40acme.example/events",
        "sheets/1/values/A1:B2",
        "models:generate",
        "repos/o/r/contents/a%2Fb%2Fc.txt",
        "files/%E2%82%AC",
        "files/100%25",
        "files/a%3Fb%23c",
        "files/a+b&c=d;e",
        "sites/https%3A%2F%2Fwww.acme.example%2F/search",
        "sites/sc-domain%3Aacme.example",
        "a;v=1/b",
        "a!b*c'd",
    ],
)
def test_an_ordinary_path_passes_byte_for_byte(path):
    assert target(BASE, path, "") == f"{BASE}/{path}"
    assert target(BASE + "/", "/" + path, "") == f"{BASE}/{path}"


@pytest.mark.parametrize(
    "query",
    ["a=1&a=2", "q=a+b%20c", "filter=x/y?z", "fields=a[b]{c}|d^e`f", "%zz=1", "next=https://x.example/..", "=&&="],
)
def test_a_query_passes_byte_for_byte(query):
    assert target(BASE, "items", query) == f"{BASE}/items?{query}"


@pytest.mark.parametrize("query", ["a=b#c", "a=b\r\nX: y", "a=\x00", "a=b c", "a=ä", "a=<b>", 'a="b"', "a=\\"])
def test_a_query_that_could_end_early_is_refused(query):
    with pytest.raises(PathRefused):
        target(BASE, "items", query)
    with pytest.raises(PathRefused):
        absolute("https://api.acme.example/items", ORIGINS, query)


@settings(deadline=None, max_examples=500)
@given(
    st.lists(
        st.sampled_from([*DOTS, *DIVIDERS, "a", ".", ";", ":", "@", "%", "?", "#", "evil.example", "//"]), max_size=8
    )
)
def test_whatever_passes_stays_under_the_base_however_it_is_read(parts):
    path = "".join(parts)

    try:
        url = target(BASE, path, "")
    except PathRefused:
        return

    split = urlsplit(url)
    assert (split.scheme, split.netloc) == ("https", "api.acme.example")
    for _ in range(3):
        plain = re.sub("%([0-9a-fA-F]{2})", lambda found: chr(int(found[1], 16)), split.path)
        segments = [each.partition(";")[0] for each in re.split(r"[/\\]", plain)]
        assert ".." not in segments
        assert "." not in segments
        split = split._replace(path=plain)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.acme.example/other/path?x=1",
        "https://api.acme.example",
        "https://api.acme.example:443/a",
        "https://de.eu.acme.example/a",
        "http://127.0.0.1:8080/a",
    ],
)
def test_a_whole_address_passes_inside_the_origins(url):
    assert absolute(url, ORIGINS, "") == url


def test_the_queries_of_a_whole_address_and_of_the_call_are_both_sent():
    assert absolute("https://api.acme.example/a?x=1", ORIGINS, "y=2") == "https://api.acme.example/a?x=1&y=2"


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/a",
        "http://api.acme.example/a",
        "https://api.acme.example:8443/a",
        "https://api.acme.example.evil.example/a",
        "https://evil.example/https://api.acme.example",
        "https://api.acme.example@evil.example/a",
        "https://evil.example\\@api.acme.example/a",
        "https://evil.example#@api.acme.example/a",
        "https://evil.example?@api.acme.example/a",
        "https://api.acme.example\r\n.evil.example/a",
        "https://api.acme.example%2f.evil.example/a",
        "https:///api.acme.example/a",
        "https:api.acme.example/a",
        "//api.acme.example/a",
        "/v1/items",
        "ftp://api.acme.example/a",
        "javascript://api.acme.example/%0aalert(1)",
        "https://api.acme.example/a/../../b",
        "https://api.acme.example/a/%2e%2e/b",
        "https://api.acme.example/a#b",
        "https://api.acme.example/a b",
        "https://eu.acme.example.evil/a",
        "https://a/b.eu.acme.example/",
        " https://api.acme.example/a",
        "https://api.acme.example/a\n",
        "",
    ],
)
def test_a_whole_address_outside_of_the_origins_is_refused(url):
    with pytest.raises(PathRefused):
        absolute(url, ORIGINS, "")


def test_without_origins_no_address_passes():
    with pytest.raises(PathRefused):
        absolute("https://api.acme.example/a", OriginSet(), "")
