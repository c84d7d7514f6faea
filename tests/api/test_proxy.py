"""The proxied call over HTTP: what passes, what does not, and where it can never go."""

import base64

import httpx2
import pytest
from tests.canary.mark import KEY

from .stage import problem

pytestmark = pytest.mark.anyio


async def test_a_call_carries_the_credential_and_tells_whose_it_is(stage):
    connection = await stage.practiced()

    response = await stage.http.get(f"/v1/connections/{connection}/proxy/me")

    assert response.json()["name"] == "Ada Brightwater"
    assert response.headers["tieline-connection"] == connection
    assert response.headers["tieline-account"] == "person-1"
    assert "tieline-error" not in response.headers


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_method_path_query_and_body_pass_as_they_are(stage, method):
    connection = await stage.behind()

    path = "items/a%2Fb;v=1/%C3%A9?q=a%20b&q=c+d&empty=&flag"
    body = None if method in ("GET", "DELETE") else b"\x00\xff"
    response = await stage.http.request(method, f"/v1/connections/{connection}/proxy/{path}", content=body)

    assert response.status_code == 200
    assert stage.upstream.asked[-1][0] == method
    assert stage.upstream.address == f"/v1/{path}"


async def test_head_has_the_headers_and_no_body(stage):
    connection = await stage.practiced()

    response = await stage.http.head(f"/v1/connections/{connection}/proxy/me")

    assert response.status_code in (200, 405)
    assert response.headers["tieline-connection"] == connection
    assert response.content == b""


async def test_the_providers_headers_pass_but_those_that_are_for_its_own_address(stage):
    connection = await stage.behind()

    response = await stage.http.get(f"/v1/connections/{connection}/proxy/headers")

    assert response.status_code == 207
    assert [value for name, value in response.headers.multi_items() if name == "link"] == [
        '<https://api.example/2>; rel="next"',
        '<https://api.example/9>; rel="last"',
    ]
    assert response.headers["x-ratelimit-remaining"] == "41"
    assert response.headers["etag"] == '"e1"'
    assert not {"set-cookie", "strict-transport-security", "x-secret-hop"} & set(response.headers)
    assert response.headers.get("server") != "Theirs"
    assert response.headers["content-security-policy"].startswith("sandbox")


async def test_the_callers_own_headers_pass_but_not_what_is_for_us(stage):
    connection = await stage.behind()
    sent = {
        "X-Mine": "1",
        "Accept": "application/vnd.example+json",
        "Cookie": "a=b",
        "X-Forwarded-For": "10.0.0.1",
        "Tieline-Organization": "default",
    }

    await stage.http.get(f"/v1/connections/{connection}/proxy/x", headers=sent)

    got = stage.upstream.headers
    assert (got["x-mine"], got["accept"], got["x-api-key"]) == ("1", sent["Accept"], KEY)
    assert not {"cookie", "authorization", "x-forwarded-for", "tieline-organization"} & set(got)
    assert stage.key not in str(stage.upstream.asked)


async def test_a_key_of_ours_in_any_header_stays_with_us(stage):
    connection = await stage.behind()

    await stage.http.get(f"/v1/connections/{connection}/proxy/x?k={stage.key}&a=1", headers={"X-Other": stage.key})

    assert stage.key not in str(stage.upstream.asked)
    assert stage.upstream.address == "/v1/x?a=1"


@pytest.mark.parametrize(
    "path",
    [
        "../secret",
        "a/../../secret",
        "..%2fsecret",
        "%2e%2e/secret",
        "%252e%252e%252fsecret",
        "/evil.example/x",
        "%2F%2Fevil.example",
        "\\\\evil.example",
        "%5cevil.example",
        "http://evil.example/",
        "http:%2f%2fevil.example",
        "a%00b",
        "a%zz",
        "..;/x/../../y",
    ],
)
async def test_a_path_that_would_leave_the_base_is_refused_as_it_is_sent(stage, path):
    connection = await stage.behind()

    answer = await stage.raw(f"GET /v1/connections/{connection}/proxy/{path} HTTP/1.1")

    # A NUL is refused wherever it stands, before anybody looks at the path.
    assert answer.startswith(b"HTTP/1.1 422" if "%00" in path else b"HTTP/1.1 400"), answer
    assert (b"invalid-request" if "%00" in path else b"path-refused") in answer
    assert stage.upstream.asked == []


