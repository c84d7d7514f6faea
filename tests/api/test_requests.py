"""What every route does with what it is sent: who asks, what is wrong with it, and how that is said."""

import json

import httpx2
import pytest

from tieline import Hub
from tieline.api import app
from tieline.settings import load_settings
from tieline.storage import Database
from tieline.storage.keyring import KeyRing
from tieline.storage.vault import Vault
from tieline.testing import serve

from .stage import problem

pytestmark = pytest.mark.anyio


async def test_a_request_without_a_key_is_told_how_to_send_one(stage):
    async with httpx2.AsyncClient(base_url=stage.url) as nobody:
        response = await nobody.get("/v1/providers")

    assert problem(response) == (401, "unauthorized")
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert "Authorization: Bearer" in response.json()["detail"]


@pytest.mark.parametrize("key", ["tl_nonsense", "tl_" + "a" * 49, "tlc_session"])
async def test_what_is_no_key_is_refused_on_every_kind_of_route(stage, key):
    for path in ("/v1/providers", "/v1/connections/conn_x/proxy/me", "/v1/connections/conn_x/credentials", "/proxy/me"):
        response = await stage.http.get(path, headers={"Authorization": f"Bearer {key}"})

        assert problem(response) == (401, "unauthorized")


async def test_a_revoked_key_is_refused_at_once(stage):
    made = await stage.ask("POST", "/v1/api-keys", json={"name": "short"})
    headers = {"Authorization": f"Bearer {made['key']}"}
    await stage.ask("GET", "/v1/providers", headers=headers)

    await stage.ask("DELETE", f"/v1/api-keys/{made['id']}")

    assert problem(await stage.http.get("/v1/providers", headers=headers)) == (401, "unauthorized")


async def test_a_missing_scope_is_named(stage):
    key = await stage.key_for("proxy")

    response = await stage.http.get("/v1/connections", headers={"Authorization": f"Bearer {key}"})

    assert problem(response) == (403, "forbidden")
    assert response.json()["scope"] == "connections:read"


async def test_five_faults_are_named_at_once(stage):
    wrong = {"provider": 7, "endUser": {"name": "Ada"}, "scopes": "profile", "returnTo": [], "contxt": {}}

    response = await stage.http.post("/v1/connect/sessions", json=wrong)

    assert problem(response) == (422, "invalid-request")
    faults = {fault["path"]: fault for fault in response.json()["errors"]}
    assert set(faults) == {"/provider", "/endUser/id", "/scopes", "/returnTo", "/contxt"}
    assert all(fault["message"] and fault["hint"] for fault in faults.values())
    assert faults["/contxt"]["hint"] == "Did you mean context?"
    assert "5 faults" in response.json()["detail"]


@pytest.mark.parametrize(
    ("path", "body", "where", "hint"),
    [
        ("/v1/connections", {"provider": "x", "end_user": "ada"}, "/end_user", "Did you mean endUser?"),
        (
            "/v1/connections",
            {"provider": "x", "endUser": {"id": "a", "mail": "b"}},
            "/endUser/mail",
            "Did you mean email?",
        ),
        ("/v1/api-keys", {"name": "x", "restrictions": {"conection": "c"}}, "/restrictions/conection", "connection"),
        ("/v1/connect/complete", {"nonce": "x", "zzzz": 1}, "/zzzz", "Known: endUser, nonce."),
    ],
)
async def test_an_unknown_member_is_refused_with_the_closest_known_one(stage, path, body, where, hint):
    response = await stage.http.post(path, json=body)

    assert problem(response) == (422, "invalid-request")
    (fault,) = response.json()["errors"]
    assert (fault["path"], fault["code"]) == (where, "unknown_key")
    assert hint in fault["hint"]


async def test_an_unknown_member_deep_in_a_mapping_is_found(stage):
    body = {"clients": {"default/eu": {"clientID": "x"}}}

    response = await stage.http.put("/v1/integrations/discord", json=body)

    (fault,) = response.json()["errors"]
    assert fault["path"] == "/clients/default~1eu/clientID"
    assert fault["hint"] == "Did you mean clientId?"


async def test_a_misspelt_filter_does_not_list_everything(stage):
    response = await stage.http.get("/v1/connections?enduser=ada")

    assert problem(response) == (422, "invalid-request")
    assert response.json()["errors"][0]["hint"] == "Did you mean endUser?"


@pytest.mark.parametrize("limit", ["0", "201", "many"])
async def test_a_limit_out_of_range_is_refused(stage, limit):
    for path in ("/v1/providers", "/v1/connections", "/v1/api-keys", "/v1/audit", "/v1/organizations"):
        response = await stage.http.get(path, params={"limit": limit})

        assert problem(response) == (422, "invalid-request")
        assert response.json()["errors"][0]["path"] == "limit"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"provider": "a", "provider": "b"}', "duplicate_key"),
        ('{"provider": "a", "metadata": {"x": 1, "x": 2}}', "duplicate_key"),
        ('{"provider": NaN}', "unreadable"),
        ('{"provider": Infinity}', "unreadable"),
        ('{"provider": 1' + "0" * 400 + "}", "unreadable"),
        ('{"provider": "a"', "unreadable"),
        ("[" * 100 + "]" * 100, "unreadable"),
        ("[" * 200_000, "unreadable"),
        (b'{"provider": "\xff"}', "unreadable"),
        (r'{"provider": "a", "metadata": {"x": ["\ud800"]}}', "unreadable"),
        (r'{"provider": "a", "metadata": {"\udfff": 1}}', "unreadable"),
        (r'{"provider": "a", "endUser": "\u0000"}', "unreadable"),
    ],
)
async def test_json_that_means_two_things_or_none_is_refused(stage, text, code):
    response = await stage.http.post("/v1/connections", content=text, headers={"Content-Type": "application/json"})

    assert problem(response) == (422, "invalid-request")
    assert response.json()["errors"][0]["code"] == code


