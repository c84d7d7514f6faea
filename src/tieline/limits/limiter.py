"""Rate limits in this process: all buckets of a call are charged together or not at all, before the call."""

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

from tieline.errors import RateLimited
from tieline.limits.window import Bucket, Window

_SWEEP_EVERY = 60.0


class Limiter:
    """Keys are the caller's: organization, provider, and connection, end user or integration."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows: dict[tuple[str, float], Window] = {}
        self._running: dict[str, int] = {}
        self._swept_at = clock()

    def charge(self, buckets: Sequence[Bucket]) -> None:
        """Raises RateLimited, with `retry_after` in seconds, when one of them is full; then none is charged."""
        now = self._clock()
        self._sweep(now)
        windows = [(self._window(bucket), bucket) for bucket in buckets]
        wait = max((window.wait(bucket, now=now) for window, bucket in windows), default=0.0)
        if wait > 0:
            raise RateLimited(
                f"This account's rate limit is used up. Try again in {wait:.1f} seconds.", retry_after=wait
            )
        for window, bucket in windows:
            window.charge(bucket, now=now)

    @asynccontextmanager
    async def concurrent(self, key: str, limit: int | None) -> AsyncGenerator[None]:
        """Holds one of `limit` places while a call runs. Raises RateLimited when all are taken."""
        if limit is None:
            yield
            return
        running = self._running.get(key, 0)
        if running >= limit:
            raise RateLimited(f"{limit} calls of this account are running already.", retry_after=1.0)
        self._running[key] = running + 1
        try:
            yield
        finally:
            self._running[key] -= 1
            if not self._running[key]:
                del self._running[key]

    def _window(self, bucket: Bucket) -> Window:
        return self._windows.setdefault((bucket.key, bucket.per), Window(bucket.per))

    def _sweep(self, now: float) -> None:
        """Windows that count nothing any more are forgotten, so that memory follows the traffic."""
        if now - self._swept_at > _SWEEP_EVERY:
            self._swept_at = now
            self._windows = {key: window for key, window in self._windows.items() if window.idle_at > now}
