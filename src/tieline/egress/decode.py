"""A body under a limit of size and of ratio, decoded piece by piece so that a bomb is stopped before it is in memory.

Pure. gzip and deflate only, one of them and not stacked: nothing else was asked for.
"""

import zlib
from typing import Protocol

from tieline.errors import ProviderUnreadable
from tieline.protocols.http import Headers

RATIO = 100
RATIO_FROM = 1 << 20  # bytes out; below, any ratio is harmless

_PIECE = 1 << 16
_GZIP = 16 + zlib.MAX_WBITS
_ZLIB = zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS


class _Inflate(Protocol):
    """What `zlib.decompressobj` makes; its own type has no public name."""

    @property
    def eof(self) -> bool: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class Decoder:
    """Feed it the bytes of one body, then ask for the whole. Raises ProviderUnreadable with a `reason`."""

    def __init__(self, encoding: str, *, limit: int) -> None:
        """encoding: "identity", "gzip" or "deflate", from `encoding_of`; limit: of the decoded body, in bytes."""
        self._encoding = encoding
        self._limit = limit
        self._read = 0
        self._out = bytearray()
        self._inflate: _Inflate | None = None

    def feed(self, piece: bytes) -> None:
        if not piece:
            return
        self._read += len(piece)
        if self._encoding == "identity":
            self._take(piece)
            return
        try:
            self._feed(piece)
        except zlib.error:
            raise ProviderUnreadable("The compressed answer is damaged.", reason="encoding") from None

    def whole(self) -> bytes:
        """The decoded body; a compressed one has to have come to its end. None at all is an empty one (HEAD, 204)."""
        if self._inflate is not None and not self._ended(self._inflate):
            raise ProviderUnreadable("The compressed answer is cut off.", reason="encoding")
        return bytes(self._out)

    def _feed(self, piece: bytes) -> None:
        while piece:
            if self._inflate is None or self._inflate.eof:
                self._inflate = self._next_member(piece)
            self._take(self._inflate.decompress(piece, _PIECE))
            piece = self._inflate.unconsumed_tail or self._inflate.unused_data

    def _ended(self, inflate: _Inflate) -> bool:
        # All input may be taken in while a last match is still to come out.
        while not inflate.eof and (decoded := inflate.decompress(b"", _PIECE)):
            self._take(decoded)
        return inflate.eof

    def _next_member(self, piece: bytes) -> _Inflate:
        """gzip may have several members in a row (RFC 1952, section 2.2); deflate ends once."""
        if self._encoding == "gzip":
            return zlib.decompressobj(_GZIP)
        if self._inflate is not None:
            raise ProviderUnreadable("Something follows the compressed answer.", reason="encoding")
        # "deflate" means the zlib format (RFC 9110, section 8.4.1.2), but some servers send the bare stream.
        return zlib.decompressobj(_ZLIB if piece[0] & 0x0F == zlib.DEFLATED else _RAW)

    def _take(self, decoded: bytes) -> None:
        self._out += decoded
        if len(self._out) > self._limit:
            raise ProviderUnreadable(f"The answer has more than {self._limit} bytes.", reason="size", limit=self._limit)
        if len(self._out) > RATIO_FROM and len(self._out) > RATIO * self._read:
            raise ProviderUnreadable("The answer unpacks to far more than was sent.", reason="ratio")


def encoding_of(headers: Headers) -> str:
    """What the body is packed with. Raises ProviderUnreadable for what was not asked for."""
    words = [
        word.strip().lower()
        for name, value in headers
        if name.lower() == "content-encoding"
        for word in value.split(",")
    ]
    match [word for word in words if word not in ("", "identity")]:
        case []:
            return "identity"
        case ["gzip" | "x-gzip"]:
            return "gzip"
        case ["deflate"]:
            return "deflate"
        case _:
            raise ProviderUnreadable("The answer is packed in a way that was not asked for.", reason="encoding")
