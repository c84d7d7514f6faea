import pytest

from tieline.connections.headers import downstream, upstream


@pytest.mark.parametrize(
    "name",
    [
        *("Authorization", "Cookie", "Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive"),
        *("Proxy-Authorization", "Proxy-Connection", "Proxy-Foo", "TE", "Trailer", "Upgrade", "Expect", "Via"),
        *("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Origin", "Referer"),
        *("Tieline-Organization", "Tieline-Url", "Tieline-Account", "Sec-Fetch-Site", "CF-Connecting-IP"),
        *("X-Original-URL", "X-Rewrite-URL", "HTTP2-Settings", "Early-Data"),
    ],
)
@pytest.mark.parametrize("spell", [str, str.lower, str.upper])
def test_a_caller_cannot_send_upstream(name, spell):
    assert upstream(((spell(name), "x"), ("Accept", "a/b"))) == (("Accept", "a/b"),)


def test_what_is_the_callers_to_say_goes_up_in_order_and_unchanged():
    headers = (
        ("Accept", "application/json"),
        ("Content-Type", "text/plain"),
        ("Content-Encoding", "gzip"),
        ("If-Match", '"1"'),
        ("Range", "bytes=0-1"),
        ("User-Agent", "acme/1"),
        ("X-Request-Id", "r1"),
        ("Idempotency-Key", "k1"),
        ("Prefer", "a"),
        ("prefer", "b"),
    )

    assert upstream(headers) == headers


def test_headers_that_connection_names_go_no_further():
    headers = (
        ("Connection", "close, X-Hop"),
        ("connection", "x-second"),
        ("X-Hop", "1"),
        ("x-second", "2"),
        ("A", "3"),
    )

    assert upstream(headers) == (("A", "3"),)
    assert downstream(headers) == (("A", "3"),)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Set-Cookie",
            "Set-Cookie2",
            "Connection",
            "Transfer-Encoding",
            "Keep-Alive",
            "Proxy-Authenticate",
            "Upgrade",
        ),
        *("Strict-Transport-Security", "Public-Key-Pins", "Alt-Svc", "Clear-Site-Data", "Content-Security-Policy"),
        *("Content-Security-Policy-Report-Only", "Report-To", "NEL", "Trailer"),
        *("X-Content-Type-Options", "Referrer-Policy"),
    ],
)
def test_a_provider_cannot_set_at_our_address(name):
    assert downstream(((name, "x"), ("ETag", '"1"'))) == (("ETag", '"1"'),)


@pytest.mark.parametrize(
    "name",
    [
        *("Tieline-Error", "Tieline-Connection", "Tieline-Account"),
        *("X-Accel-Redirect", "X-Accel-Expires", "X-Sendfile", "X-Lighttpd-Send-File", "X-LiteSpeed-Location"),
        *("X-Reproxy-URL", "Surrogate-Control", "Surrogate-Key", "CDN-Cache-Control", "Acme-CDN-Cache-Control"),
    ],
)
@pytest.mark.parametrize("spell", [str, str.lower, str.upper])
def test_a_provider_speaks_neither_for_us_nor_to_the_servers_in_front_of_us(name, spell):
    assert downstream(((spell(name), "x"), ("ETag", '"1"'))) == (("ETag", '"1"'),)


@pytest.mark.parametrize(
    ("said", "passed"),
    [
        ("public, max-age=60", "private, max-age=60"),
        ("max-age=60, S-MaxAge=600", "private, max-age=60"),
        ("private, no-cache", "private, no-cache"),
        ("no-store", "private, no-store"),
        ('private="a, b", max-age=60', "no-store"),
    ],
)
def test_no_shared_cache_keeps_an_answer_whose_address_means_another_account_to_another_key(said, passed):
    assert downstream((("Cache-Control", said),)) == (("Cache-Control", passed),)


def test_what_the_provider_says_of_its_answer_comes_down():
    headers = (
        ("Content-Type", "application/json"),
        ("Content-Encoding", "br"),
        ("Content-Length", "12"),
        ("Link", '<https://api.acme.example/?page=2>; rel="next"'),
        ("Link", '<https://api.acme.example/?page=9>; rel="last"'),
        ("X-RateLimit-Remaining", "3"),
        ("Retry-After", "5"),
        ("WWW-Authenticate", "Bearer"),
        ("Location", "https://api.acme.example/items/1"),
        ("ETag", '"1"'),
    )

    assert downstream(headers) == headers
