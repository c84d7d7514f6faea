"""uvicorn's HTTP/1.1 with what it lacks against slow and endless callers: a deadline and a limit for headers."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADERS_DEADLINE = 15.0
LARGEST_HEADERS = 64 << 10


class Protocol(HttpToolsProtocol):
    """From the connection, or the first byte of a further request, its headers take at most 15 s and 64 KiB."""

    _timer: asyncio.TimerHandle | None = None
    _seen = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]  # as uvicorn has it
        super().connection_made(transport)
        self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._timer is None and self.cycle.response_complete:
            self._expect_headers()
        was_in_headers = self._timer is not None
        super().data_received(data)
        if was_in_headers and self._timer is not None:
            self._seen += len(data)
            if self._seen > LARGEST_HEADERS:
                self.transport.abort()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._timer is None:
            # Pipelined behind another request.
            self._expect_headers()

    def on_headers_complete(self) -> None:
        self._stop()
        super().on_headers_complete()

    def _expect_headers(self) -> None:
        self._seen = 0
        self._timer = self.loop.call_later(HEADERS_DEADLINE, self.transport.abort)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
