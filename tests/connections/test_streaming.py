"""Large bodies pass in constant memory, both ways."""

import hashlib
import resource
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SIZE = 100_000_000
CHUNK = bytes(range(256)) * 256


def resident() -> int:
    """Bytes now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def test_a_hundred_megabytes_down(world):
    connection = await world.imported(await world.register())
    async with world.acme.http(connection.id) as http:
        await http.get("/stream?bytes=1000000")
        before, most, seen = resident(), 0, 0

        async with http.stream("GET", f"/stream?bytes={SIZE}") as answer:
            async for chunk in answer.aiter_raw():
                seen += len(chunk)
                most = max(most, resident())

    assert seen == SIZE
    assert most - before < 20_000_000


async def test_a_hundred_megabytes_up(world):
    connection = await world.imported(await world.register())
    digest, most = hashlib.sha256(), 0

    async def body(size: int) -> AsyncIterator[bytes]:
        nonlocal most
        for start in range(0, size, len(CHUNK)):
            most = max(most, resident())
            digest.update(CHUNK[: size - start])
            yield CHUNK[: size - start]

    async with world.acme.http(connection.id) as http:
        await http.post("/upload", content=body(2_000_000))
        digest, before, most = hashlib.sha256(), resident(), 0

        answer = await http.post("/upload", content=body(SIZE))

    assert answer.json() == {"bytes": SIZE, "sha256": digest.hexdigest()}
    assert most - before < 20_000_000