@pytest.mark.parametrize(
    ("before", "after"),
    [("{id}%2Fproxy%2Fx", "y"), ("{id}/proxy%2Fx", "y"), ("..%2Fconnections%2F{id}", "proxy/x")],
)
async def test_an_encoded_slash_makes_no_route_of_ours(stage, before, after):
    connection = await stage.behind()

    answer = await stage.raw(f"GET /v1/connections/{before.format(id=connection)}/{after} HTTP/1.1")

    assert answer.startswith(b"HTTP/1.1 404")
    assert stage.upstream.asked == []


async def test_an_absolute_request_line_is_a_path_like_any_other(stage):
    connection = await stage.behind()

    answer = await stage.raw(f"GET http://evil.example/v1/connections/{connection}/proxy/x HTTP/1.1")

    assert answer.startswith(b"HTTP/1.1 200")
    assert stage.upstream.address == "/v1/x"


async def test_a_whole_address_inside_the_origins_is_called(stage):
    connection = await stage.behind()

    url = f"{stage.upstream_url}/elsewhere?a=1"
    response = await stage.http.get(f"/v1/connections/{connection}/proxy/?b=2", headers={"Tieline-Url": url})

    assert response.json() == {"path": "/elsewhere"}
    assert stage.upstream.address == "/elsewhere?a=1&b=2"


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/",
        "{practice}/me",
        "{upstream}@evil.example/",
        "//evil.example/",
        "file:///etc/passwd",
        "{upstream}/../x",
        "{upstream}.evil.example/",
    ],
)
async def test_a_whole_address_outside_of_them_is_refused(stage, url):
    connection = await stage.behind()
    headers = {"Tieline-Url": url.format(upstream=stage.upstream_url, practice=stage.practice_url)}

    response = await stage.http.get(f"/v1/connections/{connection}/proxy/", headers=headers)

    assert problem(response) == (400, "path-refused")
    assert response.headers["tieline-error"] == "path-refused"
    assert stage.upstream.asked == []


async def test_a_named_server_is_picked_and_an_unknown_one_is_told_the_names(stage):
    api = {"baseUrl": f"{stage.upstream_url}/v1", "servers": {"files": f"{stage.upstream_url}/files"}}
    connection = await stage.behind(api=api)

    await stage.http.get(f"/v1/connections/{connection}/proxy/x", headers={"Tieline-Server": "files"})
    response = await stage.http.get(f"/v1/connections/{connection}/proxy/x", headers={"Tieline-Server": "nope"})

    assert stage.upstream.address == "/files/x"
    assert problem(response) == (422, "invalid-request")
    assert "files" in response.json()["detail"]


async def test_the_address_by_end_user_reaches_the_same_connection(stage):
    connection = await stage.practiced()

    for path in ("ada/connections/practice-key", "%61da/connections/practice%2Dkey"):
        response = await stage.http.get(f"/v1/end-users/{path}/proxy/me")

        assert response.headers["tieline-connection"] == connection


@pytest.mark.parametrize("user", ["a/b", "auth0|7", "a%2Fb", "é?#", "..", "a b+c", "-x"])
async def test_an_end_users_id_may_hold_anything(stage, user):
    await stage.provider()
    connection = await stage.connected(user)
    encoded = "".join(f"%{byte:02X}" for byte in user.encode())

    assert (await stage.ask("GET", f"/v1/end-users/{encoded}/connections/practice-key"))["id"] == connection
    response = await stage.http.get(f"/v1/end-users/{encoded}/connections/practice-key/proxy/me")
    assert response.headers["tieline-connection"] == connection


