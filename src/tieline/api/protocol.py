"""uvicorn's HTTP/1.1 with what it lacks: one reading of each request, and limits against slow and endless callers.

What a server in front of this one could read differently is answered 400, and the connection is closed.
"""

import asyncio
import fcntl
import re
import sys
import termios

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADERS_DEADLINE = 15.0
LARGEST_HEADERS = 64 << 10
REST_DEADLINE = 5.0
"""Seconds for the rest of a body that nobody reads, since the answer has been given without it."""
SLOWEST_READER = 60.0, 60 << 10
"""Seconds, and the bytes of an answer that a caller takes in them at least."""

_ONCE = frozenset((b"authorization", b"content-length", b"content-type", b"host", b"transfer-encoding"))
_HOST = re.compile(rb"[A-Za-z0-9._:\[\]-]*")


class Protocol(HttpToolsProtocol):
    """Headers take at most 15 s and 64 KiB, counted from the connection or the first byte of a further request."""

    _timer: asyncio.TimerHandle | None = None
    _writing: asyncio.TimerHandle | None = None
    _in_body = False
    _seen = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]  # as uvicorn has it
        super().connection_made(transport)
        self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._timer is None and not self._in_body and self.cycle.response_complete:
            self._expect_headers()
        self._seen += len(data)
        super().data_received(data)
        if self._seen > LARGEST_HEADERS:
            # Headers without end; or trailers, or what stands beside the sizes of chunks.
            self.transport.abort()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._timer is None:
            # Pipelined behind another request.
            self._expect_headers()

    def on_headers_complete(self) -> None:
        self._stop()
        self._seen = 0
        # What is raised in the parser's callbacks is answered 400.
        version = self.parser.get_http_version() if self.parser is not None else ""
        _check(version, self.url, self.headers)
        super().on_headers_complete()
        self._in_body = True
        self.headers = []  # trailers would become headers: nothing in front of us has looked at them

    def on_body(self, body: bytes) -> None:
        self._seen = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._stop()
        self._in_body = False
        self._seen = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_body and self.cycle.response_complete:
            self._stop()
            self._timer = self.loop.call_later(REST_DEADLINE, self.transport.close)
        if self.transport.get_write_buffer_size():
            self._watch()

    def send_400_response(self, msg: str) -> None:
        if not self._in_body and self.cycle is not None and not self.cycle.response_complete:  # pyright: ignore[reportUnnecessaryComparison]  # None before the first request
            # It would be taken for the answer to the request before this one.
            self.transport.close()
        else:
            super().send_400_response(msg)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None

    def _unsupported_upgrade_warning(self) -> None:
        """The parser drops what stood behind such a request, so that the next bytes could begin anywhere."""
        self.cycle.keep_alive = False

    def _expect_headers(self) -> None:
        self._seen = 0
        self._timer = self.loop.call_later(HEADERS_DEADLINE, self.transport.abort)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _watch(self) -> None:
        """Looks again and again whether the caller takes its answer, until it is gone out."""
        if self._writing is not None:
            self._writing.cancel()
        seconds, _ = SLOWEST_READER
        self._writing = self.loop.call_later(seconds, self._look, _untaken(self.transport))

    def _look(self, before: int) -> None:
        _, least = SLOWEST_READER
        left = _untaken(self.transport)
        if left and left > before - least:
            self.cycle.disconnected = True
            self.transport.abort()
        elif left:
            self._watch()


def _untaken(transport: asyncio.Transport) -> int:
    """Bytes of answers that the caller has not taken, with those that the system keeps for it: maybe millions."""
    waiting = transport.get_write_buffer_size()
    if waiting and not transport.is_closing():
        kept = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
        waiting += int.from_bytes(kept, sys.byteorder)
    return waiting


def _check(version: str, target: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """Raises ValueError for what two readers could read in two ways (RFC 9112, sections 3.2, 6.1 and 6.3)."""
    if version not in ("1.0", "1.1") or b"#" in target:
        raise ValueError("not a request of HTTP/1.1")
    names = [name for name, _ in headers if name in _ONCE or name.startswith(b"tieline-")]
    if len(set(names)) < len(names) or (version == "1.1" and b"host" not in names):
        raise ValueError("a header that stands once stands twice, or there is no Host")
    for name, value in headers:
        if name == b"host" and _HOST.fullmatch(value) is None:
            raise ValueError("not a host")
        if name == b"transfer-encoding" and (version == "1.0" or value.strip().lower() != b"chunked"):
            raise ValueError("a coding that is not taken off")
