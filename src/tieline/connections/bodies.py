"""A request body on its way through: small ones are kept, so that they can be sent again; large ones only stream."""

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass, field

_KEPT = 1 << 20


@dataclass(frozen=True)
class Body:
    """`start` is what was read; `rest` is None when that was all of it, and the body can be sent again."""

    start: bytes = field(default=b"", repr=False)
    rest: AsyncIterator[bytes] | None = field(default=None, repr=False)

    @property
    def replayable(self) -> bool:
        return self.rest is None

    @property
    def whole(self) -> bytes:
        """The body, when it is all here; else nothing, and `stream` has it."""
        return self.start if self.rest is None else b""

    def stream(self) -> AsyncIterator[bytes] | None:
        """What is to be streamed; None when it is all here."""
        return None if self.rest is None else _joined(self.start, self.rest)


async def read_body(body: AsyncIterable[bytes] | None) -> Body:
    """Reads at most a little over 1 MiB ahead."""
    if body is None:
        return Body()
    chunks = aiter(body)
    kept = bytearray()
    async for chunk in chunks:
        kept += chunk
        if len(kept) > _KEPT:
            return Body(bytes(kept), chunks)
    return Body(bytes(kept))


async def _joined(start: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield start
    async for chunk in rest:
        yield chunk
