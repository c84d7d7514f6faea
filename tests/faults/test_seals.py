"""What somebody changes in the database opens no more: it is refused, written down once, and stops nothing else."""

import asyncio
from functools import partial
from typing import Any

import httpx2
import pytest
from sqlalchemy import LargeBinary, select, update

from tieline.api import app
from tieline.api.stored_answers import Claim, StoredAnswers
from tieline.audit.tables import audit_keys
from tieline.connections import Reference
from tieline.connections.tables import connect_sessions, connections, credentials
from tieline.errors import SealBroken
from tieline.hub import Hub
from tieline.integrations.tables import clients, integrations
from tieline.storage.metadata import metadata
from tieline.storage.vault import Vault
from tieline.testing import serve

from .sites import Site, ring_of, sealed_values

pytestmark = pytest.mark.anyio

TABLES = sorted(
    table.name for table in metadata.tables.values() if any(isinstance(each.type, LargeBinary) for each in table.c)
)


async def broken(hub: Hub, **filters: Any) -> list[Any]:
    """The audit's events about it, of whichever organization; they are written beside the answer."""
    await asyncio.sleep(0.3)
    found = []
    for slug in ("acme", "default"):
        page = await hub.organization(slug).audit.list(action="seal.broken", limit=200, **filters)
        found += page.items
    return found


async def put(hub: Hub, table: Any, where: Any, **columns: Any) -> None:
    await hub.db.write(lambda connection: connection.execute(update(table).where(where).values(**columns)))


async def stored(hub: Hub, connection_id: str) -> Any:
    query = select(credentials).where(credentials.c.connection_id == connection_id)
    return await hub.db.read(lambda connection: connection.execute(query).one())


async def token(hub: Hub, connection_id: str) -> str:
    credential = await hub.organization("acme").connections.credentials(Reference(id=connection_id))
    return credential.access_token.reveal()


@pytest.mark.parametrize("table", TABLES)
async def test_no_value_opens_in_another_place_or_with_a_bit_changed(site: Site, table: str) -> None:
    async with site.open("k1") as hub:
        await site.furnish(hub)
        everything = await sealed_values(hub)
    vault = Vault(ring_of("k1", "k2"))
    places = [about for values in everything.values() for about, _ in values]

    for about, blob in everything[table]:
        assert vault.open(blob, about=about)
        for other in places:
            if other != about:
                with pytest.raises(SealBroken):
                    vault.open(blob, about=other)
        for place in (0, 1, 3, 4, 10, len(blob) - 1):
            with pytest.raises(SealBroken):
                vault.open(blob[:place] + bytes([blob[place] ^ 1]) + blob[place + 1 :], about=about)


async def test_an_older_credential_put_back_does_not_open(site: Site) -> None:
    async with site.open("k1") as hub:
        await site.furnish(hub)
        mine = site.connections[0]
        older = await stored(hub, mine)
        await hub.organization("acme").connections.refresh(Reference(id=mine))

        await put(hub, credentials, credentials.c.connection_id == mine, sealed=older.sealed)

        with pytest.raises(SealBroken):
            await token(hub, mine)


async def test_a_credential_that_was_renewed_by_its_user_opens(site: Site) -> None:
    async with site.open("k1") as hub:
        await site.furnish(hub, users=1)
        acme, granted = hub.organization("acme"), site.practice.issue_tokens(user="ada@practice.example")
        again, new = await acme.connections.upsert(
            provider="practice",
            end_user="user-0",
            credentials={"accessToken": granted["access_token"], "refreshToken": granted["refresh_token"]},
            check=False,
        )

        assert (again.id, new) == (site.connections[0], False)
        assert await token(hub, again.id) == granted["access_token"]
        assert (await stored(hub, again.id)).version == 2


