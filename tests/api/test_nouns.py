"""Each management route once on its way, and once where it refuses."""

import json

import pytest
import yaml
from tests.canary.mark import KEY

from tieline.audit import verify_export
from tieline.testing import practice_document

from .stage import DOCUMENT, problem, query_of

pytestmark = pytest.mark.anyio


async def test_a_provider_is_registered_from_json_and_is_there_at_once(stage):
    response = await stage.http.post("/v1/providers", json=DOCUMENT)

    assert response.status_code == 201
    made = response.json()
    assert (made["id"], made["providerId"], made["version"], made["status"]) == (
        "my-custom-api",
        "my-custom-api",
        "1.0.0",
        "stable",
    )
    assert (made["isCustom"], made["isPublic"], made["document"]["name"]) == (True, False, "My Custom API")
    found = await stage.ask("GET", "/v1/providers?search=my%20custom&custom=true&authType=api_key")
    assert [each["id"] for each in found["items"]] == ["my-custom-api"]
    assert found["categories"] == {"custom": 1}
    assert (await stage.ask("GET", "/v1/providers/my-custom-api"))["document"] == made["document"]


@pytest.mark.parametrize("media", ["application/yaml", "text/yaml", "application/x-yaml; charset=utf-8"])
async def test_a_provider_is_registered_from_yaml(stage, media):
    response = await stage.http.post("/v1/providers", content=yaml.safe_dump(DOCUMENT), headers={"Content-Type": media})

    assert response.status_code == 201
    assert response.json()["document"]["apiKey"] == DOCUMENT["apiKey"]


async def test_every_fault_of_a_document_is_told_at_once(stage):
    document = {"name": "X", "authType": "oauth2", "oauth2": {"authUrl": "nope", "tokn": 1}, "zzz": 1}

    refused = await stage.http.post("/v1/providers", json=document)
    validated = await stage.ask("POST", "/v1/providers/validate", json=document)

    assert problem(refused) == (422, "invalid-provider")
    paths = {fault["path"] for fault in refused.json()["errors"]}
    assert len(paths) >= 3
    assert all(set(fault) == {"path", "code", "message", "hint", "severity"} for fault in refused.json()["errors"])
    assert validated["valid"] is False
    assert {fault["path"] for fault in validated["errors"]} == paths


async def test_validation_stores_nothing_and_reads_what_cannot_be_parsed(stage):
    good = await stage.ask("POST", "/v1/providers/validate", json=DOCUMENT)
    headers = {"Content-Type": "application/yaml"}
    broken = await stage.ask("POST", "/v1/providers/validate", content="a: [", headers=headers)

    assert good["valid"] is True
    assert broken["valid"] is False
    assert broken["errors"][0]["code"] == "unreadable"
    assert problem(await stage.http.get("/v1/providers/my-custom-api")) == (404, "not-found")


@pytest.mark.parametrize("text", ['{"name": "a", "name": "b"}', '{"name": NaN}', "[]", '"x"', ""])
async def test_a_document_that_cannot_be_read_is_an_invalid_provider(stage, text):
    response = await stage.http.post("/v1/providers", content=text, headers={"Content-Type": "application/json"})

    assert problem(response) == (422, "invalid-provider")


async def test_a_document_of_another_media_type_is_refused(stage):
    response = await stage.http.post("/v1/providers", content="x", headers={"Content-Type": "text/html"})

    assert problem(response) == (422, "invalid-request")
    assert "application/yaml" in response.json()["errors"][0]["hint"]


async def test_a_provider_is_published_edited_listed_and_retired(stage):
    await stage.ask("POST", "/v1/providers", json=DOCUMENT)

    security = await stage.ask(
        "PUT", "/v1/providers/my-custom-api", json={**DOCUMENT, "api": {"baseUrl": "https://a.example"}}
    )
    cosmetic = await stage.ask("PATCH", "/v1/providers/my-custom-api", json={"description": "Ours"})
    more = await stage.http.patch("/v1/providers/my-custom-api", json={"api": {"baseUrl": "https://b.example"}})
    versions = (await stage.ask("GET", "/v1/providers/my-custom-api/versions"))["items"]
    first = await stage.ask("GET", "/v1/providers/my-custom-api?version=1.0.0")

    assert security["version"] == "2.0.0"
    assert (cosmetic["version"], cosmetic["description"]) == ("2.0.1", "Ours")
    assert problem(more) == (422, "invalid-request")
    assert more.json()["change"] == "security"
    assert [(each["version"], each["change"]) for each in versions] == [
        ("2.0.1", "cosmetic"),
        ("2.0.0", "security"),
        ("1.0.0", "none"),
    ]
    assert "api" not in first["document"]
    assert await stage.ask("DELETE", "/v1/providers/my-custom-api", status=204) is None
    assert problem(await stage.http.get("/v1/providers/my-custom-api")) == (404, "not-found")


