"""Run an ASGI application on a loopback port, in the event loop that is running already."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Generator
from pathlib import Path
from types import TracebackType

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

ABORT = "tieline.testing.abort"
"""The ASGI extension of `serve`: a function that closes the connection at once."""

Application = Callable[..., object]


class serve:  # reads as the verb it is: `async with serve(app) as url`
    """`async with serve(app) as url:` gives `http://127.0.0.1:<port>`; `port` 0 is any free one.

    `host` is another address of this machine; `certificate`, a PEM file with its key in it, makes it https. The
    lifespan of the application runs. Leaving the block closes every connection within a second.
    """

    def __init__(
        self, app: Application, *, host: str = "127.0.0.1", port: int = 0, certificate: Path | None = None
    ) -> None:
        self._app = app
        self._address = (host, port)
        self._certificate = certificate

    async def __aenter__(self) -> str:
        self._socket = _listen(self._address)
        config = uvicorn.Config(
            self._app,
            http=_Protocol,
            ws="none",
            log_level="error",
            access_log=False,
            ssl_certfile=self._certificate,
        )
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        while not self._server.started:
            if self._task.done():
                self._socket.close()
                await self._task
            await asyncio.sleep(0.005)
        host, port = self._socket.getsockname()
        return f"{'http' if self._certificate is None else 'https'}://{host}:{port}"

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.leave.set()
        await self._task


class _Server(uvicorn.Server):
    """uvicorn looks ten times a second whether it should end; many tests have no time for that."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.leave = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Signals belong to whoever runs the loop."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit as error:
            raise RuntimeError("the application did not start; its log says why") from error

    async def main_loop(self) -> None:
        while not self.leave.is_set():
            await self.on_tick(0)  # the Date header
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self.leave.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in (*self.servers, *(sockets or ())):
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=1)
        await self._break_off()
        await self.lifespan.shutdown()

    async def _break_off(self) -> None:
        """Whoever still waits for an answer sees the connection close, not an answer of ours."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)
        for task in list(self.server_state.tasks):
            task.cancel()


class _Protocol(HttpToolsProtocol):
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {ABORT: {"call": self.transport.abort}}


def _listen(address: tuple[str, int]) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener
