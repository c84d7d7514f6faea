"""Callers in a process of their own: `python caller_process.py DATABASE_URL KEYS [POINT]`.

Each line of its input, `{"connection": id, "callers": 100}`, is answered with a line: the tokens that the callers got
at once, and their errors. With a POINT, a refresh stops there for good, after a line that says so: then it is killed.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

import structlog

from tieline.connections import Credentials, Loader, Reference
from tieline.egress import Egress
from tieline.errors import TielineError
from tieline.hub import Hub
from tieline.providers import Documents
from tieline.storage import Database

POINTS = ("before claim", "after claim", "before call", "in call", "after call", "before save", "after save")


class StoppingDatabase:
    """The database of one refresh, whose first write is the claim and whose second is the save."""

    def __init__(self, database: Database, point: str) -> None:
        self._database = database
        self._point = point
        self._writes = iter(("claim", "save"))

    async def read(self, query: Callable[..., Any]) -> Any:
        return await self._database.read(query)

    async def write(self, change: Callable[..., Any]) -> Any:
        name = next(self._writes)
        await stop(f"before {name}", self._point)
        result = await self._database.write(change)
        await stop(f"after {name}", self._point)
        return result


class StoppingEgress(Egress):
    point = ""

    async def send(self, *args: Any, **given: Any) -> Any:
        await stop("before call", self.point)
        answer = await super().send(*args, **given)
        await stop("after call", self.point)
        return answer


async def stop(here: str, point: str) -> None:
    if here == point:
        print(json.dumps({"stopped": here}), flush=True)
        await asyncio.get_running_loop().create_future()


async def answers(hub: Hub, connection: str, callers: int) -> dict[str, list[str]]:
    noun = hub.organization("acme").connections
    got = await asyncio.gather(
        *(noun.credentials(Reference(id=connection)) for _ in range(callers)), return_exceptions=True
    )
    failed = [each for each in got if isinstance(each, BaseException)]
    if strange := [each for each in failed if not isinstance(each, TielineError)]:
        raise strange[0]
    tokens = {each.access_token.reveal() for each in got if not isinstance(each, BaseException)}
    return {"tokens": sorted(tokens), "errors": [f"{each.code}: {each.detail}" for each in failed]}


async def main(database_url: str, keys: str, point: str = "") -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    async with Hub.open(database_url, keys=keys, egress_allow="127.0.0.0/8") as hub:
        print(json.dumps({"ready": True}), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            asked = json.loads(line)
            if point:
                hub.egress.__class__, hub.egress.point = StoppingEgress, point
                loader = Loader(hub.vault, Documents())
                stopping = Credentials(StoppingDatabase(hub.db, point), loader, hub.egress)
                actor = await hub.organizations.library_actor("acme")
                await stopping.current(actor, Reference(id=asked["connection"]))
            print(json.dumps(await answers(hub, asked["connection"], asked["callers"])), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
