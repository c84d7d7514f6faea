"""Serves the application by uvicorn: with limits of our own, and an end that loses nothing.

A signal to stop ends accepting; what is under way is answered; then the hub closes, which drains its refreshes.
"""

import asyncio
import signal
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import uvicorn
import uvloop
from starlette.types import ASGIApp

from tieline.api.application import app as application
from tieline.api.protocol import Protocol
from tieline.errors import Misconfigured
from tieline.hub import Hub

if TYPE_CHECKING:
    import socket

DRAIN = 30
"""Seconds that requests under way have after the signal."""

new_event_loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
"""For `asyncio.Runner(loop_factory=...)`: faster than the loop of the standard library."""


async def serve(hub: Hub, app: ASGIApp | None = None, *, ready: Callable[[str], None] | None = None) -> None:
    """Until SIGTERM or SIGINT. `ready` is told the address once it listens. Raises Misconfigured as `served` does."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for each in signals:
        loop.add_signal_handler(each, stopped.set)
    try:
        async with served(hub, app) as url:
            if ready is not None:
                ready(url)
            await stopped.wait()
    finally:
        for each in signals:
            loop.remove_signal_handler(each)


@asynccontextmanager
async def served(hub: Hub, app: ASGIApp | None = None) -> AsyncGenerator[str]:
    """While the block runs; gives the public address. Raises Misconfigured when the port cannot be listened on."""
    server = _Server(_config(hub, app or application(hub)))
    task = asyncio.create_task(server.serve(), name="tieline-server")
    listening = asyncio.create_task(server.listening.wait())
    try:
        await asyncio.wait((task, listening), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        yield hub.settings.url
    finally:
        listening.cancel()
        server.should_exit = True
        await task


def _config(hub: Hub, app: ASGIApp) -> uvicorn.Config:
    trusted = [each.strip() for each in hub.settings.trusted_proxies.split(",") if each.strip()]
    return uvicorn.Config(
        app,
        host=hub.settings.host,
        port=int(hub.settings.port),
        http=Protocol,
        ws="none",
        lifespan="off",
        access_log=False,
        # What goes wrong in a request is logged by the application, without what callers sent.
        log_config=None,
        log_level="critical",
        server_header=False,
        proxy_headers=bool(trusted),
        forwarded_allow_ips=trusted,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=DRAIN,
        backlog=2048,
    )


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """uvicorn would raise the signal again at its end, which kills the process before the hub is closed."""
        yield

    async def startup(self, sockets: "list[socket.socket] | None" = None) -> None:
        where = f"{self.config.host}:{self.config.port}"
        try:
            await super().startup(sockets)
        except SystemExit:
            raise Misconfigured(f"{where} cannot be listened on: something else does, or it is not ours.") from None
        self.listening.set()
