import asyncio
import json

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tieline.audit import Audit, verify_export
from tieline.audit import reading as module
from tieline.errors import InvalidRequest
from tieline.storage.database import Database
from tieline.storage.keyring import KeyRing
from tieline.storage.vault import Vault

pytestmark = pytest.mark.anyio


async def fill(audit, actor, *, seals=3, each=4):
    for n in range(seals):
        await asyncio.gather(*(audit.log(actor, "proxy.call", f"conn_{n}_{m}", n=n, name="ü") for m in range(each)))
        await audit.seal()


async def tamper(database, *statements):
    """What somebody with the database's own password can do: take the triggers off first."""

    def change(connection):
        if database.dialect == "sqlite":
            names = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
            for name in names:
                connection.execute(text(f"DROP TRIGGER {name}"))
        else:
            for table in ("audit_events", "audit_heads"):
                connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        for statement in statements:
            connection.execute(text(statement))

    await database.write(change)


async def test_sealed_events_have_a_place_in_the_chain_and_verify(audit, actor):
    await fill(audit, actor)

    result = await audit.verify(actor)

    assert (result.ok, result.events, result.heads, result.unsealed) == (True, 12, 3, 0)
    assert sorted(event.seq for event in (await audit.list(actor)).items) == list(range(1, 13))


async def test_an_empty_audit_verifies(audit, actor):
    assert (await audit.verify(actor)).ok


async def test_the_unsealed_tail_is_reported(audit, actor):
    await fill(audit, actor)
    await audit.log(actor, "proxy.call", "conn_9")

    result = await audit.verify(actor)

    assert (result.ok, result.events, result.unsealed) == (True, 12, 1)


async def test_a_chain_longer_than_a_batch_verifies(audit, actor, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 5)
    await fill(audit, actor)

    result = await audit.verify(actor)

    assert (result.ok, result.events, result.heads) == (True, 12, 3)


async def test_the_loop_seals_within_a_second(database, vault, actor):
    audit = Audit(database, vault)
    await audit.start()

    await audit.log(actor, "proxy.call", "conn_1")
    await asyncio.sleep(1)

    assert (await audit.list(actor)).items[0].seq == 1
    await audit.close()


async def test_closing_seals_what_is_left(database, vault, actor):
    audit = Audit(database, vault, every=60)
    await audit.start()
    await asyncio.sleep(0.1)

    await audit.log(actor, "proxy.call", "conn_1")
    await audit.close()

    assert (await audit.list(actor)).items[0].seq == 1


async def test_sealers_of_several_processes_do_not_disturb_each_other(database_url, vault, actor, audit):
    databases = [await Database.open(database_url) for _ in range(3)]
    audits = [Audit(database, vault) for database in databases]

    for _ in range(5):
        await asyncio.gather(*(each.log(actor, "proxy.call", "conn_1") for each in audits for _ in range(7)))
        await asyncio.gather(*(each.seal() for each in audits))
    await audit.seal()

    result = await audit.verify(actor)
    assert (result.ok, result.events, result.unsealed) == (True, 105, 0)
    for database in databases:
        await database.close()


async def test_chains_of_organizations_are_apart(audit, actor, stranger):
    await fill(audit, actor)
    await fill(audit, stranger, seals=1)

    assert (await audit.verify(actor)).events == 12
    assert (await audit.verify(stranger)).events == 4


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audit_events",
        "DELETE FROM audit_heads",
        "UPDATE audit_events SET target = 'x'",
        "UPDATE audit_events SET facts = '{}' WHERE seq IS NULL",
        "UPDATE audit_events SET seq = NULL, prev_hash = NULL, hash = NULL",
        "UPDATE audit_events SET hash = 'x' WHERE seq = 1",
        "UPDATE audit_heads SET signature = 'x'",
    ],
)
async def test_the_database_itself_refuses_to_change_it(database, audit, actor, statement):
    await fill(audit, actor)
    await audit.log(actor, "proxy.call", "conn_9", unsealed=True)

    with pytest.raises(IntegrityError, match="append-only"):
        await database.write(lambda connection: connection.execute(text(statement)))

    assert (await audit.verify(actor)).ok


