"""aiohttp's errors in Tieline's words.

aiohttp puts URLs and headers into its exceptions, so none of them is kept as a cause: a traceback would print them.
"""

from collections.abc import Generator
from contextlib import contextmanager

import aiohttp
from aiohttp.http_exceptions import ContentLengthError, TransferEncodingError

from tieline.egress.dial import Dial
from tieline.egress.sockets import DialRefused
from tieline.errors import ProviderUnavailable, ProviderUnreadable, TielineError

_DETAILS = {
    "timeout": "The provider did not answer in time.",
    "connect": "No connection to the provider could be made.",
    "reset": "The provider broke the connection off.",
    "dns": "The provider's host name has no address that may be called. An operator can allow more than public "
    "addresses: TIELINE_EGRESS_ALLOW.",
    "tls": "The provider's certificate cannot be trusted, or TLS failed.",
}


@contextmanager
def translated(dial: Dial) -> Generator[None]:
    """Raises ProviderUnavailable (facts: reason, host, sent), ProviderUnreadable or AddressRefused instead.

    A failure of the caller's own body is raised as it was. `sent` is False when certainly no byte of the
    request has left.
    """
    try:
        yield
    except (aiohttp.ClientError, OSError) as error:
        if dial.failure:
            raise dial.failure from None
        raise _explain(error, dial) from None


def _explain(error: Exception, dial: Dial) -> TielineError:
    match error:
        case aiohttp.ClientConnectorDNSError():
            return _unavailable("dns", dial)
        case aiohttp.ClientSSLError():
            return _unavailable("tls", dial)
        case aiohttp.ClientConnectorError():
            return _unavailable("dns" if isinstance(error.os_error, DialRefused) else "connect", dial)
        case TimeoutError():
            return _unavailable("timeout", dial)
        case aiohttp.ClientResponseError() | aiohttp.InvalidURL():
            return ProviderUnreadable("The provider's answer is not HTTP.", reason="framing", host=dial.host)
        case aiohttp.ClientPayloadError() if not _cut_off(error):
            return ProviderUnreadable("The provider's answer is badly framed.", reason="framing", host=dial.host)
        case _:
            return _unavailable("reset", dial)


def _unavailable(reason: str, dial: Dial) -> ProviderUnavailable:
    return ProviderUnavailable(_DETAILS[reason], reason=reason, host=dial.host, sent=dial.connected)


def _cut_off(error: aiohttp.ClientPayloadError) -> bool:
    """Whether the connection ended before the body did; the parser's own complaints come from elsewhere."""
    return isinstance(error.__cause__, ContentLengthError | TransferEncodingError)
