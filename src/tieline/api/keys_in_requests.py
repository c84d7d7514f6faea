"""PURE. A connection-bound key, found where the provider's own credential would stand, and taken out of the request.

SDKs that only take a base URL put the key where they put every key: in a header, in Basic, or in the query.
"""

import base64
import binascii
import re
from urllib.parse import unquote_plus

from tieline.errors import Unauthorized
from tieline.organizations.keys import is_key
from tieline.protocols.http import Headers

_KEY = re.compile(r"tl_[0-9A-Za-z]{49}(?![0-9A-Za-z])")


def find_key(headers: Headers, query: str) -> str:
    """The one key of the request. Raises Unauthorized when there is none, or more than one."""
    found = {key for _, value in headers if (key := _in_header(value))}
    found |= {key for part in query.split("&") if (key := _in_parameter(part))}
    if len(found) == 1:
        return found.pop()
    if found:
        raise Unauthorized("The request has several API keys of Tieline. Send one.")
    raise Unauthorized("Send an API key of Tieline, bound to a connection, where the provider's own key would stand.")


def without_keys(headers: Headers, query: str) -> tuple[Headers, str]:
    """The request without any key of ours; everything else stays as it came."""
    kept = tuple((name, value) for name, value in headers if _in_header(value) is None)
    return kept, "&".join(part for part in query.split("&") if _in_parameter(part) is None)


def _in_header(value: str) -> str | None:
    """`tl_...`, `Bearer tl_...`, `Token token="tl_..."`, or in Basic (RFC 7617) as the user or the password."""
    scheme, _, rest = value.partition(" ")
    if scheme.lower() == "basic":
        user, _, password = _decoded(rest).partition(":")
        return next((text for text in (password, user) if is_key(text)), None)
    return next((key for key in _KEY.findall(value) if is_key(key)), None)


def _in_parameter(part: str) -> str | None:
    """`token=tl_...`, `auth=Bearer+tl_...`, or a key that stands alone."""
    return next((key for key in _KEY.findall(unquote_plus(part)) if is_key(key)), None)


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""
