"""Names to addresses: only those that the policy permits come back.

Lookups have threads of their own: a provider's slow name server must not hold the threads that everybody shares.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from aiohttp.abc import AbstractResolver, ResolveResult

from tieline.egress.dial import current
from tieline.errors import AddressRefused

Lookup = Callable[[str], Awaitable[Sequence[str]]]
"""A host to its addresses as text; raises OSError when there are none."""

_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class SystemLookup:
    """The system's resolver, with /etc/hosts and all."""

    def __init__(self, *, threads: int = 16) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="tieline-dns")

    async def __call__(self, host: str) -> Sequence[str]:
        return await asyncio.get_running_loop().run_in_executor(self._threads, _addresses, host)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class CheckedResolver(AbstractResolver):
    """A name whose addresses may not be dialled is one that has none."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        dial = current.get()
        if dial is None:
            raise AddressRefused("This name is resolved outside a call.", reason="network")
        found = await self._lookup(host)
        if not found:
            raise OSError(f"{host} has no address")
        permitted = [address for address in found if dial.permits(address)]
        if not permitted:
            raise dial.refusal(found)
        return [_result(host, address, port) for address in permitted]

    async def close(self) -> None:
        if isinstance(self._lookup, SystemLookup):
            self._lookup.close()


def _addresses(host: str) -> list[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=_NUMERIC)
