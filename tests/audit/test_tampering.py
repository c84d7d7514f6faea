"""Whatever somebody does to the tables with the database's own password shows: here, and offline in an export."""

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import text

from tieline.audit import Audit, verify_export
from tieline.audit.chain import Entry
from tieline.errors import InvalidRequest
from tieline.storage.keyring import KeyRing
from tieline.storage.vault import Vault

from .test_chain import fill, tamper

pytestmark = pytest.mark.anyio

_FORGED = (
    "INSERT INTO audit_events (id, org, at, actor, action, target, outcome, facts, seq, prev_hash, hash)"
    " SELECT 'evt_forged', org, at, actor, action, 'forged', outcome, facts, 13, hash, '{hash}'"
    " FROM audit_events WHERE org = 'org_a' AND seq = 12"
)
_CUT = (
    "DELETE FROM audit_events WHERE org = 'org_a' AND seq > 8",
    "DELETE FROM audit_heads WHERE org = 'org_a' AND seq > 8",
)
_ALL = ("DELETE FROM audit_events WHERE org = 'org_a'", "DELETE FROM audit_heads WHERE org = 'org_a'")
_SWAPPED = (
    "UPDATE audit_heads SET signature = (SELECT signature FROM audit_heads WHERE org = 'org_a' AND seq = 4)"
    " WHERE org = 'org_a' AND seq = 8"
)
_REORDERED = tuple(
    f"UPDATE audit_events SET seq = {to} WHERE org = 'org_a' AND seq = {since}"
    for since, to in ((5, 99), (6, 5), (99, 6))
)
_PASTED = (
    *_ALL,
    "UPDATE audit_events SET org = 'org_a' WHERE org = 'org_b'",
    "UPDATE audit_heads SET org = 'org_a' WHERE org = 'org_b'",
)
_PASTED_WITH_ITS_KEY = (
    *_PASTED,
    "DELETE FROM audit_keys WHERE org = 'org_a'",
    "UPDATE audit_keys SET org = 'org_a' WHERE org = 'org_b'",
)


async def judged(audit: Audit, actor: Any, **noted: Any) -> list[Any]:
    """As verified in the database, and offline on an export."""
    lines = [line async for line in audit.export(actor)]
    marks = [(int(noted["noted"].partition(":")[0]), noted["noted"].partition(":")[2])] if noted else []
    return [await audit.verify(actor, **noted), verify_export(lines, noted=marks)]


@pytest.mark.parametrize(
    ("statements", "broken", "reason"),
    [
        (["DELETE FROM audit_events WHERE org = 'org_a' AND seq = 5"], 5, "an event is missing"),
        (["DELETE FROM audit_events WHERE org = 'org_a' AND seq = 1"], 1, "an event is missing"),
        (["UPDATE audit_events SET at = '2020-01-01' WHERE org = 'org_a' AND seq = 5"], 5, "it was changed"),
        (_REORDERED, 5, "it does not follow the event before it"),
        ([_FORGED.format(hash="0" * 64)], 13, "it was changed"),
        (_CUT[:1], 9, "a signed head says otherwise"),
        (_CUT[1:], 9, "no signed head covers it"),
        (_CUT, 9, "end"),
        (_ALL, 1, "end"),
        ([_SWAPPED], 5, "the signature of a head does not hold"),
        (_PASTED, 1, "it was changed"),
        (_PASTED_WITH_ITS_KEY, 1, "it was changed"),
        (["DELETE FROM audit_keys WHERE org = 'org_a'"], 1, "the signature of a head does not hold"),
    ],
)
async def test_what_was_done_shows_in_the_database_and_in_an_export(
    database, audit, actor, stranger, statements, broken, reason
):
    await fill(audit, actor)
    await fill(audit, stranger)
    assert all(result.ok for result in await judged(audit, actor))

    await tamper(database, *statements)

    for result in await judged(audit, actor):
        assert not result.ok
        assert result.broken == broken
        assert reason in result.reason


async def test_a_chain_that_lost_its_end_does_not_heal_when_it_goes_on(database, audit, actor):
    await fill(audit, actor)
    await tamper(database, *_CUT)

    await audit.log(actor, "proxy.call", "conn_later")
    await audit.seal()

    for result in await judged(audit, actor):
        assert (result.ok, result.broken, result.reason) == (False, 9, "an event is missing")


