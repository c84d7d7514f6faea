"""The same write sent again: one effect, one answer."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update
from tests.canary.mark import KEY as TYPED

from tieline.storage.tables import idempotency

from .stage import problem

pytestmark = pytest.mark.anyio

KEY = {"Idempotency-Key": "7f1c"}
_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


async def test_the_same_request_gets_the_same_answer_and_is_done_once(stage):
    first = await stage.http.post("/v1/api-keys", json={"name": "once"}, headers=KEY)
    again = await stage.http.post("/v1/api-keys", json={"name": "once"}, headers=KEY)

    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert first.json()["key"] == again.json()["key"]
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert first.headers["content-type"] == again.headers["content-type"]
    assert [each["name"] for each in (await stage.ask("GET", "/v1/api-keys"))["items"]].count("once") == 1


async def test_another_request_under_the_same_key_is_a_conflict(stage):
    await stage.ask("POST", "/v1/api-keys", json={"name": "one"}, headers=KEY)

    response = await stage.http.post("/v1/api-keys", json={"name": "two"}, headers=KEY)

    assert problem(response) == (409, "conflict")
    assert "two" not in str(await stage.ask("GET", "/v1/api-keys"))


async def test_requests_at_the_same_time_are_done_once(stage):
    answers = await asyncio.gather(
        *(stage.http.post("/v1/api-keys", json={"name": "many"}, headers=KEY) for _ in range(8))
    )

    good = [answer for answer in answers if answer.status_code == 201]
    others = [answer for answer in answers if answer.status_code != 201]
    assert len({answer.json()["id"] for answer in good}) == 1
    for other in others:
        assert problem(other) == (409, "conflict")
        assert other.headers["retry-after"] == "1"
    assert [each["name"] for each in (await stage.ask("GET", "/v1/api-keys"))["items"]].count("many") == 1


async def test_a_refusal_is_repeated_too(stage):
    first = await stage.http.post("/v1/connections", json={"provider": "nowhere"}, headers=KEY)
    await stage.provider(id="nowhere")
    again = await stage.http.post("/v1/connections", json={"provider": "nowhere"}, headers=KEY)

    assert problem(first) == problem(again) == (404, "not-found")


async def test_a_failure_that_passes_is_not_stored(stage):
    await stage.provider()
    body = {"provider": "practice-key", "endUser": "ada", "inputs": {"apiKey": TYPED}}
    stage.practice.switches.api_status = {"*": 503}
    first = await stage.http.post("/v1/connections", json=body, headers=KEY)
    stage.practice.switches.api_status = {}

    again = await stage.http.post("/v1/connections", json=body, headers=KEY)

    assert first.status_code == 503
    assert again.status_code == 201


async def test_two_callers_may_choose_the_same_key(stage):
    await stage.ask("PUT", "/v1/organizations/acme", json={})
    acting = {**KEY, "Tieline-Organization": "acme"}
    other = {**KEY, "Authorization": f"Bearer {await stage.key_for('api-keys:write')}"}

    answers = [
        await stage.ask("POST", "/v1/api-keys", json={"name": "same", "scopes": []}, headers=headers)
        for headers in (KEY, acting, other)
    ]

    assert len({answer["id"] for answer in answers}) == 3
    assert [answer["organization"] for answer in answers] == ["default", "acme", "default"]


async def test_a_deletion_is_repeated_as_done(stage):
    connection = await stage.practiced()

    for _ in range(2):
        assert (await stage.http.delete(f"/v1/connections/{connection}", headers=KEY)).status_code == 204


async def test_a_first_request_that_died_holds_the_key_for_a_while_only(stage):
    answer = await stage.ask("POST", "/v1/api-keys", json={"name": "died"}, headers=KEY)
    await _set(stage, status=None, sealed=None)
    response = await stage.http.post("/v1/api-keys", json={"name": "died"}, headers=KEY)
    assert problem(response) == (409, "conflict")

    await _set(stage, expires_at=_LONG_AGO)

    again = await stage.ask("POST", "/v1/api-keys", json={"name": "died"}, headers=KEY)
    assert again["id"] != answer["id"]


async def test_a_stored_answer_is_sealed_and_opens_at_its_place_only(stage):
    answer = await stage.ask("POST", "/v1/api-keys", json={"name": "sealed"}, headers=KEY)

    row = await stage.hub.db.read(lambda connection: connection.execute(select(idempotency)).one())
    assert answer["key"].encode() not in row.sealed
    await _set(stage, key="moved")
    response = await stage.http.post("/v1/api-keys", json={"name": "sealed"}, headers={"Idempotency-Key": "moved"})
    assert problem(response) == (409, "seal-broken")


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
async def test_what_is_no_idempotency_key_is_refused(stage, key):
    response = await stage.http.post("/v1/api-keys", json={"name": "x"}, headers={"Idempotency-Key": key})

    assert problem(response) == (422, "invalid-request")


async def test_proxied_calls_and_reads_take_no_part(stage):
    connection = await stage.behind()

    for _ in range(2):
        await stage.http.post(f"/v1/connections/{connection}/proxy/items", json={}, headers=KEY)
        await stage.ask("GET", "/v1/providers", headers=KEY)

    assert [method for method, _, _ in stage.upstream.asked] == ["POST", "POST"]
    assert await stage.hub.db.read(lambda connection: connection.execute(select(idempotency)).all()) == []


async def test_an_unknown_key_stores_nothing(stage):
    headers = {**KEY, "Authorization": "Bearer tl_nobody"}

    assert problem(await stage.http.post("/v1/api-keys", json={}, headers=headers)) == (401, "unauthorized")
    assert await stage.hub.db.read(lambda connection: connection.execute(select(idempotency)).all()) == []


async def _set(stage, **columns):
    await stage.hub.db.write(lambda connection: connection.execute(update(idempotency).values(columns)))
