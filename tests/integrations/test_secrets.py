import json

import pytest
from sqlalchemy import select

from tieline.audit.tables import audit_events
from tieline.connections.access import Access
from tieline.errors import SealBroken
from tieline.integrations import ClientSettings
from tieline.integrations.registration import registration_of_client
from tieline.integrations.tables import clients as client_rows
from tieline.integrations.tables import integrations as rows
from tieline.manifest.origins import OriginSet
from tieline.secret import Secret

from .documents import INPUTS, document_of, moved_to

pytestmark = pytest.mark.anyio
SQLITE = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
CANARY = "canary-7f3a"


async def test_a_secret_is_used_but_shows_nowhere(integrations, tenants, crm, database, registered):
    shown = await integrations.put(tenants.platform, "crm", client_id="c1", client_secret=CANARY)
    settings = ClientSettings("c1", CANARY)

    used = await registered(tenants.platform)
    stored = await database.read(
        lambda connection: repr(
            [connection.execute(select(table)).all() for table in (rows, client_rows, audit_events)]
        )
    )

    assert used.client_secret == Secret(CANARY)
    everything = [shown, await integrations.get(tenants.platform, "crm"), await integrations.list(tenants.platform)]
    for each in (*everything, settings, used, Access(None, "default", used)):
        assert CANARY not in repr(each) + str(each)
    assert CANARY not in json.dumps([each.dump() for each in everything])
    assert CANARY not in stored


@SQLITE
async def test_a_sealed_secret_opens_in_its_own_row_and_under_its_own_origins_only(
    integrations, providers, tenants, crm, database, registered
):
    await providers.register(tenants.platform, document_of(id="twin"))
    await integrations.put(tenants.platform, "crm", client_id="c1", client_secret="s1")
    await integrations.put(tenants.platform, "twin", client_id="c2", client_secret="s2")
    await integrations.put(tenants.acme, "twin", client_id="c3", client_secret="s3")
    query = select(client_rows.c.client_id, client_rows.c.sealed)
    sealed = await database.read(lambda connection: dict(connection.execute(query).all()))
    elsewhere = '{"token":["https://evil.example"]}'

    for change in ({"sealed": sealed["c1"]}, {"sealed": sealed["c3"]}, {"origins": elsewhere, "sealed": sealed["c2"]}):
        update = client_rows.update().where(client_rows.c.client_id == "c2").values(**change)
        await database.write(lambda connection, update=update: connection.execute(update))
        with pytest.raises(SealBroken):
            await registered(tenants.platform, "twin")


async def test_deleting_takes_the_secrets_with_it(integrations, tenants, crm, database, vault):
    await integrations.put(tenants.platform, "crm", client_id="c1", client_secret="s1")
    query = select(client_rows.c.id, rows.c.provider_id).join(rows)
    client, provider = await database.read(lambda connection: connection.execute(query).one())

    def of_client(connection):
        return registration_of_client(connection, vault, tenants.platform, provider, client)

    before = await database.read(of_client)
    await integrations.delete(tenants.platform, "crm")

    assert before.client_secret.reveal() == "s1"
    assert await database.read(lambda connection: connection.execute(select(client_rows)).all()) == []
    assert await database.read(of_client) is None


@pytest.mark.parametrize("whose", ["another platform", "another provider"])
async def test_a_client_that_was_written_into_a_row_of_somebody_else_is_none(
    integrations, tenants, crm, database, vault, whose
):
    await integrations.put(tenants.platform, "crm", client_id="c1", client_secret="s1")
    query = select(client_rows.c.id, rows.c.provider_id).join(rows)
    client, provider = await database.read(lambda connection: connection.execute(query).one())
    actor = tenants.rival if whose == "another platform" else tenants.platform
    provider = "prv_other" if whose == "another provider" else provider

    found = await database.read(lambda open_: registration_of_client(open_, vault, actor, provider, client))

    assert found is None


async def test_admin_inputs_are_checked_and_secret_ones_never_returned(
    integrations, providers, tenants, database, registered
):
    await providers.register(tenants.platform, document_of(inputs=INPUTS))

    saved = await integrations.put(tenants.platform, "crm", admin_inputs={"developerToken": CANARY, "region": "eu"})
    later = await integrations.put(tenants.platform, "crm", admin_inputs={"account": "a1"})
    used = await registered(tenants.platform)
    stored = await database.read(
        lambda connection: repr([connection.execute(select(table)).all() for table in (rows, audit_events)])
    )

    assert (saved.admin_inputs, saved.secret_inputs_set) == ({"region": "eu"}, ("developerToken",))
    assert later.admin_inputs == {"region": "eu", "account": "a1"}
    assert later.secret_inputs_set == ("developerToken",)
    assert dict(used.inputs) == {"region": "eu", "account": "a1"}
    assert dict(used.secret_inputs) == {"developerToken": CANARY}
    assert CANARY not in repr(saved) + json.dumps(saved.dump()) + repr(used) + stored


