"""Tieline in processes of their own, which can be killed."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path


@asynccontextmanager
async def running(script: Path, *arguments: str, **settings: str) -> AsyncIterator[Process]:
    """Killed at the end, if it still runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(script), *arguments), stdin=PIPE, stdout=PIPE, env=environment(settings)
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TIELINE_")}
    given = {f"TIELINE_{name.upper()}": value for name, value in settings.items()}
    return {**inherited, "TIELINE_EGRESS_ALLOW": "127.0.0.0/8", **given}


async def line(process: Process, *, seconds: float = 60) -> str:
    """What it says next; empty when it has ended."""
    async with asyncio.timeout(seconds):
        return (await process.stdout.readline()).decode().strip()
