"""What the story plays on: the service on a fresh SQLite database, and a practice provider on another port."""

import errno
import tempfile
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tieline.api import app
from tieline.cli.init import first_key
from tieline.cli.logs import log_to_stderr
from tieline.cli.loopback import Loopback, loopback
from tieline.client import AsyncClient
from tieline.demo.noting import Notes, Noting
from tieline.errors import Misconfigured
from tieline.hub import Hub
from tieline.secret import Secret
from tieline.settings import Settings
from tieline.testing import PracticeProvider, serve

DEFAULT_PORT = 8400
LOOPBACK = "127.0.0.0/8"


@dataclass(frozen=True)
class Stage:
    """`tieline` is the client of the service at `url`, whose calls `notes` keeps; `back` is where browsers return."""

    url: str
    key: Secret
    tieline: AsyncClient
    notes: Notes
    practice: PracticeProvider
    practice_url: str
    back: Loopback


@asynccontextmanager
async def open_stage(port: int | None) -> AsyncGenerator[Stage]:
    """On this port; without one on 8400, or on any free one when that is taken. Raises Misconfigured."""
    log_to_stderr("error")
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tieline-demo-"))
        # The service's address is part of its settings, so the port is there before the service is.
        service = _Late()
        url = await stack.enter_async_context(await _listening(service, port))
        # What the environment says is for the real service; the demo touches nothing of it.
        settings = Settings(data=folder, public_url=url, port=str(urlsplit(url).port), egress_allow=LOOPBACK)
        hub = await stack.enter_async_context(Hub.open(settings=settings))
        key = await first_key(hub)
        if key is None:
            raise Misconfigured("The demo's data folder is not empty.")
        service.inner = app(hub)
        practice = PracticeProvider()
        practice.switches.consent = "page"
        practice_url = await stack.enter_async_context(serve(practice.app))
        notes = Notes()
        client = AsyncClient(url, key, transport=Noting(notes))
        stack.push_async_callback(client.close)
        back = await stack.enter_async_context(loopback())
        yield Stage(url, key, client, notes, practice, practice_url, back)


async def _listening(service: "_Late", port: int | None) -> "_Opened":
    wanted = DEFAULT_PORT if port is None else port
    try:
        return _Opened(server := serve(service, port=wanted), await server.__aenter__())
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        if port is not None:
            raise Misconfigured(f"Port {port} is in use. Give another --port, or 0 for any free one.") from error
    return _Opened(server := serve(service), await server.__aenter__())


class _Opened:
    """A server that runs already, to be left at the end."""

    def __init__(self, server: serve, url: str) -> None:
        self._server = server
        self._url = url

    async def __aenter__(self) -> str:
        return self._url

    async def __aexit__(self, *error: Any) -> None:
        await self._server.__aexit__(*error)


class _Late:
    """An application that comes when its address is known."""

    inner: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError("there is no lifespan: the stage opens and closes what it needs")
        await self.inner(scope, receive, send)
