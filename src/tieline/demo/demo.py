"""The demo from its first line to its last: the story, and then a service to play with."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

from rich.console import Console

from tieline.demo.playing import offer
from tieline.demo.stage import open_stage
from tieline.demo.story import play
from tieline.demo.telling import Failed, Teller
from tieline.demo.visiting import choose_visit
from tieline.errors import TielineError
from tieline.worker import until_told


async def tell(*, once: bool, port: int | None) -> bool:
    """Whether every step went as it should. Without `once` it then stays up until it is told to end."""
    teller = Teller(Console())
    teller.plain("Tieline, the whole story on this machine: a service, a practice provider, and a user who connects.")
    started = time.perf_counter()
    async with until_told() as told, open_stage(port) as stage:
        async with teller.step("Start"):
            teller.say(f"The service is at {stage.url}, on a fresh database in a temporary folder.")
            teller.say(f"The practice provider, an OAuth 2 server with an API behind it, is at {stage.practice_url}.")
        try:
            await _until(told, play(stage, teller, choose_visit(teller, alone=once)))
        except TielineError as error:
            teller.failed(f"{error.title}: {error.detail}")
            return False
        except (Failed, LookupError, TimeoutError) as error:
            teller.failed(str(error) or "it took too long")
            return False
        teller.plain(f"\nThe story took {time.perf_counter() - started:.1f} s, and every step went as it should.")
        if not once:
            await offer(stage, teller)
            await told.wait()
    return True


async def _until(told: asyncio.Event, story: Coroutine[Any, Any, None]) -> None:
    """The story, unless somebody ends it before. Raises Failed then."""
    playing, ending = asyncio.ensure_future(story), asyncio.ensure_future(told.wait())
    await asyncio.wait({playing, ending}, return_when=asyncio.FIRST_COMPLETED)
    if playing.done():
        ending.cancel()
        return await playing
    playing.cancel()
    raise Failed("It was ended before it was over.")
