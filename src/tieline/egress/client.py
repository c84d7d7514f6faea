"""The one door to the network: each target is checked against its origins and the address policy before it is dialled.

A redirect is an answer. There are no cookies, no proxies from the environment, and no request is sent twice that
may not be.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import asynccontextmanager
from ssl import SSLContext
from typing import Protocol

from aiohttp import ClientResponse

from tieline.egress.calls import call, logged
from tieline.egress.dial import Dial
from tieline.egress.failures import translated
from tieline.egress.framing import (
    check_method,
    check_status,
    declared_length,
    decoded_headers,
    incoming_headers,
    outgoing_headers,
)
from tieline.egress.policy import AddressPolicy
from tieline.egress.pools import Pools, open_pools
from tieline.egress.resolver import Lookup, SystemLookup
from tieline.egress.streams import StreamedResponse, Upload, chunks, held, nothing, whole
from tieline.egress.target import Target, read_target
from tieline.errors import AddressRefused
from tieline.protocols.http import Headers, HttpRequest, HttpResponse

_REPEATABLE = frozenset(("GET", "HEAD", "OPTIONS", "PUT", "DELETE"))  # RFC 9110, section 9.2.2


class Reach(Protocol):
    """What a call may reach; an OriginSet is one."""

    def allows(self, url: str) -> bool: ...


class Egress:
    """For one event loop; its connections are opened with the first call. Any number of calls at once."""

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        lookup: Lookup | None = None,
        ssl_context: SSLContext | None = None,
        connect_timeout: float = 10.0,
    ) -> None:
        """lookup: instead of the system's resolver; ssl_context: instead of its authorities; timeout in seconds."""
        self._policy = policy
        self._lookup = lookup
        self._ssl_context = ssl_context
        self._connect_timeout = connect_timeout
        self._pools: Pools | None = None

    async def send(
        self, request: HttpRequest, *, to: Reach, deadline: float = 20.0, limit: int = 2 << 20
    ) -> HttpResponse:
        """The whole answer, with gzip and deflate taken off; its headers no longer say how it was packed.

        deadline: seconds for everything; limit: bytes of the decoded body. Raises AddressRefused, InvalidRequest,
        ProviderUnavailable or ProviderUnreadable, with a `reason` in the facts.
        """
        target, dial = self._aim(request, to)
        headers = outgoing_headers(request.headers, accept_encoding="gzip, deflate")
        pools = self._open()
        session = pools.reusing if request.method.upper() in _REPEATABLE else pools.single
        with logged(request) as answered, translated(dial):
            async with asyncio.timeout(deadline):
                response = await call(session, request.method, target, headers, request.body or None, dial)
                answered(response.status)
                with held(response):
                    arrived = incoming_headers(response.status, response.raw_headers)
                    body = await whole(response, arrived, limit=limit)
        return HttpResponse(response.status, decoded_headers(arrived), body)

    @asynccontextmanager
    async def stream(
        self,
        request: HttpRequest,
        *,
        to: Reach,
        body: AsyncIterable[bytes] | None = None,
        deadline: float = 30.0,
        idle: float = 60.0,
    ) -> AsyncGenerator[StreamedResponse]:
        """The answer as it comes, undecoded, in constant memory. Leaving early closes the connection.

        body: instead of the request's own; chunked, unless the request has a Content-Length, which it must then fill.
        deadline: seconds for connecting and the headers, anew with each piece of `body`; idle: seconds between pieces
        of the answer. Raises what `send` raises, and whatever `body` raises.
        """
        target, dial = self._aim(request, to)
        length = declared_length(request.headers) if body is not None else None
        headers = outgoing_headers(request.headers, accept_encoding="identity", length=length)
        data = Upload(body, dial, length=length) if body is not None else request.body or None
        with logged(request) as answered, translated(dial):
            response = await self._start(request.method, target, headers, data, dial, deadline)
            answered(response.status)
        if isinstance(data, Upload):
            data.failed = response.close  # or the answer would wait for the rest of a body that never comes
        with held(response):
            check_status(response.status)
            arrived = incoming_headers(response.status, response.raw_headers)
            yield StreamedResponse(response.status, arrived, chunks(response, dial, idle=idle))

    async def close(self) -> None:
        """Closes every connection; a later call would open new ones."""
        pools, self._pools = self._pools, None
        if pools is not None:
            await pools.close()

    def _aim(self, request: HttpRequest, to: Reach) -> tuple[Target, Dial]:
        """Refuses everything that can be refused before a name is looked up."""
        check_method(request.method)
        target = read_target(request.url)
        if not to.allows(target.url):
            raise AddressRefused(
                f"{target.host} is not among the hosts that may be called here.", reason="origin", host=target.host
            )
        named, literal = self._policy.names(target.host), target.address is not None
        dial = Dial(self._policy, target.host, named=named, plain=target.plain, literal=literal)
        if literal and not dial.permits(target.host):
            raise dial.refusal([target.host])
        return target, dial

    def _open(self) -> Pools:
        if self._pools is None:
            self._pools = open_pools(
                self._lookup or SystemLookup(), ssl_context=self._ssl_context, connect_timeout=self._connect_timeout
            )
        return self._pools

    async def _start(
        self, method: str, target: Target, headers: Headers, data: bytes | Upload | None, dial: Dial, deadline: float
    ) -> ClientResponse:
        now = asyncio.get_running_loop().time
        async with asyncio.timeout(deadline) as timer:
            if not isinstance(data, Upload):
                return await call(self._open().reusing, method, target, headers, data, dial)
            data.progress = lambda: None if timer.expired() else timer.reschedule(now() + deadline)
            try:
                return await call(self._open().reusing, method, target, headers, data, dial)
            finally:
                data.progress = nothing
