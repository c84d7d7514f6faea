"""`tieline doctor`: what is wrong, and how to mend it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tieline.storage.keyring import KeyRing

Shell = Any


def statuses(shell: Shell) -> dict[str, str]:
    return {check["name"]: check["status"] for check in json.loads(shell.run("doctor", "--json").stdout)["checks"]}


def test_a_fresh_installation_is_in_order(here: Shell) -> None:
    looked = here.run("doctor")

    assert looked.exit_code == 0, looked.output
    assert set(statuses(here).values()) == {"ok"}


def test_looking_at_an_empty_folder_makes_nothing(shell: Shell, tmp_path: Path) -> None:
    looked = shell.run("doctor")

    assert looked.exit_code == 0
    assert "tieline init" in looked.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_key_file_that_others_may_read_fails_with_what_to_do(here: Shell, tmp_path: Path) -> None:
    (tmp_path / "tieline-data" / "keys").chmod(0o644)

    looked = here.run("doctor")

    assert looked.exit_code == 1
    assert "chmod 600" in looked.stdout


def test_a_key_that_is_not_the_databases_fails(here: Shell, tmp_path: Path) -> None:
    (tmp_path / "tieline-data" / "keys").write_text(KeyRing.generate().text.reveal())

    assert statuses(here)["keys match"] == "fail"


def test_a_missing_key_file_fails(here: Shell, tmp_path: Path) -> None:
    (tmp_path / "tieline-data" / "keys").unlink()

    assert statuses(here)["key ring"] == "fail"
    assert not (tmp_path / "tieline-data" / "keys").exists()


@pytest.mark.parametrize(
    ("variable", "value", "name", "status"),
    [
        ("TIELINE_PUBLIC_URL", "http://connect.example.com", "public URL", "fail"),
        ("TIELINE_PUBLIC_URL", "https://connect.example.com", "public URL", "ok"),
        ("TIELINE_PUBLIC_URL", "connect.example.com", "public URL", "fail"),
        ("TIELINE_HOST", "0.0.0.0", "public URL", "fail"),
        ("TIELINE_EGRESS_ALLOW", "0.0.0.0/0", "egress", "warn"),
        ("TIELINE_EGRESS_ALLOW", "169.254.169.254", "egress", "warn"),
        ("TIELINE_DATABASE_URL", "postgresql://127.0.0.1:1/nowhere", "database", "fail"),
        ("TIELINE_DATABASE_URL", "mysql://somewhere/x", "database", "fail"),
    ],
)
def test_settings_that_will_not_do_are_told(here: Shell, variable: str, value: str, name: str, status: str) -> None:
    here.variables.update({variable: value, "TIELINE_KEYS": KeyRing.generate().text.reveal()})

    assert statuses(here)[name] == status


def test_migrating_says_from_what_to_what(here: Shell) -> None:
    migrated = json.loads(here.run("migrate", "--json").stdout)

    assert migrated["from"] == migrated["to"]
