"""The authorised request: confined, restricted, charged, audited before it leaves, and streamed as it comes."""

import asyncio
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from tieline.actor import DEFAULT_PERMISSIONS, Restriction
from tieline.connections import Reference
from tieline.connections.proxy import Call
from tieline.errors import (
    AmbiguousConnection,
    Forbidden,
    InvalidRequest,
    NotConnected,
    NotFound,
    PathRefused,
    ProviderUnavailable,
    StorageUnavailable,
    Suspended,
)
from tieline.testing import masked
from tieline.testing.serving import ABORT

pytestmark = pytest.mark.anyio


async def send(world, connection, call: Call, *, actor=None, reference=None):
    """Status, headers and the whole body."""
    actor = actor or await world.acme.actor()
    async with world.hub.proxy.open(actor, reference or Reference(id=connection.id), call) as answer:
        body = b"".join([chunk async for chunk in answer.chunks])
        return answer.status, dict(answer.headers), body


async def test_the_credential_is_put_on_and_the_callers_own_is_not_passed(world):
    connection = await world.imported(await world.register())
    token = await world.token(connection)
    headers = {
        "Authorization": "Bearer tl_the_callers_key",
        "Cookie": "console=1",
        "X-Forwarded-For": "10.0.0.1",
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "host=evil.example",
        "Tieline-Organization": "acme",
        "X-Own": "kept",
    }

    seen = (await world.call(connection, "/echo?x=1", method="POST", headers=headers, content=b"body")).json()

    assert seen["headers"]["authorization"] == masked(f"Bearer {token}")
    assert seen["headers"]["x-own"] == "kept"
    assert (seen["body"], seen["query"], seen["cookies"]) == ("body", [["x", "1"]], {})
    hidden = {"x-forwarded-for", "x-forwarded-host", "forwarded", "tieline-organization"}
    assert not hidden & set(seen["headers"])
    assert seen["headers"]["host"] == world.base.removeprefix("http://")


async def test_an_answer_says_whose_it_is_and_sets_no_cookie(world):
    connection = await world.imported(await world.register())

    answer = await world.call(connection)

    assert answer.headers["tieline-connection"] == connection.id
    assert answer.headers["tieline-account"] == "person-1"
    assert not {"set-cookie", "server"} & set(answer.headers)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_the_usual_methods_pass(world, method):
    connection = await world.imported(await world.register())

    assert (await world.call(connection, "/echo", method=method)).json()["method"] == method


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "get", "BREW"])
async def test_other_methods_do_not(world, method):
    connection = await world.imported(await world.register())
    world.practice.calls.clear()

    with pytest.raises(InvalidRequest):
        await send(world, connection, Call(method=method, path="/echo"))

    assert world.practice.calls == []


@pytest.mark.parametrize("path", ["/../userinfo", "/%2e%2e/userinfo", "/%252e%252e/userinfo", "/a\\b", "//userinfo"])
async def test_no_path_leaves_the_base(world, path):
    connection = await world.imported(await world.register())
    world.practice.calls.clear()

    with pytest.raises(PathRefused):
        await send(world, connection, Call(method="GET", path=path))

    assert world.practice.calls == []


async def test_a_whole_address_inside_the_origins_is_called(world):
    connection = await world.imported(await world.register())

    answer = await world.call(connection, f"{world.base}/userinfo")

    assert answer.json()["sub"] == "person-1"


async def test_a_named_server_is_called_by_its_name(world):
    provider = await world.register(api={"servers": {"root": world.base}})
    connection = await world.imported(provider)

    status, _, body = await send(world, connection, Call(method="GET", path="/userinfo", server="root"))

    assert (status, b"person-1" in body) == (200, True)
    with pytest.raises(InvalidRequest, match="root"):
        await send(world, connection, Call(method="GET", path="/userinfo", server="nope"))


RESTRICTED = [
    (Restriction(end_user="bo"), NotFound),
    (Restriction(provider="other"), NotFound),
    (Restriction(connection="conn_other"), NotFound),
    (Restriction(methods=frozenset({"POST"})), Forbidden),
    (Restriction(path="/items"), Forbidden),
    (Restriction(path="/m"), Forbidden),
    (Restriction(path="/me/"), None),
    (Restriction(path="/"), None),
    (Restriction(end_user="ada", provider="practice", methods=frozenset({"GET"})), None),
]


@pytest.mark.parametrize(("restriction", "error"), RESTRICTED)
async def test_a_restricted_key_calls_what_it_may(world, restriction, error):
    connection = await world.imported(await world.register())
    actor = replace(await world.acme.actor(), restriction=restriction)
    world.practice.calls.clear()
    call = Call(method="GET", path="/me")

    if error is None:
        assert (await send(world, connection, call, actor=actor))[0] == 200
    else:
        with pytest.raises(error):
            await send(world, connection, call, actor=actor)
        assert world.practice.calls == []


