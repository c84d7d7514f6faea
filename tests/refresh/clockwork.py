"""An event loop whose time is made up: where everybody waits, it is at once as late as the first of them waits for."""

import asyncio
import selectors
from collections.abc import Callable


class VirtualLoop(asyncio.SelectorEventLoop):
    """No sockets, no threads: what runs in it is decided by the order of its timers alone. Time
    is seconds since the loop was made."""

    def __init__(self) -> None:
        self._seconds = 0.0
        super().__init__(_Selector(self._wait))

    def time(self) -> float:
        return self._seconds

    def _wait(self, seconds: float | None) -> None:
        if seconds is None:
            raise RuntimeError("everybody waits for somebody else")
        self._seconds += max(seconds, 0.0)


class _Selector(selectors.SelectSelector):
    def __init__(self, wait: Callable[[float | None], None]) -> None:
        super().__init__()
        self._wait = wait

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._wait(timeout)
        return []
