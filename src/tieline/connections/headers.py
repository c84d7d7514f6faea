"""Which headers pass a proxied call, in each direction. Pure.

Upstream by an allow-list in spirit: what names the connection to us, or says who forwards, never passes; downstream
everything passes but framing, what would set state at our address, and what only the servers in front of us obey.
"""

from tieline.protocols.http import Headers

_HOP_BY_HOP = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"),
        *("te", "trailer", "transfer-encoding", "upgrade"),
    }
)
_NOT_UPSTREAM = _HOP_BY_HOP | {
    *("host", "authorization", "cookie", "forwarded", "via", "expect", "content-length"),
    *("x-real-ip", "origin", "referer", "http2-settings", "early-data"),
}
_NOT_UPSTREAM_PREFIXES = ("x-forwarded-", "tieline-", "sec-", "cf-", "proxy-", "x-original-", "x-rewrite-")
_NOT_DOWNSTREAM = _HOP_BY_HOP | {
    *("set-cookie", "set-cookie2", "strict-transport-security", "public-key-pins", "alt-svc", "clear-site-data"),
    *("content-security-policy", "content-security-policy-report-only", "report-to", "nel", "server", "date"),
    *("x-content-type-options", "referrer-policy", "x-reproxy-url"),
}
"""RFC 9110, section 7.6.1, and what belongs to the origin that sends it, which here would be ours."""
_NOT_DOWNSTREAM_PREFIXES = ("tieline-", "x-accel-", "x-sendfile", "x-lighttpd-", "x-litespeed-", "surrogate-")
"""Ours to say; or orders to a web server in front of us: to send one of its own files, to keep an answer."""
_SHARED_CACHE = frozenset({"public", "private", "s-maxage"})


def upstream(headers: Headers) -> Headers:
    """Those of the caller that the provider gets; the caller's own credentials are for Tieline alone.

    Many a framework reads X_Forwarded_For as X-Forwarded-For (RFC 3875, section 4.1.18), so both are dropped.
    """
    named = _named_by_connection(headers)
    return tuple(
        (name, value)
        for name, value in headers
        if (lower := name.lower().replace("_", "-")) not in _NOT_UPSTREAM
        and name.lower() not in named
        and not lower.startswith(_NOT_UPSTREAM_PREFIXES)
    )


def downstream(headers: Headers) -> Headers:
    """Those of the provider that the caller gets: Link, rate limits, encodings and all else that is its to say."""
    named = _named_by_connection(headers)
    return tuple(
        (name, _private(value) if lower == "cache-control" else value)
        for name, value in headers
        if (lower := name.lower()) not in _NOT_DOWNSTREAM
        and lower not in named
        and not lower.startswith(_NOT_DOWNSTREAM_PREFIXES)
        and not lower.endswith("cdn-cache-control")
    )


def _private(cache_control: str) -> str:
    """For the caller's own cache: at our address one path is another account's for every key (RFC 9111, 5.2.2.7)."""
    if '"' in cache_control:
        return "no-store"
    said = [part.strip() for part in cache_control.split(",")]
    return ", ".join(["private", *(each for each in said if each.partition("=")[0].lower() not in _SHARED_CACHE)])


def _named_by_connection(headers: Headers) -> frozenset[str]:
    values = (value for name, value in headers if name.lower() == "connection")
    return frozenset(part.strip().lower() for value in values for part in value.split(","))
