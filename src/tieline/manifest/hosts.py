"""Host names in rendered URLs: which texts may stand there, and what a user's own text may decide."""

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from publicsuffixlist import PublicSuffixList

_LABELS = re.compile(r"[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*", re.ASCII)
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:]+)(?::(?P<port>\d{1,5}))?", re.ASCII)
_NUMERIC = re.compile(r"\d+|0x[0-9a-f]*", re.ASCII)


def is_labels(text: str) -> bool:
    """One or several DNS labels, as a part of a host name."""
    return len(text) <= 253 and _LABELS.fullmatch(text) is not None


def is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) <= 65535


@lru_cache(maxsize=4096)
def read_authority(text: str) -> str | None:
    """`host` or `host:port` in lower case; None if it is neither a DNS name nor an address, or has user information.

    An IPv4 address in any other spelling than four decimal numbers is refused.
    """
    found = _AUTHORITY.fullmatch(text)
    if found is None or (found["port"] is not None and not is_port(found["port"])):
        return None
    host = found["host"].lower()
    if not (_is_ipv6(host[1:-1]) if host.startswith("[") else is_host(host)):
        return None
    return f"{host}:{int(found['port'])}" if found["port"] else host


def is_host(host: str) -> bool:
    """A DNS name (RFC 1123, and underscores, which exist) or an IPv4 address; in lower case."""
    if not is_labels(host):
        return False
    labels = host.split(".")
    if _NUMERIC.fullmatch(labels[-1]):
        return _is_ipv4(host)
    return not any(label.startswith("-") or label.endswith("-") for label in labels)


def registrable(host: str) -> str | None:
    """`acme.co.uk` of `www.acme.co.uk`; None of `co.uk`. Only what registries sell counts, not what hosters do:
    a document that writes `.hoster.example` means that hoster's customers.
    """
    return _suffixes().privatesuffix(host)


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList(only_icann=True)  # takes 60 ms to load


def _is_ipv4(host: str) -> bool:
    try:
        IPv4Address(host)
    except AddressValueError:
        return False
    return True


def _is_ipv6(host: str) -> bool:
    try:
        IPv6Address(host)
    except AddressValueError:
        return False
    return True