@pytest.mark.parametrize("path", ["/items/../me", "/items/%2e%2e/me", "/itemsx", "/items/..;/me"])
async def test_a_path_restriction_has_no_way_round(world, path):
    connection = await world.imported(await world.register())
    actor = replace(await world.acme.actor(), restriction=Restriction(path="/items"))
    world.practice.calls.clear()

    with pytest.raises((Forbidden, PathRefused)):
        await send(world, connection, Call(method="GET", path=path), actor=actor)
    with pytest.raises(Forbidden):
        await send(world, connection, Call(method="GET", path="", url=f"{world.base}/v1/items"), actor=actor)
    with pytest.raises(Forbidden):
        await send(world, connection, Call(method="GET", path="/items", server="other"), actor=actor)

    assert world.practice.calls == []


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "x-method-override", "X-HTTP-Method"])
async def test_a_method_restriction_has_no_way_round(world, name):
    connection = await world.imported(await world.register())
    actor = replace(await world.acme.actor(), restriction=Restriction(methods=frozenset({"POST"})))
    world.practice.calls.clear()

    with pytest.raises(Forbidden, match="header"):
        await send(world, connection, Call(method="POST", path="/me", headers=((name, "DELETE"),)), actor=actor)

    assert world.practice.calls == []


async def test_a_key_that_may_proxy_may_not_read(world):
    connection = await world.imported(await world.register())
    actor = replace(await world.acme.actor(), permissions=DEFAULT_PERMISSIONS)

    assert (await send(world, connection, Call(method="GET", path="/me"), actor=actor))[0] == 200
    with pytest.raises(Forbidden, match="credentials:read"):
        await world.hub.connections.credentials(actor, connection.id)


async def test_another_organizations_connection_is_not_there(world):
    provider = await world.register()
    connection = await world.imported(provider)
    other = world.hub.organization("other")
    world.practice.calls.clear()

    for named in ({"connection": connection.id}, {"end_user": "ada", "provider": provider}):
        async with other.http(**named) as http:
            with pytest.raises((NotFound, NotConnected)):
                await http.get("/me")

    assert world.practice.calls == []


async def test_several_accounts_ask_which(world):
    provider = await world.register()
    await world.imported(provider)
    second = await world.imported(provider, user="bo@practice.example")

    async with world.acme.http(end_user="ada", provider=provider) as http:
        with pytest.raises(AmbiguousConnection) as caught:
            await http.get("/me")
    async with world.acme.http(end_user="ada", provider=provider, account="person-2") as http:
        answer = await http.get("/me")

    assert {each["accountId"] for each in caught.value.facts["accounts"]} == {"person-1", "person-2"}
    assert answer.headers["tieline-connection"] == second.id


async def test_a_suspended_connection_calls_nobody(world):
    connection = await world.imported(await world.register())
    await world.acme.connections.suspend(connection.id)
    world.practice.calls.clear()

    with pytest.raises(Suspended):
        await world.call(connection)
    assert world.practice.calls == []

    await world.acme.connections.resume(connection.id)
    assert (await world.call(connection)).status_code == 200


async def test_a_call_is_audited_before_it_leaves(world):
    connection = await world.imported(await world.register())

    await world.call(connection, "/items?limit=2")

    event = (await world.acme.audit.list(action="connection.called")).items[0]
    assert event.target == connection.id
    assert event.facts == {"method": "GET", "host": "127.0.0.1", "path": "/v1/items"}
    assert (await world.acme.connections.get(connection.id)).last_used_at is not None


async def test_without_an_audit_there_is_no_call_and_no_credential(world):
    connection = await world.imported(await world.register())
    trigger = "CREATE TRIGGER away BEFORE INSERT ON audit_events BEGIN SELECT RAISE(ABORT, 'database is locked'); END"
    await world.change(text(trigger))
    world.practice.calls.clear()

    for attempt in (world.call(connection), world.token(connection)):
        with pytest.raises(Exception, match=r"locked|answer|database"):
            await attempt

    assert world.practice.calls == []


async def test_when_the_database_takes_no_writes_nothing_is_called(world, database_url):
    connection = await world.imported(await world.register())
    world.practice.calls.clear()
    holder = sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    with pytest.raises(StorageUnavailable):
        await world.call(connection)
    holder.close()

    assert world.practice.calls == []


async def test_an_answer_that_breaks_off_is_an_error_not_a_short_answer(world):
    connection = await world.imported(await world.register())

    async def broken(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
        await send({"type": "http.response.body", "body": b"x" * 100, "more_body": True})
        await asyncio.sleep(0.05)
        scope["extensions"][ABORT]["call"]()

    world.practice.app.router.default = broken
    async with world.acme.http(connection.id) as http, http.stream("GET", f"{world.base}/broken") as answer:
        with pytest.raises(ProviderUnavailable):
            await answer.aread()

    assert answer.status_code == 200


async def test_leaving_an_answer_early_stops_the_provider(world):
    connection = await world.imported(await world.register())

    async with world.acme.http(connection.id) as http, http.stream("GET", "/stream?bytes=200000000") as answer:
        async for _ in answer.aiter_bytes():
            break
    await asyncio.sleep(0.2)

    assert world.practice.bytes_streamed < 50_000_000


async def test_http_raises_at_once_for_whom_it_is_not(world):
    async with world.acme.http(end_user="nobody", provider=await world.register()) as http:
        with pytest.raises(NotConnected) as caught:
            await http.get("/me")

    assert caught.value.facts["next"]["endUser"] == "nobody"


async def test_the_time_of_the_last_use_is_kept(world):
    connection = await world.imported(await world.register())
    before = datetime.now(UTC)

    await world.token(connection)

    assert (await world.acme.connections.get(connection.id)).last_used_at >= before