async def test_a_provider_in_use_is_retired_by_force_only(stage):
    connection = await stage.practiced()

    response = await stage.http.delete("/v1/providers/practice-key")
    await stage.ask("DELETE", "/v1/providers/practice-key?force=true")

    assert problem(response) == (409, "conflict")
    assert response.json()["connections"] == 1
    assert (await stage.http.get(f"/v1/connections/{connection}/proxy/me")).status_code == 200


async def test_a_taken_id_is_a_conflict(stage):
    assert problem(await stage.http.post("/v1/providers", json={**DOCUMENT, "id": "discord"})) == (409, "conflict")


async def test_a_document_is_exported_as_it_was_written(stage):
    made = await stage.ask("POST", "/v1/providers", json=DOCUMENT)

    as_json = await stage.http.get("/v1/providers/my-custom-api/export")
    as_yaml = await stage.http.get("/v1/providers/my-custom-api/export", headers={"Accept": "application/yaml"})

    assert as_json.json() == yaml.safe_load(as_yaml.text) == made["document"]
    assert as_yaml.headers["content-type"].startswith("application/yaml")


async def test_a_provider_is_made_from_a_template(stage):
    templates = (await stage.ask("GET", "/v1/templates"))["items"]
    name = "rest-api-bearer"
    assert name in {each["id"] for each in templates}
    assert all(each["isTemplate"] for each in templates)

    body = {"name": "Ours", "params": {"baseUrl": "https://ours.example"}}
    made = await stage.ask("POST", f"/v1/templates/{name}/instantiate", json=body)

    assert (made["id"], made["isTemplate"]) == ("ours", False)
    missing = await stage.http.post("/v1/templates/none/instantiate", json={})
    assert problem(missing) == (404, "not-found")


async def test_an_integration_is_there_before_it_is_set_and_hides_its_secret(stage):
    await stage.ask("POST", "/v1/providers", json=practice_document(stage.practice_url))
    path = "/v1/integrations/practice"

    before = await stage.ask("GET", path)
    after = await stage.ask("PUT", path, json={"clientId": "id-1", "clientSecret": "canary-1", "scopes": ["profile"]})
    kept = await stage.ask("PUT", path, json={"enabled": False})
    listed = await stage.http.get("/v1/integrations")

    assert (before["configured"], before["source"], before["clientSecretSet"]) == (False, "none", False)
    assert before["redirectUri"] == after["redirectUri"]
    assert (after["configured"], after["clientId"], after["clientSecretSet"]) == (True, "id-1", True)
    assert (kept["enabled"], kept["clientId"], kept["scopes"]) == (False, "id-1", ["profile"])
    assert [each["provider"] for each in listed.json()["items"]] == ["practice"]
    assert "canary-1" not in listed.text
    await stage.ask("DELETE", path, status=204)
    assert problem(await stage.http.delete(path)) == (404, "not-found")


async def test_an_integration_takes_several_clients(stage):
    await stage.ask("POST", "/v1/providers", json=practice_document(stage.practice_url))

    clients = {"default": {"clientId": "c", "clientSecret": "s"}}
    integration = await stage.ask("PUT", "/v1/integrations/practice", json={"clients": clients})

    assert integration["clientSecretSet"] is True
    refused = await stage.http.put("/v1/integrations/practice", json={"clients": {"nope": {"clientId": "c"}}})
    assert problem(refused) == (422, "invalid-request")


async def test_a_connection_is_imported_and_renewed(stage):
    await stage.provider()
    body = {
        "provider": "practice-key",
        "endUser": {"id": "ada", "name": "Ada L."},
        "inputs": {"apiKey": KEY},
    }

    first = await stage.http.post("/v1/connections", json=body)
    again = await stage.http.post("/v1/connections", json={**body, "endUser": "ada"})

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert first.json()["status"] == "active"


async def test_an_import_that_the_provider_refuses_says_so(stage):
    await stage.provider()
    body = {"provider": "practice-key", "endUser": "ada", "inputs": {"apiKey": "wrong"}}

    assert problem(await stage.http.post("/v1/connections", json=body)) == (422, "check-failed")
    body["inputs"] = {}
    refused = await stage.http.post("/v1/connections", json=body)
    assert problem(refused) == (422, "invalid-inputs")
    assert refused.json()["errors"][0]["path"] == "/inputs/apiKey"
    assert (await stage.ask("GET", "/v1/connections"))["items"] == []


