"""Headers on their way out and back. Egress frames each message itself: headers of the connection are its own. Pure."""

import re
from collections.abc import Iterator, Sequence
from importlib.metadata import version

from tieline.errors import InvalidRequest, ProviderUnreadable
from tieline.protocols.http import Headers

USER_AGENT = f"tieline/{version('tieline')}"

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")

# Host follows from the URL that was checked; the rest belongs to the connection (RFC 9110, section 7.6.1).
_OURS = frozenset(
    (
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
_DECODED = frozenset(("content-encoding", "content-length", "transfer-encoding"))


def outgoing_headers(headers: Headers, *, accept_encoding: str, length: int | None = None) -> Headers:
    """The caller's headers in their order, less those that are ours, with a User-Agent and Accept-Encoding if absent.

    Raises InvalidRequest for a header that would end its line.
    """
    for name, value in headers:
        if _TOKEN.fullmatch(name) is None:
            raise InvalidRequest("A header's name has characters that HTTP does not allow.")
        if _VALUE.fullmatch(value) is None:
            raise InvalidRequest(f"The value of the header {name} has a line break or another control character.")
    # aiohttp loses one of two headers whose names differ in case, so the first spelling serves all of that name.
    spelling: dict[str, str] = {}
    kept = tuple(
        (spelling.setdefault(name.lower(), name), value) for name, value in headers if name.lower() not in _OURS
    )
    return (
        *kept,
        *_missing(kept, accept_encoding),
        *((("Content-Length", str(length)),) if length is not None else ()),
    )


def check_method(method: str) -> None:
    """CONNECT would make a tunnel of the call, and TRACE would echo its credentials."""
    if _TOKEN.fullmatch(method) is None or method.upper() in ("CONNECT", "TRACE"):
        raise InvalidRequest("This HTTP method cannot be sent.")


def declared_length(headers: Headers) -> int | None:
    """The Content-Length that the caller promises for a streamed body."""
    values = {value.strip() for name, value in headers if name.lower() == "content-length"}
    if not values:
        return None
    if len(values) > 1 or not (value := values.pop()).isascii() or not value.isdigit() or len(value) > 18:
        raise InvalidRequest("The Content-Length of the body is not one number.")
    return int(value)


def incoming_headers(status: int, raw: Sequence[tuple[bytes, bytes]]) -> Headers:
    """The answer's headers as text, byte for byte (ISO 8859-1); of one that has no body, without the length of one.

    Raises ProviderUnreadable for an answer whose end, or whose lines, two parsers could see in two places (RFC 9112,
    section 6.3). aiohttp's parser refuses most of these itself, but is lenient with names and codings.
    """
    if status == 101:
        raise _misframed("The provider switched to another protocol.")
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in raw)
    lengths = {value for name, value in headers if name.lower() == "content-length"}
    codings = [value.strip().lower() for name, value in headers if name.lower() == "transfer-encoding"]
    if len(lengths) > 1 or (codings and lengths) or codings not in ([], ["chunked"]):
        raise _misframed("The provider's answer does not say clearly how long it is.")
    if any(_TOKEN.fullmatch(name) is None or _VALUE.fullmatch(value) is None for name, value in headers):
        raise _misframed("The provider's answer has a header that HTTP does not allow.")
    bodiless = status in (204, 304)
    return tuple(
        pair for pair in headers if not bodiless or pair[0].lower() not in ("content-length", "transfer-encoding")
    )


def check_status(status: int) -> None:
    """Of an answer that is passed on: no server could say another status (RFC 9110, section 15)."""
    if not 200 <= status <= 599:
        raise _misframed("The provider's answer has a status that HTTP does not know.")


def decoded_headers(headers: Headers) -> Headers:
    """Without what described the body on the wire."""
    return tuple(pair for pair in headers if pair[0].lower() not in _DECODED)


def _missing(headers: Headers, accept_encoding: str) -> Iterator[tuple[str, str]]:
    present = {name.lower() for name, _ in headers}
    if "user-agent" not in present:
        yield "User-Agent", USER_AGENT
    if "accept-encoding" not in present:
        yield "Accept-Encoding", accept_encoding


def _misframed(detail: str) -> ProviderUnreadable:
    return ProviderUnreadable(detail, reason="framing")
