"""Starts caller_process.py, and talks to it."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any


class Elsewhere:
    """Callers in another process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def told(self) -> dict[str, Any]:
        line = await asyncio.wait_for(self.process.stdout.readline(), timeout=100)
        return json.loads(line)

    def ask(self, connection: Any, *, callers: int = 1) -> None:
        asked = {"connection": connection.id, "callers": callers}
        self.process.stdin.write(json.dumps(asked).encode() + b"\n")

    async def kill(self) -> None:
        """As `kill -9`."""
        self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def callers_elsewhere(database_url: str, keys: str, point: str = "") -> AsyncIterator[Elsewhere]:
    arguments = (database_url, keys, point) if point else (database_url, keys)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(Path(__file__).with_name("caller_process.py")), *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    elsewhere = Elsewhere(process)
    try:
        await elsewhere.told()
        yield elsewhere
    finally:
        if process.returncode is None:
            process.stdin.close()
            await process.wait()
