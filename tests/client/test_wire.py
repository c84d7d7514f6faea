"""Customers made on first use, connections that fail, and answers that are problems."""

import subprocess
import sys

import httpx2
import pytest

from tieline import errors

pytestmark = pytest.mark.anyio

HEAVY = ["sqlalchemy", "alembic", "aiohttp", "asyncpg", "fastapi", "cryptography", "re2", "yaml", "structlog"]
HEAVY += [f"tieline.{package}" for package in ("hub", "storage", "manifest", "egress", "runner", "api")]
EMPTY = {"items": [], "nextCursor": None}
NO = {"type": "https://tieline.dev/problems/forbidden", "status": 403, "detail": "This needs the scope."}


def test_a_customer_is_made_on_first_use_once(client, script):
    script.answer(json={})
    script.answer(json=EMPTY)
    acme = client.organization("acme")

    acme.connections.list()
    acme.connections.list()

    assert script.lines() == ["PUT /v1/organizations/acme", *["GET /v1/connections?limit=50"] * 2]
    assert [request.headers.get("tieline-organization") for request in script.requests] == [None, "acme", "acme"]


async def test_the_asynchronous_client_makes_the_customer_once_too(async_client, script):
    script.answer(json={})
    script.answer(json=EMPTY)
    acme = async_client.organization("acme")

    await acme.connections.list()
    await acme.connections.list()

    assert script.lines() == ["PUT /v1/organizations/acme", *["GET /v1/connections?limit=50"] * 2]


def test_a_key_that_may_not_make_customers_goes_on_without(client, script):
    script.answer(403, NO)
    script.answer(json=EMPTY)

    page = client.organization("acme").connections.list()

    assert page.items == ()


def test_any_other_refusal_of_the_customer_is_told(client, script):
    script.answer(401, {"type": "https://tieline.dev/problems/unauthorized", "status": 401})

    with pytest.raises(errors.Unauthorized):
        client.organization("acme").connections.list()


def test_a_safe_call_is_sent_again_when_the_connection_fails(client, script):
    script.fail(httpx2.ReadError("reset"))
    script.answer(json=EMPTY)

    client.connections.list()

    assert len(script.requests) == 2


async def test_a_write_is_sent_once(client, async_client, script):
    script.fail(httpx2.ReadError("reset"))

    with pytest.raises(httpx2.TransportError):
        client.connections.refresh("conn_1")
    with pytest.raises(httpx2.TransportError):
        await async_client.connections.refresh("conn_1")

    assert len(script.requests) == 2


@pytest.mark.parametrize("error", errors.TielineError.__subclasses__(), ids=lambda error: error.code)
def test_a_problem_is_raised_as_the_error_it_was(client, script, error):
    fault = {"path": "/name", "code": "required", "message": "Needed.", "hint": "Give one.", "severity": "error"}
    problem = {
        "type": f"https://tieline.dev/problems/{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": "What happened.",
        "errors": [fault],
        "next": {"provider": "acme", "endUser": "ada"},
    }
    script.answer(error.status, problem, headers={"Retry-After": "7"})

    with pytest.raises(error) as caught:
        client.connections.get("conn_1")

    assert type(caught.value) is error
    assert caught.value.detail == "What happened."
    assert caught.value.errors == (errors.Fault("/name", "required", "Needed.", "Give one."),)
    assert caught.value.facts == {"next": {"provider": "acme", "endUser": "ada"}}
    assert caught.value.retry_after == 7


def test_an_answer_of_somebody_in_between_is_an_error_too(client, script):
    script.answer(502, content=b"<h1>Bad gateway</h1>")

    with pytest.raises(errors.TielineError, match="502"):
        client.connections.get("conn_1")


def test_an_answer_that_is_not_tielines_is_an_error_too(client, script):
    script.answer(200, content=b"<h1>Welcome</h1>")

    with pytest.raises(errors.TielineError, match="Is it Tieline"):
        client.connections.get("conn_1")


def test_the_client_brings_neither_database_nor_hub():
    program = f"import sys, tieline.client; print([name for name in {HEAVY} if name in sys.modules])"

    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)

    assert loaded.stdout.strip() == "[]"
