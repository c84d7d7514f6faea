"""`http(...)`: an httpx2 client in one's hands whose every call goes through the proxy, in this process."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx2

from tieline.actor import Actor
from tieline.connections.proxy import Call, Proxy
from tieline.connections.rows import Reference

_BASE = "https://connection.invalid"
"""Stands for the connection's base URL: RFC 6761 reserves the domain, so nobody has it."""


@asynccontextmanager
async def authorised_client(proxy: Proxy, actor: Actor, reference: Reference) -> AsyncGenerator[httpx2.AsyncClient]:
    """Paths go under the provider's base URL; a whole address must be inside the connection's origins."""
    transport = _Transport(proxy, actor, reference)
    async with httpx2.AsyncClient(transport=transport, base_url=_BASE, timeout=None) as client:
        yield client


class _Transport(httpx2.AsyncBaseTransport):
    def __init__(self, proxy: Proxy, actor: Actor, reference: Reference) -> None:
        self._proxy = proxy
        self._actor = actor
        self._reference = reference

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Raises Tieline's own errors: they say more than a status could."""
        path, _, query = request.url.raw_path.decode("ascii").partition("?")
        inside = str(request.url).startswith(_BASE + "/") or str(request.url) == _BASE
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw)
        call = Call(
            method=request.method,
            path=path,
            query=query if inside else "",
            headers=headers,
            body=_chunks(request),
            url=None if inside else str(request.url),
        )
        stack = AsyncExitStack()
        answer = await stack.enter_async_context(self._proxy.open(self._actor, self._reference, call))
        about = [("Tieline-Connection", answer.connection), ("Tieline-Account", answer.account)]
        return httpx2.Response(
            answer.status, headers=[*answer.headers, *about], stream=_Stream(answer.chunks, stack), request=request
        )


class _Stream(httpx2.AsyncByteStream):
    def __init__(self, chunks: AsyncIterator[bytes], stack: AsyncExitStack) -> None:
        self._chunks = chunks
        self._stack = stack

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._chunks:
            yield chunk

    async def aclose(self) -> None:
        await self._stack.aclose()


async def _chunks(request: httpx2.Request) -> AsyncIterator[bytes]:
    if not isinstance(request.stream, httpx2.AsyncByteStream):
        raise TypeError("an asynchronous client takes an asynchronous body")
    async for chunk in request.stream:
        yield chunk
