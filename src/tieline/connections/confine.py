"""Where a proxied call goes: built from parsed segments, confined to the connection's base URL or origins. Pure."""

import re
from urllib.parse import unquote

from tieline.errors import PathRefused
from tieline.manifest.origins import OriginSet

_ALLOWED = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%/-]*")
_QUERY = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%/?\[\]{}|^`-]*")
_SCHEME = re.compile(r"/?[A-Za-z][A-Za-z0-9+.-]*://")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def target(base_url: str, path: str, query: str) -> str:
    """The base URL with the path under it. `path` and `query` are as they came, still encoded.

    Raises PathRefused for what would leave the base: absolute or empty segments in front, backslashes, `..`, also when
    they are encoded once or twice.
    """
    _check(path)
    _check_query(query)
    return base_url.rstrip("/") + "/" + path.removeprefix("/") + (f"?{query}" if query else "")


def absolute(url: str, origins: OriginSet, query: str) -> str:
    """An address the caller gives whole, inside the connection's origins. Raises PathRefused."""
    scheme, separator, rest = url.partition("://")
    authority, slash, tail = rest.partition("/")
    path, _, own_query = tail.partition("?")
    if scheme not in ("https", "http") or not separator or "#" in url or "?" in authority or "@" in authority:
        raise PathRefused("Tieline-Url must be an http(s) address without user, password or fragment.")
    _check(path)
    _check_query(own_query)
    _check_query(query)
    if not origins.allows(f"{scheme}://{authority}/"):
        raise PathRefused("This address is outside of what the connection may reach.")
    queries = "&".join(part for part in (own_query, query) if part)
    return f"{scheme}://{authority}{slash}{path}" + (f"?{queries}" if queries else "")


def _check(path: str) -> None:
    if not _ALLOWED.fullmatch(path) or _BAD_ESCAPE.search(path):
        raise PathRefused("The path has characters that must be percent-encoded.")
    decoded = path
    for _ in range(3):
        if _CONTROL.search(decoded):
            raise PathRefused("The path has a backslash or a control character.")
        if decoded.removeprefix("/").startswith("/") or any(_is_dots(part) for part in decoded.split("/")):
            raise PathRefused("The path must stay under the provider's base URL: no //, no . or .. segments.")
        if _SCHEME.match(decoded):
            raise PathRefused("Give a path, not an address. A whole address goes into Tieline-Url.")
        if "%" not in decoded:
            return
        decoded = unquote(decoded)


def _is_dots(segment: str) -> bool:
    """Also `..;x`: some servers take off what follows the semicolon before they read the dots."""
    return segment.partition(";")[0] in ("..", ".")


def _check_query(query: str) -> None:
    if not _QUERY.fullmatch(query):
        raise PathRefused("The query has characters that must be percent-encoded.")
