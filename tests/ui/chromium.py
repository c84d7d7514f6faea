"""The browser of the machine, without a window, driven over a pipe by the Chrome DevTools Protocol."""

import asyncio
import base64
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
_DEADLINE = 30.0


class Chromium:
    """One window. `errors` are what the page's console complained about."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._loaded = asyncio.Event()
        self._session = ""
        self.errors: list[str] = []

    async def start(self) -> None:
        self._task = asyncio.create_task(self._listen())
        target = await self.send("Target.createTarget", url="about:blank")
        attached = await self.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            await self.send(f"{domain}.enable")

    async def send(self, method: str, /, **params: Any) -> dict[str, Any]:
        number = len(self._waiting) + 1
        self._waiting[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._writer.write(json.dumps(message).encode() + b"\0")
        return await asyncio.wait_for(self._waiting[number], _DEADLINE)

    async def open(self, url: str) -> None:
        self._loaded.clear()
        await self.send("Page.navigate", url=url)
        await asyncio.wait_for(self._loaded.wait(), _DEADLINE)

    async def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = await self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def click(self, selector: str) -> None:
        """And wait for the page that comes of it."""
        self._loaded.clear()
        await self.run(f"document.querySelector({json.dumps(selector)}).click()")
        await asyncio.wait_for(self._loaded.wait(), _DEADLINE)

    async def look(self, *, width: int, dark: bool = False) -> None:
        await self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=700, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.send("Emulation.setEmulatedMedia", features=[scheme])

    async def screenshot(self) -> bytes:
        """The whole page, as PNG."""
        picture = await self.send("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(picture["data"])

    async def _listen(self) -> None:
        while True:
            try:
                message = json.loads((await self._reader.readuntil(b"\0"))[:-1])
            except asyncio.IncompleteReadError:
                return
            match message:
                case {"id": number, "result": result}:
                    self._waiting[number].set_result(result)
                case {"id": number, "error": error}:
                    self._waiting[number].set_exception(RuntimeError(str(error)))
                case {"method": "Page.loadEventFired"}:
                    self._loaded.set()
                case {"method": "Log.entryAdded", "params": {"entry": {"level": "error", **entry}}}:
                    self.errors.append(f"{entry.get('text')} {entry.get('url', '')}")
                case {"method": "Runtime.exceptionThrown", "params": {"exceptionDetails": details}}:
                    self.errors.append(str(details.get("text")))
                case _:
                    pass


@asynccontextmanager
async def chromium() -> AsyncIterator[Chromium]:
    program = next(filter(None, map(shutil.which, NAMES)), None)
    assert program, f"no browser found: one of {', '.join(NAMES)} must be in the PATH (apt-get install chromium)"
    to_browser, from_us = os.pipe()
    to_us, from_browser = os.pipe()
    with tempfile.TemporaryDirectory(prefix="tieline-chromium-", ignore_cleanup_errors=True) as profile:
        # It reads commands from descriptor 3 and writes answers to 4.
        command = f'exec "$0" "$@" 3<&{to_browser} 4>&{from_browser}'
        arguments = (*_FLAGS, f"--user-data-dir={profile}", "about:blank")
        process = await asyncio.create_subprocess_exec(
            "bash",
            "-c",
            command,
            program,
            *arguments,
            pass_fds=(to_browser, from_browser),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        browser = Chromium(await _reader(to_us), await _writer(from_us))
        try:
            await browser.start()
            yield browser
        finally:
            process.terminate()
            await process.wait()


async def _reader(descriptor: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=64 * 1024 * 1024)
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(descriptor, "rb"))
    return reader


async def _writer(descriptor: int) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, os.fdopen(descriptor, "wb"))
    return asyncio.StreamWriter(transport, protocol, None, loop)
