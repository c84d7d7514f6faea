"""The authorised httpx2 client: paths, whole addresses, and where the key goes."""

import httpx2
import pytest

from tieline.errors import RateLimited

from .conftest import KEY

pytestmark = pytest.mark.anyio


def test_a_path_goes_under_the_proxy_of_the_connection(client, script):
    script.answer(json={"id": "person-1"})

    with client.http("conn_1") as http:
        answer = http.get("/v1/me?x=1", headers={"X-Own": "y"})

    assert answer.json() == {"id": "person-1"}
    (request,) = script.requests
    assert request.url == "https://connect.example/v1/connections/conn_1/proxy/v1/me?x=1"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["x-own"] == "y"


def test_a_connection_is_named_by_whose_it_is(client, script):
    script.answer(json={})

    with client.http(end_user="ada", provider="acme", account="person-2") as http:
        http.get("me")

    (request,) = script.requests
    assert request.url.path == "/v1/end-users/ada/connections/acme/proxy/me"
    assert request.headers["tieline-account"] == "person-2"


def test_a_whole_address_goes_in_a_header_and_the_key_only_to_tieline(client, script):
    script.answer(json={})

    with client.http("conn_1") as http:
        http.get("https://api.acme.example/v2/me?x=1", headers={"Authorization": "Bearer of the caller"})

    (request,) = script.requests
    assert request.url.host == request.headers["host"] == "connect.example"
    assert request.headers["tieline-url"] == "https://api.acme.example/v2/me?x=1"
    assert request.headers["authorization"] == f"Bearer {KEY}"


def test_the_client_that_a_caller_holds_has_no_key(client):
    with client.http("conn_1") as http:
        assert "authorization" not in http.headers


async def test_tielines_own_failure_is_raised_and_the_providers_is_an_answer(client, async_client, script):
    problem = {"type": "https://tieline.dev/problems/rate-limited", "status": 429}
    ours = {"Tieline-Error": "rate-limited", "Retry-After": "3"}
    script.answer(429, problem, headers=ours)
    script.answer(429, problem, headers=ours)
    script.answer(429, {"error": "slow down"})

    with client.http("conn_1") as http, pytest.raises(RateLimited) as caught:
        http.get("/me")
    async with async_client.http("conn_1") as http:
        with pytest.raises(RateLimited):
            await http.get("/me")
        answer = await http.get("/me")

    assert caught.value.retry_after == 3
    assert (answer.status_code, answer.json()) == (429, {"error": "slow down"})


async def test_bodies_stream_both_ways(async_client, script):
    script.answer(json={})
    script.answer(content=b"answered")

    async def chunks():
        yield b"one"
        yield b"two"

    async with (
        async_client.organization("acme").http("conn_1") as http,
        http.stream("POST", "/upload", content=chunks()) as answer,
    ):
        received = [chunk async for chunk in answer.aiter_bytes()]

    assert script.lines() == ["PUT /v1/organizations/acme", "POST /v1/connections/conn_1/proxy/upload"]
    assert script.requests[1].content == b"onetwo"
    assert b"".join(received) == b"answered"


def test_a_path_cannot_climb_out_of_the_proxy(client, script):
    script.answer(json={})

    with client.http("conn_1") as http:
        http.get("/../../../organizations")

    (request,) = script.requests
    assert isinstance(request, httpx2.Request)
    inside = request.url.path.startswith("/v1/connections/conn_1/proxy/")
    assert inside or "tieline-url" in request.headers