async def test_the_organizations_own_connection_is_under_a_hyphen(stage):
    await stage.provider()
    connection = await stage.connected(None)

    answer = await stage.ask("GET", "/v1/end-users/-/connections/practice-key")

    assert (answer["id"], answer["endUser"]) == (connection, None)
    response = await stage.http.get("/v1/end-users/-/connections/practice-key/proxy/me")
    assert response.headers["tieline-connection"] == connection


async def test_several_accounts_are_told_apart_by_header_or_query(stage):
    document = {"id": "upstream", "name": "U", "authType": "none", "api": {"baseUrl": f"{stage.upstream_url}/v1"}}
    await stage.ask("POST", "/v1/providers", json=document)
    accounts = {
        name: (
            await stage.ask(
                "POST", "/v1/connections", json={"provider": "upstream", "endUser": "ada", "accountId": name}
            )
        )["id"]
        for name in ("one", "two words")
    }
    path = "/v1/end-users/ada/connections/upstream/proxy/x"

    ambiguous = await stage.http.get(path)
    by_header = await stage.http.get(f"{path}?account=theirs", headers={"Tieline-Account": "two words"})
    address = stage.upstream.address
    by_query = await stage.http.get(f"{path}?a=1&account=two+words&b=%20")

    assert problem(ambiguous) == (409, "ambiguous-connection")
    assert {each["accountId"] for each in ambiguous.json()["accounts"]} == set(accounts)
    assert by_header.headers["tieline-connection"] == accounts["two words"]
    assert address == "/v1/x?account=theirs"
    assert by_query.headers["tieline-connection"] == accounts["two words"]
    assert stage.upstream.address == "/v1/x?a=1&b=%20"


async def test_a_provider_that_refuses_is_the_providers_answer_and_not_ours(stage):
    connection = await stage.practiced()

    response = await stage.http.get(f"/v1/connections/{connection}/proxy/status/418")

    assert response.status_code == 418
    assert "tieline-error" not in response.headers


async def test_a_provider_that_is_down_is_our_problem_with_a_time_to_come_back(stage):
    connection = await stage.behind(api={"baseUrl": "http://127.0.0.1:1/v1"})

    response = await stage.http.post(f"/v1/connections/{connection}/proxy/x", json={})

    assert problem(response) == (503, "provider-unavailable")
    assert response.headers["tieline-error"] == "provider-unavailable"


async def test_credentials_are_read_by_a_key_that_may(stage):
    connection = await stage.practiced()
    for path in (f"/v1/connections/{connection}", "/v1/end-users/ada/connections/practice-key"):
        response = await stage.http.get(f"{path}/credentials")

        assert response.json() == {"type": "api_key", "apiKey": KEY}
        assert response.headers["cache-control"] == "no-store"

    key = await stage.key_for()
    headers = {"Authorization": f"Bearer {key}"}
    refused = await stage.http.get(f"/v1/connections/{connection}/credentials", headers=headers)
    assert problem(refused) == (403, "forbidden")
    proxied = await stage.http.get(f"/v1/connections/{connection}/proxy/me", headers=headers)
    assert proxied.status_code == 200


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"Authorization": "Bearer KEY"}, ""),
        ({"Authorization": "Token KEY"}, ""),
        ({"Authorization": 'Token token="KEY"'}, ""),
        ({"Authorization": "KEY"}, ""),
        ({"Authorization": ("KEY", "")}, ""),
        ({"Authorization": ("user", "KEY")}, ""),
        ({"X-Api-Key": "KEY"}, ""),
        ({"PRIVATE-TOKEN": "KEY"}, ""),
        ({}, "?api_key=KEY&a=1"),
        ({}, "?a=1&access_token=KEY"),
    ],
)
async def test_a_bound_key_stands_where_the_providers_own_would_and_goes_no_further(stage, headers, query):
    connection = await stage.behind()
    key = await stage.key_for("proxy", connection=connection)
    sent = {
        name: _basic(*(part.replace("KEY", key) for part in value))
        if isinstance(value, tuple)
        else value.replace("KEY", key)
        for name, value in headers.items()
    }

    async with httpx2.AsyncClient(base_url=stage.url) as sdk:
        response = await sdk.get(f"/proxy/items{query.replace('KEY', key)}", headers=sent)

    assert response.status_code == 200, response.text
    assert response.headers["tieline-connection"] == connection
    assert stage.upstream.headers["x-api-key"] == KEY
    assert key not in str(stage.upstream.asked)
    assert stage.upstream.address == ("/v1/items?a=1" if query else "/v1/items")


