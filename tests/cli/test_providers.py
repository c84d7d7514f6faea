"""`tieline providers`: a document from file to version, and every fault of it at once."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

Shell = Any
Save = Callable[..., str]

ACME = {
    "name": "Acme",
    "authType": "api_key",
    "apiKey": {"keyName": "X-Key", "testEndpoint": "https://api.acme.example/me"},
}
FIVE_FAULTS = """
name: Acme
authType: oauth2
category: 12
oauth2:
  authUrl: ftp://acme.example/authorize
  tokenUrl: "https://acme.example/{{ nobody }}"
  scope: [a]
rateLimits: {requestsPerMinute: -1}
"""


@pytest.mark.parametrize("command", ["add", "validate"])
def test_every_fault_of_a_document_is_shown_at_once(here: Shell, tmp_path: Path, command: str) -> None:
    (tmp_path / "acme.yaml").write_text(FIVE_FAULTS)

    refused = here.run("providers", command, "acme.yaml")

    assert refused.exit_code == 2
    for path in ("/category", "/oauth2/authUrl", "/oauth2/tokenUrl", "/oauth2/scope", "/rateLimits/requestsPerMinute"):
        assert f"  {path}: " in refused.stderr
    assert "Traceback" not in refused.output


def test_faults_are_json_for_programs(here: Shell, tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text(FIVE_FAULTS)

    checked = here.run("providers", "validate", "acme.yaml", "--json")

    found = json.loads(checked.stdout)
    assert checked.exit_code == 2
    assert found["valid"] is False
    assert len(found["errors"]) >= 5
    assert all(set(fault) == {"path", "code", "message", "hint", "severity"} for fault in found["errors"])


def test_a_document_goes_in_and_comes_out(here: Shell, save: Save) -> None:
    added = here.run("providers", "add", save(ACME), "--json")
    exported = here.run("providers", "export", "acme")
    shown = here.run("providers", "show", "acme")

    assert json.loads(added.stdout)["id"] == "acme"
    assert yaml.safe_load(exported.stdout)["apiKey"] == ACME["apiKey"]
    assert "Acme" in shown.stdout


def test_a_document_may_come_from_standard_input(here: Shell) -> None:
    added = here.run("providers", "add", "-", stdin=yaml.safe_dump(ACME))

    assert added.exit_code == 0, added.output
    assert "acme is registered" in added.stderr


def test_versions_are_counted_by_what_changed(here: Shell, save: Save) -> None:
    here.run("providers", "add", save(ACME))
    other_host = {**ACME, "apiKey": {**ACME["apiKey"], "testEndpoint": "https://other.acme.example/me"}}

    published = here.run("providers", "publish", "acme", save(other_host))
    looks = here.run("providers", "edit", "acme", save({"description": "Makes everything."}))
    listed = here.run("providers", "versions", "acme", "--json")

    assert (published.exit_code, looks.exit_code) == (0, 0), looks.output
    assert [each["version"] for each in json.loads(listed.stdout)["items"]] == ["2.0.1", "2.0.0", "1.0.0"]


def test_an_id_that_is_taken_is_a_conflict_and_an_unknown_one_not_found(here: Shell, save: Save) -> None:
    file = save({**ACME, "id": "acme"})
    here.run("providers", "add", file)

    assert here.run("providers", "add", file).exit_code == 5
    assert here.run("providers", "show", "nobody").exit_code == 3
    assert here.run("providers", "retire", "acme").exit_code == 0
    assert here.run("providers", "show", "acme").exit_code == 3


def test_lists_are_json_with_as_many_items_as_were_asked_for(here: Shell, save: Save) -> None:
    for number in range(3):
        here.run("providers", "add", save({**ACME, "name": f"Acme {number}"}))

    two = json.loads(here.run("providers", "list", "--custom", "--limit", "2", "--json").stdout)
    rest = json.loads(here.run("providers", "list", "--custom", "--cursor", two["nextCursor"], "--json").stdout)

    assert [item["name"] for item in two["items"]] == ["Acme 0", "Acme 1"]
    assert [item["name"] for item in rest["items"]] == ["Acme 2"]
    assert rest["nextCursor"] is None


def test_what_others_named_cannot_steer_the_terminal(here: Shell, save: Save) -> None:
    here.run("providers", "add", save({**ACME, "id": "acme", "name": "Ac\x1b[2Jme\x9b31m\u202e"}))

    for command in (("list",), ("show", "acme"), ("list", "--json")):
        shown = here.run("providers", *command).stdout

        assert "Ac" in shown
        assert not {"\x1b", "\x9b"} & set(shown)


def test_a_file_that_is_not_there_is_said_in_one_line(here: Shell) -> None:
    refused = here.run("providers", "add", "nowhere.yaml")

    assert refused.exit_code == 2
    assert refused.stderr == "error: nowhere.yaml: No such file or directory\n"