@pytest.mark.parametrize("by_owner", [False, True])
async def test_a_connections_life(stage, by_owner):
    connection = await stage.practiced()
    path = "/v1/end-users/ada/connections/practice-key" if by_owner else f"/v1/connections/{connection}"

    assert (await stage.ask("GET", path))["id"] == connection
    changed = await stage.ask("PATCH", path, json={"label": "Work", "metadata": {"a": 1, "b": 2}})
    assert (changed["label"], changed["metadata"]) == ("Work", {"a": 1, "b": 2})
    changed = await stage.ask("PATCH", path, json={"metadata": {"a": None}})
    assert (changed["label"], changed["metadata"]) == ("Work", {"b": 2})
    assert (await stage.ask("POST", f"{path}/check"))["ok"] is True
    assert (await stage.ask("POST", f"{path}/refresh"))["status"] == "active"
    assert (await stage.ask("GET", f"{path}/explain"))["usable"] is True
    assert (await stage.ask("POST", f"{path}/suspend"))["status"] == "suspended"
    assert problem(await stage.http.get(f"{path}/proxy/me")) == (409, "suspended")
    assert problem(await stage.http.get(f"{path}/credentials")) == (409, "suspended")
    assert (await stage.ask("POST", f"{path}/resume"))["status"] == "active"
    assert await stage.ask("DELETE", path, status=204) is None
    assert (await stage.http.get(path)).status_code == 404
    assert (await stage.ask("GET", "/v1/connections"))["items"] == []


async def test_connections_are_listed_by_filter_and_page_by_page(stage):
    await stage.provider()
    for user in ("ada", "grace", "edsger"):
        await stage.connected(user)

    mine = await stage.ask("GET", "/v1/connections?endUser=grace&provider=practice-key&status=active")
    first = await stage.ask("GET", "/v1/connections?limit=2")
    rest = await stage.ask("GET", "/v1/connections", params={"limit": 2, "cursor": first["nextCursor"]})

    assert [each["endUser"] for each in mine["items"]] == ["grace"]
    assert [each["endUser"] for each in first["items"] + rest["items"]] == ["ada", "grace", "edsger"]
    assert rest["nextCursor"] is None
    assert problem(await stage.http.get("/v1/connections?status=happy")) == (422, "invalid-request")


async def test_a_customer_is_made_and_acted_for_and_sees_its_own_only(stage):
    connection = await stage.practiced()
    made = await stage.ask("PUT", "/v1/organizations/acme", json={"name": "Acme", "returnUrls": ["https://a.example/"]})
    acting = {"Tieline-Organization": "acme"}

    theirs = await stage.ask("GET", "/v1/connections", headers=acting)
    foreign = await stage.http.get(f"/v1/connections/{connection}", headers=acting)
    proxied = await stage.http.get(f"/v1/connections/{connection}/proxy/me", headers=acting)

    assert (made["slug"], made["name"], made["parent"]) == ("acme", "Acme", "default")
    assert made == await stage.ask("PUT", "/v1/organizations/acme", json={})
    assert made == await stage.ask("GET", "/v1/organizations/acme")
    assert [each["slug"] for each in (await stage.ask("GET", "/v1/organizations"))["items"]] == ["default", "acme"]
    assert theirs["items"] == []
    assert problem(foreign) == problem(proxied) == (404, "not-found")
    unknown = await stage.http.get("/v1/connections", headers={"Tieline-Organization": "nobody"})
    assert problem(unknown) == (403, "forbidden")
    refused = await stage.http.put("/v1/organizations/UPPER", json={"returnUrls": ["http://a.example"]})
    assert problem(refused) == (422, "invalid-request")
    assert {fault["path"] for fault in refused.json()["errors"]} == {"/slug", "/returnUrls/0"}


