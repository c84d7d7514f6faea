"""What one piece of work costs: processor time of this thread, and how far memory rises meanwhile."""

import gc
import sys
import time
from collections.abc import Callable
from pathlib import Path

_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
COUNTS_MEMORY = sys.platform == "linux" and _CLEAR.exists()


def cost_of(work: Callable[[], object]) -> tuple[float, int]:
    """Seconds, and bytes at the highest (0 where the system does not tell). The collector of cycles stands still."""
    gc.disable()
    try:
        before = _memory(fresh=True)
        started = time.thread_time()
        work()
        seconds = time.thread_time() - started
        return seconds, max(0, _memory() - before)
    finally:
        gc.enable()


def _memory(*, fresh: bool = False) -> int:
    """The highest since it was looked at afresh."""
    if not COUNTS_MEMORY:
        return 0
    if fresh:
        _CLEAR.write_text("5")
    found = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    return int(found.split()[1]) << 10
