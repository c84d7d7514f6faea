"""The command line explains itself, at once."""

import resource
import subprocess
import sys
from typing import Any

import pytest
from typer.main import get_command

from tieline.cli.program import app

Shell = Any
HEAVY = ("sqlalchemy", "pydantic", "fastapi", "aiohttp", "httpx2", "cryptography", "structlog", "yaml", "rich")


def commands(command: Any = None, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    command = command or get_command(app)
    below = getattr(command, "commands", {})
    return [path, *(found for name, inner in below.items() for found in commands(inner, (*path, name)))]


@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_every_command_has_help(shell: Shell, path: tuple[str, ...]) -> None:
    shown = shell.run(*path, "--help")

    assert shown.exit_code == 0
    assert shown.stdout.startswith("Usage: tieline")
    assert len(shown.stdout.splitlines()) > 4


def test_every_list_can_be_json() -> None:
    lists = [path for path in commands() if path and path[-1] in ("list", "show", "versions", "templates")]

    for path in lists:
        command = get_command(app)
        for name in path:
            command = command.commands[name]
        assert "--json" in {option for each in command.params for option in each.opts}, path


def test_asking_for_help_imports_nothing_heavy() -> None:
    program = "import sys; from tieline.cli.program import app; print(*sys.modules)"

    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()

    assert not set(HEAVY) & set(loaded)


def test_help_takes_less_than_a_third_of_a_second_of_work(shell: Shell) -> None:
    def worked() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert shell.start("--help").wait(30) == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    assert min(worked() for _ in range(4)) < 0.33


def test_a_command_that_does_not_exist_is_a_usage_error(shell: Shell) -> None:
    refused = shell.run("connection", "list")

    assert refused.exit_code == 2
    assert "connections" in refused.stderr