async def test_a_whole_chain_made_anew_without_the_key_does_not_verify(database, audit, actor):
    """Every hash is right again; only who has the key can sign."""
    await fill(audit, actor)
    rows = await database.read(
        lambda c: c.execute(text("SELECT * FROM audit_events WHERE org = 'org_a' ORDER BY seq")).mappings().all()
    )
    heads = await database.read(lambda c: c.execute(text("SELECT seq, at FROM audit_heads ORDER BY seq")).all())
    listed = {event.id: event for event in (await audit.list(actor, limit=50)).items}
    changes, before = [], "0" * 64
    for row in rows:
        event = listed[row["id"]]
        target = "conn_harmless" if row["seq"] == 3 else event.target
        entry = Entry(event.id, "org_a", event.at, event.actor, event.action, target, event.outcome, row["facts"])
        own = entry.hash_at(row["seq"], before)
        changes.append(
            f"UPDATE audit_events SET target = '{target}', prev_hash = '{before}', hash = '{own}'"
            f" WHERE org = 'org_a' AND seq = {row['seq']}"
        )
        changes += [f"UPDATE audit_heads SET hash = '{own}' WHERE seq = {row['seq']}"]
        before = own

    await tamper(database, *changes)

    assert len(heads) == 3
    for result in await judged(audit, actor):
        assert (result.ok, result.broken, result.reason) == (False, 1, "the signature of a head does not hold")


async def test_a_key_of_ones_own_signs_nothing(database, audit, actor):
    await fill(audit, actor)
    await tamper(database, *_ALL, "DELETE FROM audit_keys")
    foreign = Audit(database, Vault(KeyRing.generate()))
    await fill(foreign, actor)

    assert not (await audit.verify(actor)).ok
    assert not verify_export([line async for line in audit.export(actor)]).ok


async def test_only_what_was_noted_elsewhere_shows_that_everything_was_set_back(database, audit, actor):
    """The honest limit: the tables and the sealed key, all of one moment, are a chain that holds."""
    await fill(audit, actor, seals=2)
    (key,) = await database.read(lambda c: c.execute(text("SELECT sealed FROM audit_keys")).scalars().all())
    await fill(audit, actor, seals=1)
    noted = await audit.verify(actor)
    mark = f"{noted.events}:{noted.hash}"
    assert all(result.ok for result in await judged(audit, actor, noted=mark))

    await tamper(database, *_CUT, f"UPDATE audit_keys SET sealed = {_literal(database, key)}")

    assert all(result.ok for result in await judged(audit, actor))
    for result in await judged(audit, actor, noted=mark):
        assert (result.ok, result.broken, result.reason) == (False, 9, "the end of the chain is missing")


async def test_another_event_where_one_was_noted_shows(audit, actor):
    await fill(audit, actor)

    for result in await judged(audit, actor, noted=f"8:{'0' * 64}"):
        assert (result.ok, result.broken) == (False, 8)
    for wrong in ("", "8", "x:" + "0" * 64, "8:" + "0" * 63, "8:" + "Z" * 64):
        with pytest.raises(InvalidRequest):
            await audit.verify(actor, noted=wrong)


def _literal(database: Any, blob: bytes) -> str:
    return f"x'{blob.hex()}'" if database.dialect == "sqlite" else f"'\\x{blob.hex()}'::bytea"


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_no_event_of_an_export_can_be_taken_out_doubled_or_moved(audit, actor):
    await fill(audit, actor)
    await asyncio.gather(*(audit.log(actor, "proxy.call", f"conn_{n}") for n in range(3)))
    lines = [line async for line in audit.export(actor)]
    kinds = [json.loads(line)["type"] for line in lines]
    assert verify_export(lines).ok

    # A head in the middle may go: the ones behind it cover the same events.
    for place in [number for number, kind in enumerate(kinds) if kind == "event"]:
        assert not verify_export(lines[:place] + lines[place + 1 :]).ok, lines[place]
        assert not verify_export([*lines[:place], lines[place], *lines[place:]]).ok, lines[place]
        if kinds[place + 1] == "event":
            swapped = [*lines[:place], lines[place + 1], lines[place], *lines[place + 2 :]]
            assert not verify_export(swapped).ok, lines[place]
    # Cut at each head, with the end that was there, or one that nobody signed.
    for place in [number + 1 for number, kind in enumerate(kinds) if kind == "head"][:-1]:
        assert not verify_export([*lines[:place], lines[-1]]).ok
        head = json.loads(lines[place - 1])
        assert not verify_export([*lines[:place], json.dumps({**head, "type": "end"})]).ok
        with pytest.raises(InvalidRequest):
            verify_export([*lines[:place], '{"type":"end"}'])


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_an_export_before_the_first_seal_verifies_and_one_without_a_key_is_nothing_more(audit, actor):
    await audit.log(actor, "proxy.call", "conn_1")
    early = [line async for line in audit.export(actor)]
    assert (verify_export(early).ok, verify_export(early).unsealed) == (True, 1)
    await fill(audit, actor)
    lines = [line async for line in audit.export(actor)]

    first = json.loads(lines[0])
    assert not verify_export([json.dumps({**first, "publicKey": None}), *lines[1:]]).ok
    assert not verify_export(early, public_key=first["publicKey"]).ok