async def test_a_key_is_shown_once_and_can_do_no_more_than_its_maker(stage):
    made = await stage.ask("POST", "/v1/api-keys", json={"name": "backend", "scopes": ["proxy", "api-keys:write"]})
    headers = {"Authorization": f"Bearer {made['key']}"}

    listed = await stage.http.get("/v1/api-keys")
    more = await stage.http.post("/v1/api-keys", json={"name": "x", "scopes": ["credentials:read"]}, headers=headers)
    unknown = await stage.http.post("/v1/api-keys", json={"name": "x", "scopes": ["everything"]})

    assert made["key"].endswith(made["hint"])
    assert made["key"] not in listed.text
    assert problem(more) == (403, "forbidden")
    assert problem(unknown) == (422, "invalid-request")
    assert (await stage.ask("DELETE", f"/v1/api-keys/{made['id']}"))["revokedAt"]
    assert problem(await stage.http.delete("/v1/api-keys/key_none")) == (404, "not-found")


async def test_the_audit_is_listed_verified_and_exported(stage):
    connection = await stage.practiced()
    await stage.http.get(f"/v1/connections/{connection}/proxy/me")
    await stage.hub.audit.seal()

    called = await stage.ask("GET", "/v1/audit", params={"target": connection, "action": "connection.called"})
    since = await stage.ask("GET", "/v1/audit", params={"since": "2999-01-01T00:00:00Z"})
    verified = await stage.ask("GET", "/v1/audit/verify")
    exported = await stage.http.get("/v1/audit/export")

    (event,) = called["items"]
    assert (event["facts"]["method"], event["facts"]["path"]) == ("GET", "/v1/me")
    assert since["items"] == []
    assert verified["ok"] is True
    lines = exported.text.splitlines()
    assert json.loads(lines[-1])["type"] == "end"
    assert verify_export(lines).ok
    assert exported.headers["content-type"].startswith("application/jsonl")


async def test_a_connect_session_goes_its_way_over_http(stage, browser):
    provider = await stage.oauth()
    body = {"endUser": "ada", "provider": provider, "returnTo": "http://127.0.0.1:1/done?x=1", "context": {"order": 7}}
    session = await stage.ask("POST", "/v1/connect/sessions", json=body)
    assert session["token"].startswith("tlc_")
    assert session["url"] == f"{stage.url}/connect/{session['token']}"
    assert (await stage.ask("GET", f"/v1/connect/sessions/{session['id']}"))["status"] == "open"

    page = await browser.open(session["url"])
    back = await browser.submit_until(page.form("connect"), "http://127.0.0.1:1/done")
    nonce = query_of(back)["tieline_nonce"]
    done = await stage.ask("POST", "/v1/connect/complete", json={"nonce": nonce, "endUser": "ada"})
    again = await stage.ask("POST", "/v1/connect/complete", json={"nonce": nonce, "endUser": "ada"})

    assert (done["result"], done["context"], done["connection"]["endUser"]) == ("connected", {"order": 7}, "ada")
    assert again["connection"]["id"] == done["connection"]["id"]
    ended = await stage.ask("GET", f"/v1/connect/sessions/{session['id']}?wait=30")
    assert (ended["status"], ended["connection"]["id"]) == ("completed", done["connection"]["id"])


async def test_another_user_burns_the_session(stage, browser):
    provider = await stage.oauth()
    body = {"endUser": "ada", "provider": provider, "returnTo": "http://127.0.0.1:1/done"}
    session = await stage.ask("POST", "/v1/connect/sessions", json=body)
    page = await browser.open(session["url"])
    back = await browser.submit_until(page.form("connect"), "http://127.0.0.1:1/done")
    nonce = query_of(back)["tieline_nonce"]

    wrong = await stage.http.post("/v1/connect/complete", json={"nonce": nonce, "endUser": "mallory"})
    late = await stage.http.post("/v1/connect/complete", json={"nonce": nonce, "endUser": "ada"})

    assert problem(wrong) == (403, "end-user-mismatch")
    assert problem(late) == (410, "session-ended")
    assert (await stage.ask("GET", "/v1/connections"))["items"] == []


async def test_a_session_is_cancelled(stage):
    provider = await stage.oauth()
    session = await stage.ask("POST", "/v1/connect/sessions", json={"endUser": "ada", "provider": provider})
    path = f"/v1/connect/sessions/{session['id']}"

    await stage.ask("DELETE", path, status=204)

    seen = await stage.ask("GET", path)
    assert (seen["status"], seen["reason"]) == ("failed", "cancelled")
    assert problem(await stage.http.get("/v1/connect/sessions/ses_none")) == (404, "not-found")


async def test_a_session_without_a_client_says_what_is_missing(stage):
    await stage.ask("POST", "/v1/providers", json=practice_document(stage.practice_url))

    response = await stage.http.post("/v1/connect/sessions", json={"endUser": "ada", "provider": "practice"})

    assert problem(response) == (409, "not-configured")
