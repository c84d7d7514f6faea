"""Bodies on the move: what is taken from the caller piece by piece, and what is handed on undecoded.

Nothing is read ahead beyond aiohttp's buffer, so whoever is slow slows the other side down.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import ClientPayloadError, ClientResponse

from tieline.egress.decode import Decoder, encoding_of
from tieline.egress.dial import Dial
from tieline.egress.failures import translated
from tieline.errors import InvalidRequest
from tieline.protocols.http import Headers


@dataclass(frozen=True)
class StreamedResponse:
    """An answer whose body is still coming. `chunks` can be read once, inside the context that gave it."""

    status: int
    headers: Headers
    chunks: AsyncIterator[bytes]


def nothing() -> None:
    return None


class Upload:
    """A caller's body on its way out; `progress` is called for each piece, `failed` when the caller's side fails."""

    def __init__(self, body: AsyncIterable[bytes], dial: Dial, *, length: int | None) -> None:
        """length: the Content-Length that was promised, in bytes; None: chunked."""
        self._body = body
        self._dial = dial
        self._length = length
        self.progress: Callable[[], None] = nothing
        self.failed: Callable[[], None] = nothing

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._checked():
                self.progress()
                yield piece
        except Exception as error:
            self._dial.failure = error
            self.failed()
            raise
        self.progress()

    async def _checked(self) -> AsyncIterator[bytes]:
        sent = 0
        async for piece in self._body:
            sent += len(piece)
            if self._length is not None and sent > self._length:
                raise InvalidRequest("The body is longer than its Content-Length.")
            if piece:  # an empty chunk would end the body
                yield piece
        if self._length is not None and sent < self._length:
            raise InvalidRequest("The body is shorter than its Content-Length.")


@contextmanager
def held(response: ClientResponse) -> Generator[None]:
    """Closes the answer at the end, and ends its body when the connection is gone.

    The latter because aiohttp closes the connection when its parser gives up in the middle of a body, but leaves
    whoever reads that body waiting.
    """
    protocol = response.connection.protocol if response.connection else None
    lost = protocol.closed if protocol is not None else None  # an idle protocol is falsy

    def end(_: object) -> None:
        if not response.content.is_eof() and response.content.exception() is None:
            response.content.set_exception(ClientPayloadError("the connection ended within the body"))

    if lost is not None:
        lost.add_done_callback(end)
    elif protocol is not None:
        end(None)
    try:
        yield
    finally:
        if lost is not None:
            lost.remove_done_callback(end)  # the connection outlives this answer
        response.close()


async def chunks(response: ClientResponse, dial: Dial, *, idle: float) -> AsyncIterator[bytes]:
    """The body as it comes, undecoded; at most `idle` seconds between two pieces."""
    while True:
        with translated(dial):
            async with asyncio.timeout(idle):
                piece = await response.content.readany()
        if not piece:
            return
        yield piece


async def whole(response: ClientResponse, headers: Headers, *, limit: int) -> bytes:
    """The decoded body, of at most `limit` bytes."""
    decoder = Decoder(encoding_of(headers), limit=limit)
    while piece := await response.content.readany():
        decoder.feed(piece)
    return decoder.whole()
