"""What runs in the background, without HTTP: due jobs, and the audit's seal. Another process serves the requests."""

import asyncio
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@asynccontextmanager
async def until_told() -> AsyncGenerator[asyncio.Event]:
    """An event that is set when this process is asked to end; a second time ends it at once."""
    loop = asyncio.get_running_loop()
    told = asyncio.Event()

    def tell(number: signal.Signals) -> None:
        told.set()
        loop.remove_signal_handler(number)

    for number in SIGNALS:
        loop.add_signal_handler(number, tell, number)
    try:
        yield told
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
