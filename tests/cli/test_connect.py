"""`tieline connect` with OAuth: the command line is its own backend, and a browser does the rest."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

import anyio.to_thread
import pytest

from tieline.testing import Browser, practice_document

pytestmark = pytest.mark.anyio
Shell = Any
Practice = Any
Save = Callable[..., str]


@pytest.fixture
async def ready(here: Shell, practice: Practice, save: Save) -> Shell:
    """The practice provider is registered, with a client."""
    added = await here.run_beside("providers", "add", save(practice_document(practice.url)))
    client = ["--client-id", practice.provider.client_id, "--client-secret-stdin"]
    filled = await here.run_beside("integrations", "set", "practice", *client, stdin=practice.provider.client_secret)
    assert (added.exit_code, filled.exit_code) == (0, 0), added.output + filled.output
    here.variables["TIELINE_PORT"] = str(free_port())
    return here


def free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


async def address(command: "subprocess.Popen[str]") -> str:
    """The one to open."""

    def read() -> str:
        for line in iter(command.stderr.readline, ""):
            if line.startswith("http"):
                return line.strip()
        return ""

    found = await anyio.to_thread.run_sync(read)
    assert found, command.communicate()
    return found


async def ended(command: "subprocess.Popen[str]") -> tuple[str, str]:
    return await anyio.to_thread.run_sync(lambda: command.communicate(timeout=60))


async def test_the_browser_comes_back_and_the_connection_is_shown(ready: Shell) -> None:
    command = ready.start("connect", "practice", "--user", "ada", "--json")

    async with Browser() as browser:
        page = await browser.open(await address(command))
        last = await browser.submit(page.form())

    out, errors = await ended(command)
    assert command.returncode == 0, errors
    assert "You can close this window" in last.text
    made = json.loads(out)
    assert (made["endUser"], made["status"], made["binding"]) == ("ada", "active", "app")
    assert made["account"]["label"] == "Ada Brightwater"
    called = await ready.run_beside("request", "ada/practice", "GET", "/me")
    assert json.loads(called.stdout)["name"] == "Ada Brightwater"


async def test_somebody_who_says_no_is_told_and_nothing_is_connected(ready: Shell, practice: Practice) -> None:
    practice.provider.switches.consent = "page"
    command = ready.start("connect", "practice", "--user", "ada")

    async with Browser() as browser:
        page = await browser.open(await address(command))
        page = await browser.submit(page.form())
        await browser.submit(page.form(having="decision"), decision="deny")

    _, errors = await ended(command)
    assert command.returncode in (1, 6)
    assert "error: " in errors
    assert "Traceback" not in errors
    assert json.loads((await ready.run_beside("connections", "list", "--json")).stdout)["items"] == []


async def test_with_a_browser_elsewhere_the_user_confirms_there(ready: Shell) -> None:
    command = ready.start("connect", "practice", "--user", "ada", "--elsewhere", "--json")

    async with Browser() as browser:
        page = await browser.open(await address(command))
        page = await browser.submit(page.form())
        await browser.submit(page.form())

    out, errors = await ended(command)
    assert command.returncode == 0, errors
    assert json.loads(out)["binding"] == "confirmedByUser"


async def test_a_service_that_runs_already_shows_the_pages(ready: Shell) -> None:
    service = ready.start("serve")
    assert await anyio.to_thread.run_sync(service.stdout.readline)
    command = ready.start("connect", "practice", "--user", "ada", "--json")

    async with Browser() as browser:
        page = await browser.open(await address(command))
        await browser.submit(page.form())

    out, errors = await ended(command)
    assert command.returncode == 0, errors
    assert json.loads(out)["status"] == "active"
    service.terminate()
    await ended(service)


async def test_without_a_client_it_says_so_at_once(here: Shell, practice: Practice, save: Save) -> None:
    here.variables["TIELINE_PORT"] = str(free_port())
    await here.run_beside("providers", "add", save(practice_document(practice.url)))

    command = here.start("connect", "practice", "--user", "ada")
    _, errors = await ended(command)

    assert command.returncode == 5
    assert errors.splitlines()[-1].startswith("error: This integration has no client yet: ")
