"""One request handed to aiohttp and its headers awaited, and the line that is logged about it."""

import logging
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from aiohttp import ClientResponse, ClientSession
from yarl import URL

from tieline.egress.dial import Dial, current
from tieline.egress.redaction import for_log
from tieline.egress.streams import Upload
from tieline.egress.target import Target
from tieline.protocols.http import Headers, HttpRequest

_log = logging.getLogger("tieline.egress")


async def call(
    session: ClientSession, method: str, target: Target, headers: Headers, data: bytes | Upload | None, dial: Dial
) -> ClientResponse:
    """The answer once its headers are here; the caller closes it. Raises what aiohttp raises, and AddressRefused."""
    token = current.set(dial)
    try:
        return await session.request(
            method, URL(target.url, encoded=True), headers=headers, data=data, allow_redirects=False
        )
    finally:
        current.reset(token)


@contextmanager
def logged(request: HttpRequest) -> Generator[Callable[[int], None]]:
    """Logs the call when it is over; what is given is to be told the status."""
    started = time.monotonic()
    statuses: list[int] = []
    try:
        yield statuses.append
    finally:
        if _log.isEnabledFor(logging.DEBUG):
            status = statuses[0] if statuses else None
            facts = for_log(request, status=status, milliseconds=round(1000 * (time.monotonic() - started)))
            _log.debug("called %s", facts, extra=facts)
