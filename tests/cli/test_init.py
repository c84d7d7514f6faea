"""`tieline init`: what `serve` does by itself on an empty folder."""

import json
from pathlib import Path
from typing import Any

from tieline.organizations.keys import is_key

Shell = Any


def test_an_empty_folder_becomes_a_data_folder_and_its_key_is_shown_once(shell: Shell, tmp_path: Path) -> None:
    made = shell.run("init", "--data", "d", "--json")
    again = shell.run("init", "--data", "d", "--json")

    first, second = json.loads(made.stdout), json.loads(again.stdout)
    assert (made.exit_code, again.exit_code) == (0, 0)
    assert (first["data"], first["organization"]) == ("d", "default")
    assert is_key(first["apiKey"])
    assert second == {"data": "d", "organization": "default", "apiKey": None}
    assert "initialised already" in again.stderr
    assert first["apiKey"].encode() not in b"".join(file.read_bytes() for file in (tmp_path / "d").iterdir())


def test_only_its_owner_reads_what_is_in_the_data_folder(shell: Shell, tmp_path: Path) -> None:
    shell.run("init", "--data", "d")

    modes = {file.name: file.stat().st_mode & 0o077 for file in [tmp_path / "d", *(tmp_path / "d").iterdir()]}

    assert {"d", "keys", "tieline.db"} <= modes.keys()
    assert set(modes.values()) == {0}


def test_the_key_alone_stands_on_standard_output(shell: Shell) -> None:
    made = shell.run("init")

    assert is_key(made.stdout.strip())
    assert "not shown again" in made.stderr


def test_no_command_makes_data_by_being_asked(shell: Shell, tmp_path: Path) -> None:
    asked = shell.run("connections", "list")

    assert asked.exit_code == 1
    assert asked.stderr.startswith("error: ")
    assert "tieline init" in asked.stderr
    assert not (tmp_path / "tieline-data").exists()


def test_a_setting_that_nobody_knows_is_said_in_one_line(here: Shell, tmp_path: Path) -> None:
    (tmp_path / "tieline.toml").write_text("prot = 1\n")

    asked = here.run("connections", "list")

    assert asked.exit_code == 1
    assert asked.stderr == (
        "error: Tieline cannot start like this: tieline.toml has settings that Tieline does not know: prot.\n"
    )
