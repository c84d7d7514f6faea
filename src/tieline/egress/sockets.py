"""The last look before a socket exists: IP literals never meet the resolver, and a resolver may be wrong."""

import errno
import socket
from typing import Any

from tieline.egress.dial import current

AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]  # as aiohappyeyeballs has it


class DialRefused(PermissionError):
    """An OSError, since happy eyeballs loses any other kind; one text for all, since it merges those that are alike."""

    def __init__(self) -> None:
        super().__init__(errno.EACCES, "an address that the policy forbids")


def checked_socket(info: AddressInfo) -> socket.socket:
    """A socket for exactly this address, which the kernel dials without looking anything up again."""
    family, kind, protocol, _, destination = info
    dial = current.get()
    if dial is None or not dial.permits(str(destination[0])):
        raise DialRefused
    return socket.socket(family=family, type=kind, proto=protocol)