async def test_what_does_not_open_is_written_down_once_and_the_others_go_on(site: Site) -> None:
    async with site.open("k1") as hub, serve(app(hub)) as url:
        await site.furnish(hub, users=3)
        spoilt, swapped, whole = site.connections
        key = (await hub.create_first_key()).key.reveal()
        row, other = await stored(hub, spoilt), await stored(hub, whole)
        await put(hub, credentials, credentials.c.connection_id == spoilt, sealed=row.sealed[:-1] + b"!")
        await put(hub, credentials, credentials.c.connection_id == swapped, sealed=other.sealed)
        headers = {"Authorization": f"Bearer {key}", "Tieline-Organization": "acme"}

        async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=20, trust_env=False) as http:
            paths = ("credentials", "proxy/me", "explain")
            asked = [http.get(f"/v1/connections/{each}/{path}") for each in (spoilt, swapped) for path in paths * 10]
            answers = await asyncio.gather(*asked)
            listed = await http.get("/v1/connections")
            good = [await http.get(f"/v1/connections/{whole}/{path}") for path in paths]
        events = await broken(hub)

        assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(409, "seal-broken")}
        assert listed.status_code == 200
        assert [answer.status_code for answer in good] == [200, 200, 200]
        assert sorted(event.target for event in events) == sorted([spoilt, swapped])
        assert {(event.actor, event.outcome, event.facts["table"]) for event in events} == {
            ("system:vault", "refused", "credentials")
        }

    async with site.open("k1") as again:
        with pytest.raises(SealBroken):
            await token(again, spoilt)
        assert len(await broken(again, target=spoilt)) == 1


@pytest.mark.parametrize("table", [integrations, clients, connect_sessions, audit_keys], ids=lambda each: each.name)
async def test_whatever_does_not_open_is_written_down_for_its_owner(site: Site, table: Any) -> None:
    async with site.open("k1") as hub:
        await site.furnish(hub)
        acme = hub.organization("acme")
        session = await acme.connect.start(provider="practice-key", end_user="ada", inputs={"apiKey": "practice-key"})
        actor = await acme.actor()
        mine = table.c.org == actor.organization
        if table is audit_keys:
            sealed = (await sealed_values(hub))["audit_keys"][0][1]
            await put(hub, table, mine, sealed=sealed[:-1] + bytes([sealed[-1] ^ 1]))
            await acme.audit.verify()
        else:
            await put(hub, table, mine, sealed=b"\x01\x02k1" + bytes(40))
            asked = hub.connect.flow.open if table is connect_sessions else partial(token, hub)
            with pytest.raises(SealBroken):
                await asked(session.token.reveal() if table is connect_sessions else site.connections[0])

        events = await broken(hub)
        assert [event.facts["table"] for event in events] == [table.name] * len(events)
        assert len(events) == 1


async def test_a_stored_answer_that_was_moved_is_written_down(site: Site) -> None:
    async with site.open("k1") as hub:
        await site.furnish(hub)
        idempotency = metadata.tables["idempotency"]
        await put(hub, idempotency, idempotency.c.key == "the-first-time", key="moved")
        actor = await hub.organization("acme").actor()

        with pytest.raises(SealBroken):
            await StoredAnswers(hub.db, hub.vault).claim(actor, "moved", "hash")

        (event,) = await broken(hub)
        assert (event.target, Claim(actor.organization, actor.id, "moved")) == (
            f"{actor.id}/moved",
            Claim(actor.organization, actor.id, "moved"),
        )


async def test_an_organization_whose_signing_key_is_broken_stops_no_other_chain(site: Site) -> None:
    async with site.open("k1") as hub:
        await site.furnish(hub)
        acme, other = hub.organization("acme"), hub.organization("other")
        actor = await acme.actor()
        await put(hub, audit_keys, audit_keys.c.org == actor.organization, sealed=b"\x01\x02k1" + bytes(40))
        await acme.api_keys.create("one")
        await other.api_keys.create("two")

        await hub.audit.seal()

        assert (await other.audit.verify()).unsealed == 0
        assert not (await acme.audit.verify()).ok


async def test_a_change_of_what_it_is_bound_to_opens_nothing(site: Site) -> None:
    async with site.open("k1") as hub:
        await site.furnish(hub)
        mine = site.connections[0]
        for columns in ({"origins": '{"api":["https://evil.example"]}'}, {"end_user": "mallory"}):
            row = await hub.db.read(lambda c: c.execute(select(connections).where(connections.c.id == mine)).one())
            await put(hub, connections, connections.c.id == mine, **columns)
            with pytest.raises(SealBroken):
                await token(hub, mine)
            await put(hub, connections, connections.c.id == mine, **{name: getattr(row, name) for name in columns})

        assert await token(hub, mine)
