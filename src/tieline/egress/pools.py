"""The aiohttp sessions: no cookies, no proxy environment, no decompression, and both checks of every address.

Of the two pools one reuses connections and one never does. A call that may not be repeated (a token refresh) must not
be written into a connection that the other side may be closing: nobody could tell whether it arrived.
"""

from dataclasses import dataclass
from ssl import SSLContext
from types import SimpleNamespace

from aiohttp import (
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
    TraceConfig,
    TraceConnectionCreateEndParams,
    TraceConnectionReuseconnParams,
)

from tieline.egress.dial import current
from tieline.egress.resolver import CheckedResolver, Lookup
from tieline.egress.sockets import checked_socket

READ_BUFFER = 1 << 19  # bytes; aiohttp stops reading the socket at twice this, which a slow caller holds
LIMIT = 2000  # connections
LIMIT_PER_HOST = 100
LONGEST_HEADER = 1 << 15  # Link and Content-Security-Policy outgrow aiohttp's 8 KiB

_NOT_AUTOMATIC = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


@dataclass(frozen=True)
class Pools:
    reusing: ClientSession
    single: ClientSession
    resolver: CheckedResolver

    async def close(self) -> None:
        await self.reusing.close()
        await self.single.close()
        await self.resolver.close()  # the connectors do not, since it is not theirs


def open_pools(lookup: Lookup, *, ssl_context: SSLContext | None, connect_timeout: float) -> Pools:
    """To be called inside the event loop that will use them."""
    resolver = CheckedResolver(lookup)
    trust = ssl_context or True

    def connector(*, force_close: bool) -> TCPConnector:
        # No DNS cache: it would hand one call's addresses to another call, with other permissions.
        return TCPConnector(
            resolver=resolver,
            use_dns_cache=False,
            socket_factory=checked_socket,
            ssl=trust,
            limit=LIMIT,
            limit_per_host=LIMIT_PER_HOST,
            force_close=force_close,
        )

    return Pools(
        reusing=_session(connector(force_close=False), connect_timeout),
        single=_session(connector(force_close=True), connect_timeout),
        resolver=resolver,
    )


def _session(connector: TCPConnector, connect_timeout: float) -> ClientSession:
    return ClientSession(
        connector=connector,
        cookie_jar=DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        raise_for_status=False,
        skip_auto_headers=_NOT_AUTOMATIC,
        read_bufsize=READ_BUFFER,
        max_field_size=LONGEST_HEADER,
        timeout=ClientTimeout(total=None, sock_connect=connect_timeout),
        trace_configs=[_connected_trace()],
    )


def _connected_trace() -> TraceConfig:
    trace = TraceConfig()
    trace.on_connection_create_end.append(_created)
    trace.on_connection_reuseconn.append(_reused)
    return trace


async def _created(_session: ClientSession, _context: SimpleNamespace, _facts: TraceConnectionCreateEndParams) -> None:
    _connected()


async def _reused(_session: ClientSession, _context: SimpleNamespace, _facts: TraceConnectionReuseconnParams) -> None:
    _connected()


def _connected() -> None:
    if dial := current.get():
        dial.connected = True
