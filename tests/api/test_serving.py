"""The server as a process: its limits, and its end."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from contextlib import closing

import httpx2
import pytest

from tieline import Hub
from tieline.api import protocol
from tieline.api.serving import served
from tieline.errors import Misconfigured
from tieline.settings import load_settings

from .stage import free_port, fresh

pytestmark = pytest.mark.anyio

_PROGRAM = """
import asyncio, sys
from starlette.responses import PlainTextResponse
from tieline import Hub
from tieline.api.serving import new_event_loop, serve
from tieline.settings import load_settings

async def slow(scope, receive, send):
    print("asked", flush=True)
    await asyncio.sleep(1)
    await PlainTextResponse("done")(scope, receive, send)

async def main():
    async with Hub.open(settings=load_settings({}, data=sys.argv[1], port=sys.argv[2])) as hub:
        await serve(hub, slow, ready=lambda url: print("ready", flush=True))
    print("closed", flush=True)

with asyncio.Runner(loop_factory=new_event_loop) as runner:
    runner.run(main())
"""


@pytest.fixture
async def hub(tmp_path, migrated_file):
    folder = fresh(migrated_file, tmp_path / "data")
    async with Hub.open(settings=load_settings({}, data=str(folder), port=str(free_port()))) as hub:
        yield hub


async def test_a_signal_to_stop_lets_what_is_under_way_end_and_closes_the_hub(tmp_path, migrated_file):
    port = free_port()
    folder = fresh(migrated_file, tmp_path / "data")
    command = [sys.executable, "-c", _PROGRAM, str(folder), str(port)]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert await process.stdout.readline() == b"ready\n"
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as http:
        asking = asyncio.create_task(http.get("/"))
        assert await process.stdout.readline() == b"asked\n"

        os.kill(process.pid, signal.SIGTERM)

        assert (await asking).text == "done"
        async with asyncio.timeout(10):
            assert await process.stdout.readline() == b"closed\n"
            assert await process.wait() == 0
        with pytest.raises(httpx2.ConnectError):
            await http.get("/")


async def test_answers_do_not_say_what_serves_them(hub):
    async with served(hub) as url, httpx2.AsyncClient(base_url=url) as http:
        response = await http.get("/healthz")

    assert response.status_code == 200
    assert "server" not in response.headers


async def test_a_port_that_is_taken_is_told_by_name(hub):
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", int(hub.settings.port)))
        taken.listen()

        with pytest.raises(Misconfigured, match=hub.settings.port):
            async with served(hub):
                pass


async def test_headers_that_come_too_slowly_or_without_end_close_the_connection(hub, monkeypatch):
    monkeypatch.setattr(protocol, "HEADERS_DEADLINE", 0.3)
    async with served(hub):
        port = int(hub.settings.port)
        for sent in (b"", b"GET /healthz HTTP/1.1\r\nHost: t\r\n", b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)

            async with asyncio.timeout(3):
                assert await _all(reader) == b""
            writer.close()


async def test_a_slow_answer_and_a_kept_connection_are_not_closed_by_the_deadline_of_headers(hub, monkeypatch):
    monkeypatch.setattr(protocol, "HEADERS_DEADLINE", 0.3)
    async with served(hub) as url, httpx2.AsyncClient(base_url=url) as http:
        for _ in range(2):
            assert (await http.get("/healthz")).status_code == 200
            await asyncio.sleep(0.5)


async def _all(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""