async def test_a_key_may_be_bound_by_user_and_provider(stage):
    connection = await stage.practiced()
    key = await stage.key_for("proxy", endUser="ada", provider="practice-key")

    response = await stage.http.get("/proxy/me", headers={"Authorization": f"Bearer {key}"})

    assert response.headers["tieline-connection"] == connection


async def test_a_key_that_is_bound_to_nothing_names_no_connection(stage):
    await stage.practiced()
    response = await stage.http.get("/proxy/me")

    assert problem(response) == (403, "forbidden")
    assert response.headers["tieline-error"] == "forbidden"


async def test_two_keys_in_one_request_are_refused(stage):
    connection = await stage.practiced()
    key = await stage.key_for("proxy", connection=connection)

    response = await stage.http.get("/proxy/me", headers={"X-Api-Key": key})

    assert problem(response) == (401, "unauthorized")


async def test_a_bound_key_reaches_its_connection_only_and_nothing_else_of_ours(stage):
    connection = await stage.practiced()
    other = await stage.connected("grace")
    key = await stage.key_for(connection=connection)
    headers = {"Authorization": f"Bearer {key}"}

    for path in (
        f"/v1/connections/{other}",
        f"/v1/connections/{other}/proxy/me",
        "/v1/end-users/grace/connections/practice-key",
    ):
        assert (await stage.http.get(path, headers=headers)).status_code == 404
    listed = await stage.ask("GET", "/v1/connections", headers=headers)
    assert [each["id"] for each in listed["items"]] == [connection]
    refused = [
        await stage.http.post("/v1/providers", json={"name": "x"}, headers=headers),
        await stage.http.put("/v1/integrations/practice-key", json={"enabled": False}, headers=headers),
        await stage.http.get("/v1/integrations", headers=headers),
        await stage.http.get("/v1/organizations", headers=headers),
        await stage.http.get("/v1/audit", headers=headers),
        await stage.http.post(
            "/v1/connect/sessions", json={"provider": "practice-key", "endUser": "ada"}, headers=headers
        ),
        await stage.http.post("/v1/connections", json={"provider": "practice-key", "endUser": "ada"}, headers=headers),
    ]
    assert [problem(response) for response in refused] == [(403, "forbidden")] * len(refused)


async def test_a_key_of_one_user_does_not_reach_the_user_of_that_id_at_a_customer(stage):
    await stage.practiced()
    await stage.ask("PUT", "/v1/organizations/acme", json={})
    acting = {"Tieline-Organization": "acme"}
    body = {"provider": "practice-key", "endUser": "ada", "inputs": {"apiKey": KEY}}
    await stage.ask("POST", "/v1/connections", json=body, headers=acting)
    key = await stage.key_for(endUser="ada")

    response = await stage.http.get("/v1/connections", headers={"Authorization": f"Bearer {key}", **acting})

    assert problem(response) == (403, "forbidden")


async def test_a_key_narrowed_to_a_path_cannot_read_the_credential(stage):
    connection = await stage.practiced()
    scopes = ("proxy", "credentials:read")
    key = await stage.key_for(*scopes, connection=connection, path="/items", methods=["GET"])
    headers = {"Authorization": f"Bearer {key}"}
    base = f"/v1/connections/{connection}"

    assert (await stage.http.get(f"{base}/proxy/items", headers=headers)).status_code == 200
    for response in (
        await stage.http.get(f"{base}/proxy/me", headers=headers),
        await stage.http.get(f"{base}/proxy/items%2F..%2Fme", headers=headers),
        await stage.http.post(f"{base}/proxy/items", headers=headers),
        await stage.http.get(f"{base}/credentials", headers=headers),
    ):
        assert response.status_code in (400, 403), response.text
