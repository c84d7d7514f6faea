"""Times the server: credential reads, proxied calls, streams, many connections, a page of a list, one caller."""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from bench.callers import calls
from bench.ground import Ground, Served, ground

if TYPE_CHECKING:
    from collections.abc import Awaitable

CALLERS = 64
ROUNDS = 5
SECONDS = 2.0
FEW, MANY = 1_000, 100_000
_LARGE = 100 * 1024 * 1024


async def main(words: list[str]) -> None:
    parts: dict[str, Callable[[Ground], Awaitable[None]]] = {
        "read": _reads,
        "call": _calls,
        "stream": _streams,
        "page": _pages,
        "latency": _latency,
        "many": _many,
    }
    chosen = [part for name, part in parts.items() if not words or any(word in name for word in words)]
    if not chosen:
        return
    async with ground() as here:
        await here.fill(FEW)
        for part in chosen:
            await part(here)


async def _reads(here: Ground) -> None:
    ours, theirs = [here.read(each) for each in here.ids], [here.bare_read(each) for each in here.ids]
    await _compared("credential reads, 64 callers", (here.ours, ours), (here.bare, theirs), at_least=0.7)


async def _calls(here: Ground) -> None:
    ours, theirs = [here.call(each) for each in here.ids], [here.bare_call(each) for each in here.ids]
    await _compared("proxied calls of 1 KiB", (here.ours, ours), (here.bare, theirs), at_least=0.7)


async def _compared(
    name: str, ours: tuple[Served, list[bytes]], theirs: tuple[Served, list[bytes]], *, at_least: float
) -> None:
    """Rounds in turn, so that what disturbs one disturbs the other."""
    figures: list[tuple[float, float]] = []
    for served, requests in (ours, theirs):
        # What is read or made at the first call is no part of the figure.
        await calls(served.port, requests, callers=1, seconds=2)
        await calls(served.port, requests, callers=CALLERS, seconds=1)
    for _ in range(ROUNDS):
        figures.append((await _per_cpu_second(*ours), await _per_cpu_second(*theirs)))
    own, other = (statistics.median(column) for column in zip(*figures, strict=True))
    _say(name, f"{own:,.0f} per CPU-second, bare {other:,.0f}", own / other, at_least)


async def _per_cpu_second(served: Served, requests: list[bytes], *, seconds: float = SECONDS) -> float:
    before = served.cpu()
    made = await calls(served.port, requests, callers=CALLERS, seconds=seconds)
    return made.calls / (served.cpu() - before)


async def _streams(here: Ground) -> None:
    """Against the upstream itself, which sends by sendfile as nginx does."""
    direct, own, bare = list[float](), list[float](), list[float]()
    one = here.ids[0]
    requests = ([b"GET /100m HTTP/1.1\r\nHost: x\r\n\r\n"], [here.call(one, "100m")], [here.bare_call(one, "100m")])
    await calls(here.ours.port, requests[1], callers=1, seconds=2)
    here.ours.forget_peak()
    before = here.ours.peak()
    for _ in range(ROUNDS):
        for served, request, speeds in zip(
            (here.upstream, here.ours, here.bare), requests, (direct, own, bare), strict=True
        ):
            made = await calls(served.port, request, callers=1, seconds=1.5)
            speeds.append(_LARGE / made.median / 1e6)
    growth = (here.ours.peak() - before) / 1e6
    own_speed, direct_speed = statistics.median(own), statistics.median(direct)
    text = f"{own_speed:,.0f} MB/s, bare {statistics.median(bare):,.0f}, upstream alone {direct_speed:,.0f}"
    _say("streams of 100 MiB", text, own_speed / direct_speed, 0.7)
    _say("  growth of the server", f"{growth:.1f} MB, at most 20", None, None)


async def _pages(here: Ground) -> None:
    made = await calls(here.ours.port, [here.page()], callers=1, seconds=SECONDS)
    _say("a page of a list (50)", f"{made.median * 1e3:.1f} ms, at most 10", None, None)


async def _latency(here: Ground) -> None:
    made = await calls(here.ours.port, [here.read(each) for each in here.ids], callers=1, seconds=SECONDS)
    disk = _fsync()
    text = f"{made.median * 1e3:.2f} ms (p99 {made.p99 * 1e3:.2f}); fsync {disk * 1e3:.2f} ms"
    _say("a credential read alone", text, None, None)


async def _many(here: Ground) -> None:
    few = [here.read(each) for each in here.ids[:FEW]]
    await here.fill(MANY)
    many = [here.read(each) for each in here.ids[:: MANY // FEW // 10]]
    await _compared(f"reads of {MANY:,} connections", (here.ours, many), (here.ours, few), at_least=0.8)


def _fsync() -> float:
    """Seconds that one page takes to be on the disk: the median of many."""
    took = list[float]()
    with tempfile.TemporaryFile() as file:
        for _ in range(200):
            began = time.perf_counter()
            file.write(bytes(8192))
            file.flush()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    return statistics.median(took)


def _say(name: str, text: str, ratio: float | None, at_least: float | None) -> None:
    verdict = "" if ratio is None or at_least is None else f"   {ratio:5.2f} (at least {at_least})"
    mark = "" if ratio is None or at_least is None or ratio >= at_least else "   MISSED"
    print(f"{name:32} {text}{verdict}{mark}", flush=True)
