"""Bodies of any size pass both ways in constant memory, and an end that comes too early shows."""

import asyncio
import hashlib
import resource
from pathlib import Path

import httpx2
import pytest

from tieline.testing import stream_bytes

pytestmark = pytest.mark.anyio

SIZE = 100 * 1024 * 1024
GROWTH = 20 * 1024 * 1024


def memory() -> int:
    """What this process, which runs the client, the hub and the provider, has in memory, in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


async def highest(until: asyncio.Event) -> int:
    most = 0
    while not until.is_set():
        most = max(most, memory())
        await asyncio.sleep(0.02)
    return most


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="counts memory as Linux shows it")
async def test_a_hundred_mebibytes_pass_down_in_constant_memory(stage):
    connection = await stage.practiced()
    path = f"/v1/connections/{connection}/proxy/stream"
    await stage.http.get(path, params={"bytes": 4_000_000})
    before, done = memory(), asyncio.Event()
    watching = asyncio.create_task(highest(done))

    seen, digest = 0, hashlib.sha256()
    async with stage.http.stream("GET", path, params={"bytes": SIZE}) as response:
        assert response.headers["content-length"] == str(SIZE)
        async for chunk in response.aiter_raw(65536):
            seen += len(chunk)
            digest.update(chunk)
    done.set()

    assert seen == SIZE
    assert digest.hexdigest() == digest_of(SIZE)
    assert await watching - before < GROWTH


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="counts memory as Linux shows it")
async def test_a_hundred_mebibytes_pass_up_in_constant_memory(stage):
    connection = await stage.practiced()
    path = f"/v1/connections/{connection}/proxy/upload"

    async def body(size: int):
        for chunk in stream_bytes(size):
            yield chunk

    await stage.http.post(path, content=body(4_000_000))
    before, done = memory(), asyncio.Event()
    watching = asyncio.create_task(highest(done))

    response = await stage.http.post(path, content=body(SIZE))
    done.set()

    assert response.json() == {"bytes": SIZE, "sha256": digest_of(SIZE)}
    assert await watching - before < GROWTH


def digest_of(size: int) -> str:
    digest = hashlib.sha256()
    for chunk in stream_bytes(size):
        digest.update(chunk)
    return digest.hexdigest()


async def test_an_answer_that_breaks_in_the_middle_does_not_end_cleanly(stage):
    connection = await stage.behind()

    with pytest.raises(httpx2.RemoteProtocolError):
        await stage.http.get(f"/v1/connections/{connection}/proxy/broken")


async def test_a_caller_that_leaves_ends_the_call_at_the_provider(stage):
    connection = await stage.behind()

    async with stage.http.stream("GET", f"/v1/connections/{connection}/proxy/endless") as response:
        async for _ in response.aiter_raw():
            break

    async with asyncio.timeout(5):
        await stage.upstream.left.wait()


async def test_a_caller_that_leaves_before_the_answer_ends_the_call_too(stage):
    connection = await stage.practiced()
    with pytest.raises(httpx2.ReadTimeout):
        await stage.http.get(f"/v1/connections/{connection}/proxy/slow", params={"seconds": 60}, timeout=0.5)

    # Nothing is held: the practice provider's server could not end with a call under way.
    response = await stage.http.get(f"/v1/connections/{connection}/proxy/me")

    assert response.status_code == 200


async def test_pieces_come_as_they_are_made(stage):
    connection = await stage.behind()

    async with asyncio.timeout(5):
        async with stage.http.stream("GET", f"/v1/connections/{connection}/proxy/endless") as response:
            assert len(await anext(response.aiter_raw())) > 0


async def test_a_body_that_ends_too_early_is_not_taken_for_a_whole_one(stage):
    connection = await stage.behind()
    _, writer = await asyncio.open_connection("127.0.0.1", int(stage.url.rpartition(":")[2]))
    head = [
        f"POST /v1/connections/{connection}/proxy/body HTTP/1.1",
        "Host: t",
        f"Authorization: Bearer {stage.key}",
        "Content-Length: 3000000",
    ]
    writer.write("\r\n".join([*head, "", ""]).encode() + b"x" * 2_000_000)
    await writer.drain()
    await asyncio.sleep(0.3)
    writer.close()

    await asyncio.sleep(0.3)
    response = await stage.http.post(f"/v1/connections/{connection}/proxy/body", content=b"whole")

    assert response.json() == {"bytes": 5}
