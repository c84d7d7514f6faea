"""A worker in a process of its own, whose job never ends: `python working.py SECONDS`, the lease of a job.

It says when it has a job; it is there to be killed.
"""

import asyncio
import os
import sys
from datetime import timedelta

from tieline.jobs import Handler, Job, Worker
from tieline.storage import Database


async def main(seconds: float) -> None:
    async def run(job: Job) -> None:
        print(job.key, flush=True)
        await asyncio.sleep(3600)

    database = await Database.open(os.environ["TIELINE_DATABASE_URL"])
    worker = Worker(database, {"check": Handler(run)}, every=0.1, lease=timedelta(seconds=seconds))
    await worker.start()
    await asyncio.sleep(3600)


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