@pytest.mark.parametrize(
    ("statements", "broken", "reason"),
    [
        (["UPDATE audit_events SET target = 'x' WHERE seq = 5"], 5, "it was changed"),
        (["UPDATE audit_events SET facts = '{}' WHERE seq = 5"], 5, "it was changed"),
        (["UPDATE audit_events SET facts = 'not JSON' WHERE seq = 5"], 5, "it was changed"),
        (["UPDATE audit_events SET actor = 'x' WHERE seq = 12"], 12, "it was changed"),
        (["DELETE FROM audit_events WHERE seq = 5"], 5, "an event is missing"),
        (["DELETE FROM audit_events WHERE seq = 12"], 9, "a signed head says otherwise"),
        (["DELETE FROM audit_events WHERE seq > 8"], 9, "a signed head says otherwise"),
        (["DELETE FROM audit_events"], 1, "a signed head says otherwise"),
        (["DELETE FROM audit_events WHERE seq = 12", "DELETE FROM audit_heads WHERE seq = 12"], 9, "no signed head"),
        (["DELETE FROM audit_heads"], 1, "no signed head"),
        (["UPDATE audit_heads SET hash = 'x' WHERE seq = 8"], 5, "a signed head says otherwise"),
        (["UPDATE audit_heads SET signature = 'AAAA' WHERE seq = 8"], 5, "signature"),
        (["UPDATE audit_events SET seq = 1000000000 WHERE seq = 5"], 5, "an event is missing"),
    ],
)
async def test_the_first_place_that_was_tampered_with_shows(database, audit, actor, statements, broken, reason):
    await fill(audit, actor)

    await tamper(database, *statements)

    result = await audit.verify(actor)
    assert not result.ok
    assert result.broken == broken
    assert reason in result.reason


async def test_a_chain_made_anew_without_the_key_ring_does_not_verify(database, audit, actor):
    await fill(audit, actor)
    await tamper(
        database,
        "UPDATE audit_events SET target = 'x', seq = NULL, prev_hash = NULL, hash = NULL",
        "DELETE FROM audit_heads",
        "DELETE FROM audit_keys",
    )
    await Audit(database, Vault(KeyRing.generate())).seal()

    result = await audit.verify(actor)

    assert (result.ok, result.broken) == (False, 1)
    assert "signature" in result.reason


async def test_an_export_verifies_offline(audit, actor):
    await fill(audit, actor)
    await audit.log(actor, "proxy.call", "conn_9")

    lines = [line async for line in audit.export(actor)]
    result = verify_export(lines)

    assert (result.ok, result.events, result.heads, result.unsealed) == (True, 12, 3, 1)
    assert [json.loads(line)["type"] for line in lines][:7] == [
        "audit",
        "event",
        "event",
        "event",
        "event",
        "head",
        "event",
    ]


async def test_an_export_that_was_changed_does_not_verify(audit, actor):
    await fill(audit, actor)
    lines = [line async for line in audit.export(actor)]

    assert not verify_export(line.replace("conn_1_0", "conn_1_X") for line in lines).ok
    assert not verify_export(line for number, line in enumerate(lines) if number != 3).ok
    assert not verify_export(
        line.replace("org_a", "org_b") if number == 0 else line for number, line in enumerate(lines)
    ).ok


async def test_an_export_signed_by_another_key_does_not_verify_against_the_one_noted(database, audit, actor):
    await fill(audit, actor)
    noted = json.loads(await anext(audit.export(actor)))["publicKey"]
    await tamper(database, "DELETE FROM audit_events", "DELETE FROM audit_heads", "DELETE FROM audit_keys")
    await fill(audit, actor)
    lines = [line async for line in audit.export(actor)]

    assert verify_export(lines).ok
    assert not verify_export(lines, public_key=noted).ok


async def test_a_part_of_an_export_is_refused(audit, actor):
    await fill(audit, actor)
    lines = [line async for line in audit.export(actor)]

    for part in (lines[:-1], lines[1:], [], ["not JSON"], [lines[0], "[]"], [lines[0], '{"type":"event"}']):
        with pytest.raises(InvalidRequest):
            verify_export(part)


async def test_the_signing_key_is_sealed(database, audit, actor, vault):
    await fill(audit, actor)

    sealed = await database.read(
        lambda connection: connection.execute(text("SELECT sealed FROM audit_keys")).scalar_one()
    )

    assert len(bytes(sealed)) > 32 + 12 + 16