async def test_another_media_type_is_told_which_one_to_send(stage):
    response = await stage.http.post("/v1/connections", data={"provider": "a"})

    assert problem(response) == (422, "invalid-request")
    assert response.json()["errors"][0]["hint"] == "Set Content-Type: application/json."


async def test_a_missing_body_is_asked_for(stage):
    response = await stage.http.post("/v1/connections")

    assert problem(response) == (422, "invalid-request")


async def test_a_time_without_a_zone_is_refused(stage):
    response = await stage.http.post("/v1/api-keys", json={"name": "x", "expiresAt": "2030-01-01T00:00:00"})

    assert response.json()["errors"][0]["path"] == "/expiresAt"
    assert "RFC 3339" in response.json()["errors"][0]["hint"]


@pytest.mark.parametrize("path", ["/v1", "/v1/providers/", "/v1/nothing", "/healthz/", "//v1/providers", "/proxy"])
async def test_an_address_that_is_not_there_is_a_problem_and_never_a_redirect(stage, path):
    answer = await stage.raw(f"GET {path} HTTP/1.1")

    assert answer.startswith(b"HTTP/1.1 404")
    assert b"application/problem+json" in answer


async def test_a_method_that_is_not_taken_is_a_problem_that_names_those_that_are(stage):
    response = await stage.http.request("TRACE", "/v1/providers")

    assert problem(response) == (405, "method-not-allowed")
    assert response.headers["allow"]


async def test_every_answer_has_the_headers_that_keep_it_where_it_is(stage):
    for path in ("/v1/providers", "/v1/nothing", "/healthz", "/v1/connections/conn_x/credentials"):
        headers = (await stage.http.get(path)).headers

        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers.get("cache-control") == ("no-store" if path.startswith("/v1/") else None)
        assert "access-control-allow-origin" not in headers


async def test_the_host_header_makes_no_address(stage):
    provider = await stage.oauth()

    headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    integration = await stage.ask("GET", f"/v1/integrations/{provider}", headers=headers)
    session = await stage.ask(
        "POST", "/v1/connect/sessions", json={"provider": provider, "endUser": "ada"}, headers=headers
    )

    assert integration["redirectUri"].startswith(stage.url)
    assert session["url"].startswith(stage.url)


async def test_an_unknown_exception_is_a_problem_that_says_nothing(stage, capsys):
    await stage.hub.db.write(lambda connection: connection.exec_driver_sql("ALTER TABLE api_keys RENAME TO gone"))

    for path in ("/v1/api-keys", "/v1/connections/conn_x/proxy/me"):
        response = await stage.http.get(path)

        assert problem(response) == (500, "internal")
        assert "gone" not in response.text
        assert "api_keys" not in response.text
    assert "request.failed" in capsys.readouterr().out


async def test_a_failure_on_a_proxied_route_is_marked_as_ours(stage):
    response = await stage.http.get("/v1/connections/conn_x/proxy/me")

    assert problem(response) == (404, "not-found")
    assert response.headers["tieline-error"] == "not-found"


async def test_health_and_readiness_need_no_key(stage):
    async with httpx2.AsyncClient(base_url=stage.url) as nobody:
        assert (await nobody.get("/healthz")).json() == {"status": "ok"}
        assert (await nobody.get("/readyz")).json() == {"status": "ok"}


async def test_without_a_database_it_is_alive_and_not_ready():
    nowhere = await Database.open("postgresql://nobody@127.0.0.1:1/nowhere")
    hub = Hub(load_settings({}), nowhere, Vault(KeyRing.generate()))

    async with serve(app(hub)) as url, httpx2.AsyncClient(base_url=url) as nobody:
        assert (await nobody.get("/healthz")).status_code == 200
        response = await nobody.get("/readyz")
    await nowhere.close()

    assert problem(response) == (503, "storage-unavailable")
    assert int(response.headers["retry-after"]) >= 1


async def test_facts_of_an_error_stand_beside_the_standard_members(stage):
    await stage.provider()

    response = await stage.http.get("/v1/end-users/ada/connections/practice-key")

    assert problem(response) == (404, "not-connected")
    assert response.json()["next"]["provider"] == "practice-key"
    session = await stage.ask("POST", "/v1/connect/sessions", json=response.json()["next"])
    assert session["status"] == "open"


async def test_secrets_that_do_not_fit_are_not_repeated(stage):
    response = await stage.http.put("/v1/integrations/discord", json={"clientSecret": ["canary"], "clientId": 5})

    assert problem(response) == (422, "invalid-request")
    assert "canary" not in response.text


async def test_a_mounted_or_bare_path_is_the_same_to_a_server_that_gives_no_raw_path(stage):
    asked = []

    async def without_raw_path(scope, receive, send):
        scope = {name: value for name, value in scope.items() if name != "raw_path"}
        asked.append(scope["path"])
        await app(stage.hub)(scope, receive, send)

    transport = httpx2.ASGITransport(without_raw_path)
    async with httpx2.AsyncClient(transport=transport, base_url="http://tieline", headers=stage.http.headers) as http:
        response = await http.get("/v1/providers/discord")

    assert response.json()["id"] == "discord"
    assert json.dumps(asked) == '["/v1/providers/discord"]'
