import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tieline.actor import Actor
from tieline.audit import Also, record
from tieline.errors import Forbidden
from tieline.secret import Secret
from tieline.storage.changes import bump

pytestmark = pytest.mark.anyio


def counts(connection):
    return dict(connection.execute(text("SELECT topic, n FROM changes")).all())


async def test_an_event_says_who_did_what_to_what(database, audit, actor):
    before = datetime.now(UTC)

    await database.write(
        lambda connection: record(connection, actor, "apiKey.created", "key_9", scopes=["proxy"], until=before)
    )

    (event,) = (await audit.list(actor)).items
    assert event.id.startswith("evt_")
    assert (event.organization, event.actor, event.action, event.target, event.outcome) == (
        "org_a",
        "apiKey:key_1",
        "apiKey.created",
        "key_9",
        "ok",
    )
    assert event.facts == {"scopes": ["proxy"], "until": before.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
    assert before <= event.at <= datetime.now(UTC)
    assert event.seq is None


async def test_a_change_that_is_rolled_back_leaves_no_event(database, audit, actor):
    def half(connection):
        record(connection, actor, "apiKey.created", "key_9")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await database.write(half)

    assert (await audit.list(actor)).items == ()


@pytest.mark.parametrize("hidden", [Secret("s3cr3t"), b"s3cr3t", object(), float("nan")])
async def test_facts_that_could_hold_a_secret_are_refused(database, audit, actor, hidden):
    with pytest.raises((TypeError, ValueError)):
        await database.write(lambda connection: record(connection, actor, "a", "t", inside={"deep": [hidden]}))
    with pytest.raises((TypeError, ValueError)):
        await audit.log(actor, "a", "t", inside=hidden)

    assert (await audit.list(actor)).items == ()


async def test_a_logged_event_is_stored_when_log_returns(audit, actor):
    await audit.log(actor, "credential.read", "conn_1", outcome="denied", ip="127.0.0.1")

    (event,) = (await audit.list(actor)).items
    assert (event.action, event.outcome, event.facts) == ("credential.read", "denied", {"ip": "127.0.0.1"})


async def test_calls_at_once_share_few_transactions(database, audit, actor):
    writes, write = [], database.write
    database.write = lambda change: (writes.append(1), write(change))[1]

    await asyncio.gather(*(audit.log(actor, "proxy.call", f"conn_{n}") for n in range(200)))

    assert len(writes) < 5
    assert len((await audit.list(actor, limit=300)).items) == 200


async def test_what_else_is_to_be_written_goes_with_it_once_per_key(database, audit, actor):
    def used(name):
        return Also(name, lambda connection: bump(connection, name))

    await asyncio.gather(*(audit.log(actor, "proxy.call", "conn_1", also=used(f"c{n % 3}")) for n in range(30)))

    written = await database.read(counts)
    assert written.keys() == {"c0", "c1", "c2"}
    assert sum(written.values()) < 10


async def test_one_that_fails_does_not_fail_the_others(audit, actor):
    def fail(connection):
        connection.execute(text("INSERT INTO changes VALUES ('a', NULL)"))

    answers = await asyncio.gather(
        *(audit.log(actor, "proxy.call", f"conn_{n}", also=Also(n, fail) if n == 5 else None) for n in range(10)),
        return_exceptions=True,
    )

    assert [n for n, answer in enumerate(answers) if answer is not None] == [5]
    assert "conn_5" not in {event.target for event in (await audit.list(actor)).items}


async def test_an_event_whose_caller_is_cancelled_is_written(audit, actor):
    caller = asyncio.create_task(audit.log(actor, "proxy.call", "conn_1"))
    await asyncio.sleep(0)
    caller.cancel()
    await audit.close()

    assert len((await audit.list(actor)).items) == 1


async def test_a_list_goes_from_the_newest_in_pages(audit, actor):
    for n in range(5):
        await audit.log(actor, "proxy.call", f"conn_{n}")
        await asyncio.sleep(0.002)

    first = await audit.list(actor, limit=3)
    second = await audit.list(actor, limit=3, cursor=first.next_cursor)

    assert [event.target for event in (*first.items, *second.items)] == [f"conn_{n}" for n in (4, 3, 2, 1, 0)]
    assert second.next_cursor is None


async def test_a_list_can_be_narrowed(audit, actor):
    await audit.log(actor, "proxy.call", "conn_1")
    await audit.log(actor, "credential.read", "conn_1")
    await audit.log(actor, "proxy.call", "conn_2")

    async def targets(**narrowed):
        return [(event.action, event.target) for event in (await audit.list(actor, **narrowed)).items]

    assert await targets(target="conn_2") == [("proxy.call", "conn_2")]
    assert await targets(action="credential.read") == [("credential.read", "conn_1")]
    assert await targets(since=datetime.now(UTC) + timedelta(minutes=1)) == []
    assert len(await targets(since=datetime.now(UTC) - timedelta(minutes=1))) == 3


async def test_another_organization_sees_nothing_of_it(audit, actor, stranger):
    await audit.log(actor, "proxy.call", "conn_1")
    await audit.seal()

    assert (await audit.list(stranger)).items == ()
    assert (await audit.verify(stranger)).events == 0
    assert "conn_1" not in "".join([line async for line in audit.export(stranger)])


async def test_reading_the_audit_needs_its_scope(audit, actor):
    blind: Actor = replace(actor, permissions=frozenset({"proxy"}))

    for reading in (audit.list(blind), audit.verify(blind)):
        with pytest.raises(Forbidden):
            await reading
    with pytest.raises(Forbidden):
        audit.export(blind)
