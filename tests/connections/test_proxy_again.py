"""When a proxied call is made again, when it is not, and when it is not made at all."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tieline.errors import (
    ProviderUnavailable,
    RateLimited,
)

pytestmark = pytest.mark.anyio


async def test_a_refused_token_is_renewed_once_and_the_call_repeated(world):
    connection = await world.imported(await world.register())
    world.practice.expire_access_tokens()

    got = await world.call(connection)
    world.practice.expire_access_tokens()
    posted = await world.call(connection, "/echo", method="POST", content=b"small")

    assert (got.status_code, posted.status_code, posted.json()["body"]) == (200, 200, "small")
    assert world.practice.refreshes == 2
    assert world.practice.calls.count("POST /v1/echo") == 2


async def test_many_refused_at_once_renew_once(world):
    connection = await world.imported(await world.register())
    world.practice.expire_access_tokens()

    answers = await asyncio.gather(*(world.call(connection) for _ in range(30)))

    assert {answer.status_code for answer in answers} == {200}
    assert world.practice.refreshes == 1


async def test_a_streamed_body_is_not_sent_twice(world):
    connection = await world.imported(await world.register())
    world.practice.expire_access_tokens()

    async def body() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield bytes(1 << 16)

    answer = await world.call(connection, "/upload", method="POST", content=body())

    assert answer.status_code == 401
    assert world.practice.calls.count("POST /v1/upload") == 1
    assert world.practice.refreshes == 0


async def test_a_token_that_is_refused_anew_is_the_callers_to_see(world):
    connection = await world.imported(await world.register())
    world.practice.switches.api_status = {"/v1/me": 401}

    answer = await world.call(connection)

    assert answer.status_code == 401
    assert world.practice.refreshes == 1
    assert (await world.acme.connections.get(connection.id)).status == "active"


async def test_a_refused_token_that_cannot_be_renewed_now_is_unavailable(world):
    connection = await world.imported(await world.register())
    world.practice.expire_access_tokens()
    world.practice.switches.token_answer = "500"

    with pytest.raises(ProviderUnavailable) as caught:
        await world.call(connection)

    assert caught.value.retry_after > 0
    assert world.practice.calls.count("GET /v1/me") == 2  # the import's check, and the one call


async def test_without_a_refresh_token_a_refusal_is_the_callers_to_see(world):
    world.practice.switches.issue_refresh_tokens = False
    connection = await world.connected(await world.register())
    world.practice.switches.api_status = {"/v1/items": 401}

    answer = await world.call(connection, "/items")

    assert answer.status_code == 401
    assert (await world.acme.connections.get(connection.id)).status == "active"


async def test_a_safe_call_is_tried_again_after_what_the_provider_asks_to_wait(world):
    connection = await world.imported(await world.register(api={"retry": {"maxAttempts": 3}}))
    world.practice.switches.retry_after = 0
    world.practice.switches.api_status = {"/v1/items": 503, "/v1/echo": 503}
    world.practice.calls.clear()

    got = await world.call(connection, "/items")
    posted = await world.call(connection, "/echo", method="POST")

    assert (got.status_code, posted.status_code) == (503, 503)
    assert world.practice.calls.count("GET /v1/items") == 3
    assert world.practice.calls.count("POST /v1/echo") == 1


async def test_a_long_wait_is_passed_on_instead(world):
    connection = await world.imported(await world.register(api={"retry": {"maxAttempts": 3}}))
    world.practice.switches.retry_after = 60
    world.practice.switches.api_status = {"/v1/items": 429}

    answer = await asyncio.wait_for(world.call(connection, "/items"), 3)

    assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
    assert world.practice.calls.count("GET /v1/items") == 1


async def test_a_rate_limit_is_charged_before_the_call(world):
    connection = await world.imported(await world.register(rateLimits={"requestsPerMinute": 3}))
    world.practice.calls.clear()

    statuses = [(await world.call(connection)).status_code for _ in range(3)]
    with pytest.raises(RateLimited) as caught:
        await world.call(connection)

    assert statuses == [200, 200, 200]
    assert len(world.practice.calls) == 3
    assert 0 < caught.value.retry_after <= 61


async def test_each_connection_has_its_own_limit(world):
    provider = await world.register(rateLimits={"requestsPerMinute": 1})
    ada = await world.imported(provider)
    bo = await world.imported(provider, end_user="bo", user="bo@practice.example")

    assert (await world.call(ada)).status_code == 200
    assert (await world.call(bo)).status_code == 200


async def test_only_so_many_calls_run_at_once(world):
    connection = await world.imported(await world.register(rateLimits={"concurrent": 2}))

    answers = await asyncio.gather(
        *(world.call(connection, "/slow?seconds=0.3") for _ in range(5)), return_exceptions=True
    )

    refused = [each for each in answers if isinstance(each, RateLimited)]
    assert len(refused) == 3
    assert (await world.call(connection)).status_code == 200
