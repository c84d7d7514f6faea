"""Serves Tieline in a process of its own: `python server_process.py PORT`, with settings from the environment.

Prints its address when it answers, and ends with its parent, whose end closes the standard input.
"""

import asyncio
import sys

from tieline import Hub
from tieline.api import app
from tieline.settings import load_settings
from tieline.testing import serve


async def main(port: int) -> None:
    settings = load_settings(port=str(port))
    async with Hub.open(settings=settings) as hub, serve(app(hub), port=port) as url:
        print(url, flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
