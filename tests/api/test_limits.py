"""Bodies that are too large or come too slowly hold nobody up."""

import asyncio

import pytest

from tieline.api.application import Application
from tieline.testing import serve

from .stage import problem

pytestmark = pytest.mark.anyio


async def test_a_body_of_two_mebibytes_passes_and_one_more_byte_is_refused(stage):
    filler = "x" * ((2 << 20) - len('{"name": "", "scopes": "x"}'))
    fits, longer = (f'{{"name": "{filler}{more}", "scopes": "x"}}' for more in ("", "x"))
    headers = {"Content-Type": "application/json"}

    assert problem(await stage.http.post("/v1/api-keys", content=fits, headers=headers)) == (422, "invalid-request")
    assert problem(await stage.http.post("/v1/api-keys", content=longer, headers=headers)) == (413, "payload-too-large")


async def test_a_body_without_a_length_is_counted_as_it_comes(stage):
    async def long():
        for _ in range(100):
            yield b"x" * 65536

    response = await stage.http.post("/v1/api-keys", content=long(), headers={"Content-Type": "application/json"})

    assert problem(response) == (413, "payload-too-large")


async def test_a_length_that_is_too_large_is_refused_before_the_body(stage):
    answer = await stage.raw("POST /v1/providers HTTP/1.1\r\nContent-Length: 99999999")

    assert answer.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in answer.lower()


async def test_a_body_that_comes_too_slowly_is_given_up(stage):
    async with serve(Application(stage.hub, body_deadline=0.3)) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(b"POST /v1/api-keys HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\n")
        for _ in range(3):
            writer.write(b"{")
            await asyncio.sleep(0.05)

        async with asyncio.timeout(3):
            answer = await reader.read()
        writer.close()

    assert answer.startswith(b"HTTP/1.1 408")
    assert b"request-timeout" in answer


async def test_a_caller_that_leaves_within_its_body_leaves_no_trace(stage):
    _, writer = await asyncio.open_connection("127.0.0.1", int(stage.url.rpartition(":")[2]))
    head = f"POST /v1/api-keys HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {stage.key}\r\nContent-Length: 100\r\n\r\n"
    writer.write(head.encode() + b'{"name": "never"')
    await writer.drain()
    writer.close()

    await asyncio.sleep(0.2)

    assert "never" not in str(await stage.ask("GET", "/v1/api-keys"))
