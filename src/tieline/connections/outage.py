"""Providers that are down: after passing failures nobody asks them again for a while, per process."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

_THRESHOLD = 3


class Outages:
    """Opens after three passing failures in a row at one provider, for as long as the last one asked to wait."""

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or _loop_time
        self._failures: dict[str, int] = {}
        self._until: dict[str, float] = {}

    def wait(self, provider_id: str) -> float | None:
        """Seconds until somebody may try again; None when it may be tried now."""
        left = self._until.get(provider_id, 0.0) - self._clock()
        return left if left > 0 else None

    def failed(self, provider_id: str, pause: timedelta) -> None:
        count = self._failures.get(provider_id, 0) + 1
        self._failures[provider_id] = count
        if count >= _THRESHOLD:
            self._until[provider_id] = self._clock() + pause.total_seconds()

    def over(self, provider_id: str) -> None:
        self._failures.pop(provider_id, None)
        self._until.pop(provider_id, None)


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
