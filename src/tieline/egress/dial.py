"""What the resolver and the socket have to know about the call that they serve.

aiohttp gives a socket factory nothing but an address, so the call goes along in a context variable, which tasks copy.
Nothing set means nothing is dialled.
"""

import logging
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass

from tieline.egress.policy import AddressPolicy
from tieline.errors import AddressRefused

_log = logging.getLogger("tieline.egress")


@dataclass
class Dial:
    """One call on its way.

    `literal`: the host is an address itself. `connected` turns true before the first byte of the request can leave.
    `failure` is what the caller's own body raised while it was sent, which aiohttp would blame on the provider.
    """

    policy: AddressPolicy
    host: str
    named: bool
    plain: bool
    literal: bool = False
    connected: bool = False
    failure: Exception | None = None

    def permits(self, address: str) -> bool:
        return self.policy.permits(address, named=self.named, plain=self.plain)

    def refusal(self, addresses: Sequence[str]) -> AddressRefused | OSError:
        """The error for a host all of whose addresses are refused. The addresses themselves are not told.

        An inner name is like one that does not exist: nobody learns from Tieline which names a network has.
        """
        if any(self.policy.permits(address, named=self.named, plain=False) for address in addresses):
            return AddressRefused(
                f"{self.host} can be called with https only. An operator can allow plain http to a host or network: "
                "TIELINE_EGRESS_ALLOW.",
                reason="plain",
                host=self.host,
            )
        _log.warning("%s is not at a public address. TIELINE_EGRESS_ALLOW can allow it.", self.host)
        if self.literal:
            return AddressRefused(
                f"{self.host} is not a public address. An operator can allow a host or network: TIELINE_EGRESS_ALLOW.",
                reason="network",
                host=self.host,
            )
        return OSError("no address that may be called")


current: ContextVar[Dial | None] = ContextVar("tieline_egress_dial", default=None)