TOKEN_ORIGIN = "https://auth.crm.example/token"


async def test_a_secret_stays_where_it_was_entered_for_until_it_is_entered_again(
    integrations, providers, tenants, crm, access
):
    await integrations.put(tenants.platform, "crm", client_id="c1", client_secret="s1")
    assert (await access(tenants.platform)).client_setting("token").to.allows(TOKEN_ORIGIN)

    await providers.publish(tenants.platform, "crm", moved_to())
    await integrations.put(tenants.platform, "crm", client_id="c1-renamed", enabled=True, scopes=["read"])

    moved = await access(tenants.platform)
    assert moved.registration.client_secret == Secret("s1")
    assert moved.computed_origins().of_use("token").allows("https://evil.example/token")
    for use in ("token", "revoke"):
        assert not moved.client_setting(use).to.allows("https://evil.example/token"), use
    assert moved.client_setting("token").to == OriginSet()

    await integrations.put(tenants.platform, "crm", client_secret="s2")

    again = await access(tenants.platform)
    assert again.client_setting("token").to == OriginSet.of("https://evil.example")
    assert again.client_setting("token").values["client"] == {"id": "c1-renamed", "secret": "s2"}


async def test_a_client_without_a_secret_follows_the_document(integrations, providers, tenants, access):
    public = {**document_of()["oauth2"], "clientAuth": "none"}
    await providers.register(tenants.platform, document_of(oauth2=public))
    await integrations.put(tenants.platform, "crm", client_id="c1")

    await providers.publish(tenants.platform, "crm", moved_to("new.example", clientAuth="none"))

    assert (await access(tenants.platform)).client_setting("token").to == OriginSet.of("https://new.example")


async def test_a_secret_is_entered_for_the_version_that_the_integration_is_pinned_to(
    integrations, providers, tenants, crm, access
):
    await integrations.put(tenants.platform, "crm", pinned_version="1.0.0")
    await providers.publish(tenants.platform, "crm", moved_to())

    await integrations.put(tenants.platform, "crm", client_id="c1", client_secret="s1")

    pinned = await access(tenants.platform)
    assert pinned.client_setting("token").to == OriginSet.of(TOKEN_ORIGIN)
    assert not pinned.registration.origins.all.allows("https://evil.example/")


async def test_a_client_secret_is_no_variable_of_calls_to_where_it_was_not_entered_for(
    integrations, providers, tenants, crm, access
):
    await integrations.put(tenants.platform, "crm", client_id="c1", client_secret=CANARY)
    apply = {"headers": {"X-Client": "{{ client.secret }}"}}
    assert (await access(tenants.platform)).setting("api").values["client"]["secret"] == CANARY

    await providers.publish(tenants.platform, "crm", document_of(api={"baseUrl": "https://evil.example"}, apply=apply))

    moved = await access(tenants.platform)
    for use in ("api", "check", "onConnect", "revoke"):
        setting = moved.setting(use)
        assert setting.values["client"]["secret"] is None or not setting.to.allows("https://evil.example/"), use


async def test_secret_admin_inputs_stay_where_they_were_entered_for(integrations, providers, tenants, access):
    inputs = {"developerToken": {"from": "admin", "secret": True}}
    apply = {"headers": {"X-Developer": "{{ developerToken }}"}}
    document = document_of(inputs=inputs, apply=apply)
    await providers.register(tenants.platform, document)
    await integrations.put(tenants.platform, "crm", admin_inputs={"developerToken": CANARY})
    assert (await access(tenants.platform)).setting("api").values["developerToken"] == CANARY

    await providers.publish(tenants.platform, "crm", {**document, "api": {"baseUrl": "https://evil.example"}})
    await integrations.put(tenants.platform, "crm", enabled=True)

    setting = (await access(tenants.platform)).setting("api")
    assert setting.values.get("developerToken") is None or not setting.to.allows("https://evil.example/")


@SQLITE
async def test_the_audit_says_which_parts_were_set_and_not_what_to(integrations, tenants, crm, database):
    await integrations.put(tenants.platform, "crm", client_id="c1", client_secret=CANARY, enabled=True)

    events = await database.read(lambda connection: connection.execute(select(audit_events)).all())
    (event,) = [each for each in events if each.action == "integration.updated"]
    assert "client:default" in repr(event.facts)
    assert CANARY not in repr(event)
