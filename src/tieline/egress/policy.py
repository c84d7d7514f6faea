"""What the operator lets Tieline dial beyond public addresses. Pure; one rule for the resolver and the socket."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property, lru_cache
from ipaddress import ip_address

from tieline.egress.addresses import METADATA, Address, Network, is_public, parts

_read = lru_cache(maxsize=4096)(ip_address)


@dataclass(frozen=True)
class AddressPolicy:
    """`networks` opens addresses; `hosts` opens exact names, whatever address they resolve to.

    Metadata services stay closed inside a wider network or behind a name; only a network of that one address opens one.
    """

    networks: Collection[Network] = ()
    hosts: Collection[str] = ()

    def names(self, host: str) -> bool:
        """Whether the operator listed this host; `host` is in canonical form."""
        return host in self._hosts

    def permits(self, address: Address | str, *, named: bool, plain: bool) -> bool:
        """Whether this address may be dialled.

        named: the host was listed by the operator. plain: without TLS, for which being public is not enough.
        """
        try:
            found = _read(address) if isinstance(address, str) else address
        except ValueError:
            return False
        return all(self._permits(part, named=named, plain=plain) for part in parts(found))

    def _permits(self, part: Address, *, named: bool, plain: bool) -> bool:
        if part in METADATA:
            return any(part in network and network.num_addresses == 1 for network in self.networks)
        if named or any(part in network for network in self.networks):
            return True
        return not plain and is_public(part)

    @cached_property
    def _hosts(self) -> frozenset[str]:
        return frozenset(host.lower().rstrip(".") for host in self.hosts)
