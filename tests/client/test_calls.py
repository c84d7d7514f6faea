"""What goes on the wire, and what comes back, for both kinds of caller."""

import json
from datetime import UTC, datetime

import httpx2
import pytest

from tieline import Reference, Secret
from tieline.connections.types import EndUser
from tieline.integrations import ClientSettings
from tieline.organizations import Restrictions

from .conftest import KEY

pytestmark = pytest.mark.anyio

SESSION = {"id": "ses_1", "provider": "acme", "endUser": "ada", "status": "open", "expiresAt": "2026-01-01T00:00:00Z"}
EMPTY = {"items": [], "nextCursor": None}


def body(request: httpx2.Request) -> object:
    return json.loads(request.content)


def test_the_key_goes_in_the_header_and_nowhere_else(client, script):
    script.answer(json=EMPTY)

    client.connections.list(end_user="ada", limit=10)

    (request,) = script.requests
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert str(request.url) == "https://connect.example/v1/connections?endUser=ada&limit=10"
    assert KEY not in repr(client._wire)


def test_names_become_camel_case_and_what_the_caller_keeps_inside_stays(client, script):
    script.answer(201, SESSION | {"token": "tlc_x", "url": "https://connect.example/connect/tlc_x"})

    started = client.connect.start(
        provider="acme",
        end_user=EndUser(id="ada", name="Ada"),
        return_to="https://app.example",
        context={"order_id": 7},
        inputs={"sub_domain": "x"},
    )

    assert body(script.requests[0]) == {
        "provider": "acme",
        "endUser": {"id": "ada", "name": "Ada", "email": None},
        "returnTo": "https://app.example",
        "context": {"order_id": 7},
        "inputs": {"sub_domain": "x"},
    }
    assert started.token.reveal() == "tlc_x"
    assert started.session.id == "ses_1"
    assert "tlc_x" not in repr(started)


def test_secrets_are_revealed_on_the_wire_only(client, script):
    script.answer(422, {"type": "https://tieline.dev/problems/invalid-request", "detail": "no"})

    with pytest.raises(Exception, match="no"):
        client.integrations.put(
            "acme", client_id="c", client_secret=Secret("s"), clients={"other": ClientSettings("d", Secret("t"))}
        )

    assert body(script.requests[0]) == {
        "clientId": "c",
        "clientSecret": "s",
        "clients": {"other": {"clientId": "d", "clientSecret": "t"}},
    }


def test_a_new_key_is_asked_for_with_its_restrictions(client, script):
    script.answer(
        201,
        {
            "id": "key_1",
            "name": "agent",
            "hint": "abcd",
            "organization": "acme",
            "scopes": ["proxy"],
            "restrictions": {"endUser": "ada"},
            "createdAt": "2026-01-01T00:00:00Z",
            "createdBy": "init",
            "expiresAt": None,
            "lastUsedAt": None,
            "revokedAt": None,
            "key": "tl_new",
            "somethingNewer": True,
        },
    )

    made = client.api_keys.create(
        "agent",
        scopes={"proxy"},
        restrictions=Restrictions(end_user="ada"),
        expires_at=datetime(2027, 1, 1, tzinfo=UTC),
    )

    assert body(script.requests[0]) == {
        "name": "agent",
        "scopes": ["proxy"],
        "restrictions": {"endUser": "ada", "provider": None, "connection": None, "methods": None, "path": None},
        "expiresAt": "2027-01-01T00:00:00+00:00",
    }
    assert made.key == Secret("tl_new")
    assert made.api_key.restrictions.end_user == "ada"


@pytest.mark.parametrize(
    ("reference", "path"),
    [
        ("conn_1", "/v1/connections/conn_1"),
        (Reference(id="conn_1"), "/v1/connections/conn_1"),
        (Reference(end_user="ada", provider="acme"), "/v1/end-users/ada/connections/acme"),
        (Reference(provider="acme"), "/v1/end-users/-/connections/acme"),
        (Reference(end_user="a/b?c", provider="acme"), "/v1/end-users/a%2Fb%3Fc/connections/acme"),
        (Reference(end_user="..", provider="acme"), "/v1/end-users/%2E%2E/connections/acme"),
        (Reference(end_user="ada", provider="acme", account="p 1"), "/v1/end-users/ada/connections/acme?account=p%201"),
    ],
)
def test_a_connection_is_addressed_by_its_id_or_by_whose_it_is(client, script, reference, path):
    script.answer(204)

    client.connections.delete(reference)

    assert script.lines()[0].replace("+", "%20") == f"DELETE {path}"


def test_a_credential_comes_back_as_secrets(client, script):
    script.answer(
        json={"type": "oauth2", "accessToken": "a1", "tokenType": "Bearer", "scopes": ["x"], "expiresAt": None}
    )
    script.answer(json={"type": "api_key", "apiKey": "k1"})

    token, key = client.connections.credentials("conn_1"), client.connections.credentials("conn_2")

    assert token.access_token == Secret("a1")
    assert token.scopes == ("x",)
    assert key.access_token is None
    assert key.values == {"apiKey": Secret("k1")}


async def test_the_asynchronous_client_makes_the_same_calls(async_client, script):
    script.answer(json=EMPTY)

    async with async_client as client:
        page = await client.connections.list()

    assert page.items == ()
    assert script.lines() == ["GET /v1/connections?limit=50"]


async def test_an_export_comes_line_by_line_and_only_line_feeds_end_lines(async_client, client, script):
    script.answer(content='{"a":"x\u2028y"}\n{"b":1}\n{"c":2}'.encode())
    expected = ['{"a":"x\u2028y"}', '{"b":1}', '{"c":2}']

    assert list(client.audit.export()) == expected
    assert [line async for line in await async_client.audit.export()] == expected
