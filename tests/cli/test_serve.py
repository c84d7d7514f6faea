"""`tieline serve`: from an empty folder to an answer, and a plain word when it cannot start."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tieline.storage.keyring import KeyRing

Shell = Any
Server = subprocess.Popen[str]


@pytest.fixture
def served(shell: Shell) -> Iterator[tuple[Server, str, str]]:
    """A server on an empty folder, its address and its first key."""
    server = shell.start("serve", "--port", "0", "--data", "d")
    shown = ""
    for line in iter(server.stdout.readline, ""):
        shown += line
        if "tieline connect" in line:
            break
    address, key = re.search(r"http://\S+?:\d+", shown), re.search(r"tl_\w+", shown)
    if address is None or key is None:
        server.kill()
        raise AssertionError(shown + server.stderr.read())
    yield server, address[0], key[0]
    server.kill()
    server.communicate()


def refusal(shell: Shell, *arguments: str) -> str:
    """What a server that does not start says: one line."""
    server = shell.start("serve", *arguments)
    out, errors = server.communicate(timeout=60)
    assert server.returncode == 1, out + errors
    assert len(errors.splitlines()) == 1, errors
    return errors


def test_an_empty_folder_is_initialised_and_the_key_that_is_shown_works(served: tuple[Server, str, str]) -> None:
    _, url, key = served

    health = httpx2.get(f"{url}/healthz", trust_env=False)
    answered = httpx2.get(f"{url}/v1/providers", headers={"Authorization": f"Bearer {key}"}, trust_env=False)

    assert health.status_code == 200
    assert answered.status_code == 200
    assert set(answered.json()) >= {"items", "nextCursor"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_within_two_seconds(served: tuple[Server, str, str], number: signal.Signals) -> None:
    server, url, _ = served
    with httpx2.Client(trust_env=False) as kept_alive:
        kept_alive.get(f"{url}/healthz")
        started = time.perf_counter()

        server.send_signal(number)

        assert server.wait(30) == 0
        # Others may use this machine, too.
        crowd = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
        assert time.perf_counter() - started < 2 * crowd
    assert "Traceback" not in server.stderr.read()


def test_a_second_start_shows_no_key(here: Shell) -> None:
    server = here.start("serve", "--port", "0")
    first = server.stdout.readline()
    server.send_signal(signal.SIGTERM)
    rest, _ = server.communicate(timeout=60)

    assert first.startswith("Tieline is at http://127.0.0.1:")
    assert "tl_" not in first + rest


def test_commands_work_over_http_with_the_same_words(
    served: tuple[Server, str, str], shell: Shell, tmp_path: Path
) -> None:
    _, url, key = served
    shell.variables.update({"TIELINE_URL": url, "TIELINE_API_KEY": key})
    (tmp_path / "bad.yaml").write_text("name: Acme\nauthType: oauth2\n")
    (tmp_path / "acme.yaml").write_text("name: Acme\nauthType: api_key\napiKey: {testEndpoint: 'https://a.example/'}\n")

    refused = shell.run("providers", "add", "bad.yaml")
    added = shell.run("providers", "add", "acme.yaml", "--json")
    missing = shell.run("connections", "show", "ada/acme")
    customer = shell.run("providers", "list", "--custom", "-o", "globex", "--json")
    exported = shell.run("audit", "export")
    shell.variables["TIELINE_API_KEY"] = key[:-1] + "0"
    unknown = shell.run("providers", "list")

    assert (refused.exit_code, added.exit_code, missing.exit_code, unknown.exit_code) == (2, 0, 3, 4)
    assert "  /oauth2" in refused.stderr
    assert json.loads(added.stdout)["id"] == "acme"
    assert customer.exit_code == 0, customer.output
    first, *_, last = [json.loads(line)["type"] for line in exported.stdout.splitlines()]
    assert (first, last) == ("audit", "end")
    assert unknown.stderr.startswith("error: No valid API key: ")


def test_a_server_that_is_not_there_is_said_in_one_line(shell: Shell) -> None:
    shell.variables["TIELINE_API_KEY"] = "tl_x"

    refused = shell.run("providers", "list", "--url", "http://127.0.0.1:1")

    assert refused.exit_code == 1
    assert "http://127.0.0.1:1 cannot be reached" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_a_port_that_is_in_use_is_named_and_no_key_is_lost(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        assert f"127.0.0.1:{port}" in refusal(shell, "--port", port)

    assert json.loads(shell.run("init", "--json").stdout)["apiKey"] is not None


def test_a_wrong_key_file_is_no_start(here: Shell, tmp_path: Path) -> None:
    (tmp_path / "tieline-data" / "keys").write_text(KeyRing.generate().text.reveal())

    assert "is not the one that this database was sealed with" in refusal(here, "--port", "0")


def test_a_key_file_that_others_may_read_is_no_start(here: Shell, tmp_path: Path) -> None:
    (tmp_path / "tieline-data" / "keys").chmod(0o640)

    assert "chmod 600" in refusal(here, "--port", "0")


def test_a_database_that_another_program_holds_is_named(here: Shell, tmp_path: Path) -> None:
    file = tmp_path / "tieline-data" / "tieline.db"
    with sqlite3.connect(file, isolation_level=None) as holder:
        holder.execute("PRAGMA locking_mode=EXCLUSIVE")
        holder.execute("BEGIN EXCLUSIVE")

        said = refusal(here, "--port", "0")

    holder.close()
    assert "tieline.db" in said
    assert "another program" in said


def test_a_worker_runs_until_it_is_told_to_end(here: Shell) -> None:
    worker = here.start("worker")
    first = worker.stderr.readline()
    worker.send_signal(signal.SIGTERM)

    assert first.startswith("The worker runs")
    assert worker.wait(60) == 0
