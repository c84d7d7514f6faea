"""`http(...)`: an httpx2 client whose every call goes through the proxy of a Tieline elsewhere.

The API key is put on here, on the way to Tieline alone: a client that had it among its headers would carry it along to
any whole address it is given.
"""

from dataclasses import dataclass

import httpx2

from tieline.client.call import path_of
from tieline.client.problems import ERROR_HEADER, read_problem
from tieline.client.wire import CONNECT_TIMEOUT, AsyncWire, Target, Wire
from tieline.connections.types import Reference

_TIMEOUT = httpx2.Timeout(120.0, connect=CONNECT_TIMEOUT)
"""Of silence: longer than Tieline waits for the provider, which then says so."""
_REPLACED = {"authorization", "host", "tieline-url", "tieline-account", "tieline-organization"}


@dataclass(frozen=True)
class Way:
    """From what a caller asked for to what Tieline is asked."""

    target: Target
    reference: Reference

    @property
    def base(self) -> str:
        return f"{self.target.url}{path_of(self.reference)}/proxy/"

    def request(self, asked: httpx2.Request) -> httpx2.Request:
        """A path under `base` as it is; a whole address in Tieline-Url, to be inside the connection's origins."""
        headers = [(name, value) for name, value in asked.headers.multi_items() if name.lower() not in _REPLACED]
        headers += [("Host", httpx2.URL(self.target.url).netloc.decode()), *self.target.headers.items()]
        if self.reference.id is None and self.reference.account is not None:
            headers.append(("Tieline-Account", self.reference.account))
        url = str(asked.url)
        if not url.startswith(self.base):
            headers.append(("Tieline-Url", url))
            url = self.base
        return httpx2.Request(asked.method, url, headers=headers, stream=asked.stream, extensions=asked.extensions)


class _Through(httpx2.BaseTransport):
    def __init__(self, wire: Wire, way: Way) -> None:
        self._wire = wire
        self._way = way

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Raises Tieline's own errors: they say more than a status could."""
        self._wire.enter()
        response = self._wire.http.send(self._way.request(request), stream=True)
        if ERROR_HEADER in response.headers:
            body = response.read()
            response.close()
            raise read_problem(response.status_code, response.headers, body)
        return response


class _AsyncThrough(httpx2.AsyncBaseTransport):
    def __init__(self, wire: AsyncWire, way: Way) -> None:
        self._wire = wire
        self._way = way

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Raises Tieline's own errors: they say more than a status could."""
        await self._wire.enter()
        response = await self._wire.http.send(self._way.request(request), stream=True)
        if ERROR_HEADER in response.headers:
            body = await response.aread()
            await response.aclose()
            raise read_problem(response.status_code, response.headers, body)
        return response


def through(wire: Wire, reference: Reference) -> httpx2.Client:
    way = Way(wire.target, reference)
    return httpx2.Client(transport=_Through(wire, way), base_url=way.base, timeout=_TIMEOUT)


def through_async(wire: AsyncWire, reference: Reference) -> httpx2.AsyncClient:
    way = Way(wire.target, reference)
    return httpx2.AsyncClient(transport=_AsyncThrough(wire, way), base_url=way.base, timeout=_TIMEOUT)
