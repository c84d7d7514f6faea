"""Form parameters and client authentication, as RFC 6749 wants them read."""

import base64
import binascii
import hmac
from urllib.parse import parse_qsl, unquote_plus

from starlette.requests import Request

from tieline.testing.ledger import TokenFault
from tieline.testing.practice import Practice


async def read_form(request: Request) -> dict[str, str]:
    """The urlencoded body. A parameter must not come twice, and an empty one is absent (RFC 6749, section 3.2)."""
    return once(parse_qsl((await request.body()).decode(errors="replace")))


def once(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """The pairs as a map; raises TokenFault when a name comes twice."""
    values = dict(pairs)
    if len(values) != len(pairs):
        raise TokenFault("invalid_request", "A parameter comes more than once.")
    return values


def authenticate_client(request: Request, form: dict[str, str], practice: Practice) -> None:
    """Raises TokenFault unless the one known client proves itself, in exactly one way that is switched on."""
    basic = read_basic(request.headers.get("authorization", ""))
    if basic is not None and "client_secret" in form:
        raise TokenFault("invalid_request", "The client authenticates in two ways at once.")
    if basic is not None:
        way, client, secret = "basic", unquote_plus(basic[0]), unquote_plus(basic[1])
    elif "client_secret" in form:
        way, client, secret = "post", form.get("client_id", ""), form["client_secret"]
    else:
        way, client, secret = "none", form.get("client_id", ""), practice.client_secret
    if way not in practice.switches.token_auth or client != practice.client_id or not _same(secret, practice):
        raise TokenFault("invalid_client", "The client is not known, or its secret is wrong.", status=401)


def read_basic(header: str) -> tuple[str, str] | None:
    """User and password of an Authorization header; None when it is not a readable Basic one (RFC 7617)."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (user, password) if colon else None


def _same(secret: str, practice: Practice) -> bool:
    return hmac.compare_digest(secret.encode(), practice.client_secret.encode())
