"""Seals everything anew in a process of its own, in batches of five, with settings from the environment.

It may be killed at any moment; that is what it is for.
"""

import asyncio

from tieline import Hub
from tieline.settings import load_settings
from tieline.storage import rotation


async def main() -> None:
    rotation.BATCH = 5
    async with Hub.open(settings=load_settings()) as hub:
        print("begins", flush=True)
        done = await hub.keys.reseal()
        print(f"ends {done.broken}", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
