"""A URL read strictly, into the one spelling that is checked and dialled. Pure.

Whatever two parsers could read differently is refused: userinfo, backslashes, percent signs in a host, numbers that
only some resolvers take for an address.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address

import idna

from tieline.egress.addresses import Address
from tieline.errors import AddressRefused

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?P<query>\?[^#]*)?")
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:@]+)(?::(?P<port>[0-9]{1,5}))?")
_SENDABLE = re.compile(r"[!-\[\]-~]*")  # printable ASCII without space and backslash
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, repr=False)
class Target:
    """`url` is canonical: lower-case ASCII host, no default port, no fragment. `address` is set for an IP literal."""

    scheme: str
    host: str
    port: int
    url: str
    address: Address | None = None

    @property
    def plain(self) -> bool:
        """Without TLS."""
        return self.scheme == "http"

    def __repr__(self) -> str:
        return f"Target({self.scheme}://{self.host}:{self.port})"


def read_target(url: str) -> Target:
    """Raises AddressRefused, whose facts have a `reason`: "scheme" or "spelling"."""
    found = _URL.match(url)
    if found is None:
        raise AddressRefused("Only an absolute http or https URL can be called.", reason="spelling")
    scheme = found["scheme"].lower()
    if scheme not in _PORTS:
        raise AddressRefused(f"Only http and https can be called, not {scheme!r}.", reason="scheme")
    rest = (found["path"] or "/") + (found["query"] or "")
    if _SENDABLE.fullmatch(rest) is None:
        raise AddressRefused(
            "The path and query of a URL must be percent-encoded: it has spaces, controls, backslashes or "
            "characters outside ASCII.",
            reason="spelling",
        )
    return _with_authority(scheme, found["authority"], rest)


def _with_authority(scheme: str, authority: str, rest: str) -> Target:
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        raise AddressRefused(
            "A URL's authority is a host and perhaps a port: no user name, no password.", reason="spelling"
        )
    port = int(found["port"]) if found["port"] else _PORTS[scheme]
    if not 0 < port < 65536:
        raise AddressRefused("A port is a number from 1 to 65535.", reason="spelling")
    address, host = _host(found["host"])
    written = f"[{host}]" if isinstance(address, IPv6Address) else host
    if port != _PORTS[scheme]:
        written += f":{port}"
    return Target(scheme=scheme, host=host, port=port, url=f"{scheme}://{written}{rest}", address=address)


@lru_cache(maxsize=4096)
def _host(text: str) -> tuple[Address | None, str]:
    if text.startswith("["):
        try:
            address = IPv6Address(text[1:-1])
        except AddressValueError:
            raise AddressRefused("The host is not an IPv6 address.", reason="spelling") from None
        return address, str(address)
    name = _ascii(text).removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise AddressRefused("The host is not a DNS name.", reason="spelling")
    if _NUMBER.fullmatch(labels[-1]) is None:
        return None, name
    # 2130706433, 0x7f.1 and 0177.0.0.1 are 127.0.0.1 to some resolvers (WHATWG URL, "ends in a number").
    try:
        return IPv4Address(name), name
    except AddressValueError:
        raise AddressRefused("An IPv4 address is written as four decimal numbers.", reason="spelling") from None


def _ascii(text: str) -> str:
    if text.isascii():
        return text.lower()
    try:
        return idna.encode(text, uts46=True, std3_rules=True).decode("ascii").lower()
    except idna.IDNAError:
        raise AddressRefused("The host is not a valid international name (RFC 5891).", reason="spelling") from None
