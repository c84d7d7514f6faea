"""The other nouns: organizations, API keys, integrations, the audit."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tieline.organizations.keys import is_key

Shell = Any
Save = Callable[..., str]

ACME = {
    "id": "acme",
    "name": "Acme",
    "authType": "oauth2",
    "oauth2": {"authUrl": "https://acme.example/authorize", "tokenUrl": "https://acme.example/token"},
}


def test_a_customer_has_rows_of_its_own(here: Shell, save: Save) -> None:
    here.run("organizations", "put", "globex", "--name", "Globex")
    here.run("providers", "add", save(ACME), "-o", "globex")

    slugs = [item["slug"] for item in json.loads(here.run("organizations", "list", "--json").stdout)["items"]]
    assert slugs == ["default", "globex"]
    assert here.run("providers", "show", "acme", "-o", "globex").exit_code == 0
    assert here.run("providers", "show", "acme").exit_code == 3


def test_a_new_key_is_shown_once_and_may_be_revoked(here: Shell) -> None:
    made = json.loads(here.run("api-keys", "create", "ci", "--scope", "proxy", "--days", "7", "--json").stdout)

    listed = here.run("api-keys", "list")
    revoked = here.run("api-keys", "revoke", made["id"])

    assert is_key(made["key"])
    assert made["scopes"] == ["proxy"]
    assert made["key"] not in listed.stdout
    assert made["key"][-4:] in listed.stdout
    assert revoked.exit_code == 0
    assert "revoked" in here.run("api-keys", "list").stdout


def test_a_scope_that_does_not_exist_is_a_fault_with_the_ones_that_do(here: Shell) -> None:
    refused = here.run("api-keys", "create", "ci", "--scope", "everything")

    assert refused.exit_code == 2
    assert "  /scopes: 'everything' is no scope." in refused.stderr
    assert "connections:read" in refused.stderr


def test_a_client_secret_is_never_an_argument(here: Shell, save: Save, tmp_path: Path) -> None:
    here.run("providers", "add", save(ACME))
    (tmp_path / "secret").write_text("from a file\n")

    argued = here.run("integrations", "set", "acme", "--client-id", "me", "--client-secret", "s3cret")
    piped = here.run("integrations", "set", "acme", "--client-id", "me", "--client-secret-stdin", stdin="s3cret\n")
    filed = here.run("integrations", "set", "acme", "--client-secret-file", "secret", "--json")

    assert argued.exit_code == 2
    assert piped.exit_code == 0, piped.output
    assert json.loads(filed.stdout)["clientSecretSet"] is True
    assert "s3cret" not in piped.output + here.run("integrations", "show", "acme", "--json").output


def test_an_integration_is_listed_and_removed(here: Shell, save: Save) -> None:
    here.run("providers", "add", save(ACME))
    here.run("integrations", "set", "acme", "--client-id", "me", "--scope", "a", "--scope", "b", "--disable")

    (found,) = json.loads(here.run("integrations", "list", "--json").stdout)["items"]

    assert (found["clientId"], found["scopes"], found["enabled"]) == ("me", ["a", "b"], False)
    assert here.run("integrations", "delete", "acme").exit_code == 0
    assert json.loads(here.run("integrations", "list", "--json").stdout)["items"] == []


def test_the_audit_is_shown_verified_and_exported(here: Shell, save: Save, tmp_path: Path) -> None:
    here.run("providers", "add", save(ACME))

    shown = json.loads(here.run("audit", "show", "--action", "provider.registered", "--json").stdout)
    exported = here.run("audit", "export")
    (tmp_path / "audit.jsonl").write_text(exported.stdout)

    assert [event["target"] for event in shown["items"]] == ["acme"]
    assert here.run("audit", "verify").exit_code == 0
    assert json.loads(here.run("audit", "verify-export", "audit.jsonl", "--json").stdout)["ok"] is True


def test_an_export_that_was_changed_does_not_verify(here: Shell, save: Save, tmp_path: Path) -> None:
    here.run("providers", "add", save(ACME))
    exported = here.run("audit", "export").stdout.replace("provider.registered", "provider.published")
    (tmp_path / "audit.jsonl").write_text(exported)

    verified = here.run("audit", "verify-export", "audit.jsonl")

    assert verified.exit_code == 1
    assert "broken" in verified.stdout
