import json
import re

import pytest
from sqlalchemy import select

from tieline.actor import PERMISSIONS, Actor
from tieline.audit.tables import audit_events
from tieline.connections.access import Access
from tieline.errors import Forbidden, InvalidInputs, InvalidRequest, NotFound, SealBroken
from tieline.integrations import ClientSettings
from tieline.integrations import rows as queries
from tieline.integrations.registration import registration, registration_of_client
from tieline.integrations.tables import clients as client_rows
from tieline.integrations.tables import integrations as rows
from tieline.manifest.origins import OriginSet
from tieline.providers import rows as provider_rows
from tieline.providers.builtin import store
from tieline.secret import Secret

pytestmark = pytest.mark.anyio
SQLITE = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
CANARY = "canary-7f3a"


def _document(**changes):
    document = {
        "id": "crm",
        "name": "CRM",
        "category": "crm",
        "authType": "oauth2",
        "oauth2": {
            "authUrl": "https://auth.crm.example/authorize",
            "tokenUrl": "https://auth.crm.example/token",
            "revokeUrl": "https://auth.crm.example/revoke",
            "scopes": ["read"],
        },
        "api": {"baseUrl": "https://api.crm.example/v1"},
        "links": {"appRegistration": "https://crm.example/apps"},
    }
    return {**document, **changes}


def _moved(host="evil.example", **changes):
    oauth2 = {**_document()["oauth2"], "tokenUrl": f"https://{host}/token", "revokeUrl": f"https://{host}/revoke"}
    return _document(oauth2={**oauth2, **changes})


INPUTS = {
    "developerToken": {"from": "admin", "secret": True, "label": "Developer token", "minLength": 3},
    "region": {"from": "admin", "type": "choice", "options": [{"value": "eu"}, {"value": "us"}]},
    "account": {"from": "adminOrUser", "required": False},
    "nickname": {"from": "user", "required": False},
}


@pytest.fixture
async def crm(providers, tenants):
    return await providers.register(tenants.platform, _document())


@pytest.fixture
def registered(database, vault):
    """What a flow of this actor would use."""

    async def registered(actor, provider="crm", method="default", variant=None):
        def load(connection):
            row = provider_rows.found(connection, actor, provider)
            return registration(connection, vault, actor, row.id, method, variant)

        return await database.read(load)

    return registered


@pytest.fixture
def access(database, documents, registered):
    """The account that a new connection of this actor would be."""

    async def access(actor, provider="crm", method="default"):
        used = await registered(actor, provider, method)

        def load(connection):
            row = provider_rows.found(connection, actor, provider)
            return documents.of(provider_rows.current(connection, row.id, pinned=used.pinned_version))

        return Access(await database.read(load), method, used)

    return access


async def test_before_anything_is_set_the_redirect_uri_is_known(integrations, tenants, crm):
    integration = await integrations.get(tenants.acme, "crm")

    assert (integration.configured, integration.enabled, integration.source) == (False, True, "none")
    assert re.fullmatch(r"https://connect\.acme\.example/oauth/callback/cli_[0-9a-z]{26}", integration.redirect_uri)
    assert integration.setup.url == "https://crm.example/apps"
    assert integration.redirect_uri in " ".join(integration.setup.steps)


async def test_the_redirect_uri_stays_whatever_is_set_deleted_or_published(integrations, providers, tenants, crm):
    before = (await integrations.get(tenants.platform, "crm")).redirect_uri

    first = await integrations.put(tenants.platform, "crm", client_id="c1", client_secret="s1")
    second = await integrations.put(tenants.platform, "crm", client_id="c2", client_secret="s2")
    await providers.publish(tenants.platform, "crm", _moved())
    third = await integrations.get(tenants.platform, "crm")
    await integrations.delete(tenants.platform, "crm")
    fourth = await integrations.get(tenants.platform, "crm")

    assert {each.redirect_uri for each in (first, second, third, fourth)} == {before}


async def test_every_organization_has_a_redirect_uri_of_its_own(integrations, providers, tenants, crm):
    await providers.register(tenants.rival, _document())

    uris = {
        (await integrations.get(actor, "crm")).redirect_uri for actor in (tenants.platform, tenants.acme, tenants.rival)
    }

    assert len(uris) == 3


async def test_a_client_is_set_bit_by_bit(integrations, tenants, crm):
    first = await integrations.put(tenants.platform, "crm", client_id="c1")
    second = await integrations.put(tenants.platform, "crm", client_secret=Secret("s1"))
    third = await integrations.put(tenants.platform, "crm", scopes=["read", "write"], enabled=False)

    assert (first.client_id, first.client_secret_set, first.configured) == ("c1", False, False)
    assert (second.client_id, second.client_secret_set, second.configured) == ("c1", True, True)
    assert (third.client_id, third.client_secret_set, third.scopes, third.enabled) == (
        "c1",
        True,
        ("read", "write"),
        False,
    )


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
    await providers.register(tenants.platform, _document(id="twin"))
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


async def test_a_customer_inherits_until_it_sets_its_own_and_again_when_that_is_deleted(
    integrations, tenants, crm, registered
):
    await integrations.put(tenants.platform, "crm", client_id="shared", client_secret="s")

    inherited = await integrations.get(tenants.acme, "crm")
    assert (inherited.source, inherited.client_id, inherited.configured) == ("platform", "shared", True)
    assert inherited.redirect_uri == (await integrations.get(tenants.platform, "crm")).redirect_uri
    assert (await registered(tenants.acme)).client_secret == Secret("s")

    own = await integrations.put(tenants.acme, "crm", client_id="own", client_secret="t")
    assert (own.source, own.client_id) == ("own", "own")
    assert (await registered(tenants.acme)).client_secret == Secret("t")
    assert (await integrations.get(tenants.globex, "crm")).client_id == "shared"
    assert (await integrations.get(tenants.platform, "crm")).client_id == "shared"

    await integrations.delete(tenants.acme, "crm")
    assert (await integrations.get(tenants.acme, "crm")).client_id == "shared"
    assert (await registered(tenants.acme)).source == "platform"


async def test_an_integration_of_ones_own_begins_empty(integrations, tenants, crm, registered):
    await integrations.put(tenants.platform, "crm", client_id="shared", client_secret="s")

    own = await integrations.put(tenants.acme, "crm", client_id="own")

    assert (own.client_id, own.client_secret_set, own.configured) == ("own", False, False)
    assert (await registered(tenants.acme)).client_secret is None


async def test_a_customer_does_not_delete_what_it_inherits(integrations, tenants, crm, registered):
    await integrations.put(tenants.platform, "crm", client_id="shared", client_secret="s")

    with pytest.raises(NotFound):
        await integrations.delete(tenants.acme, "crm")

    assert (await registered(tenants.platform)).client_id == "shared"


async def test_another_platforms_integration_is_not_there(integrations, providers, tenants, builtin_crm, registered):
    await integrations.put(tenants.platform, "public-crm", client_id="ours", client_secret=CANARY)

    for stranger in (tenants.rival, tenants.umbrella):
        theirs = await integrations.get(stranger, "public-crm")
        assert (theirs.source, theirs.client_id, theirs.client_secret_set) == ("none", None, False)
        assert (await integrations.list(stranger)).items == ()
        assert (await registered(stranger, "public-crm")).client_secret is None


@pytest.fixture
async def builtin_crm(database):
    await database.write(lambda connection: store(connection, _document(id="public-crm", version="1.0.0")))


async def test_deleting_takes_the_secrets_with_it(integrations, tenants, crm, database, vault):
    await integrations.put(tenants.platform, "crm", client_id="c1", client_secret="s1")
    (client,) = await database.read(lambda connection: connection.execute(select(client_rows.c.id)).scalars().all())

    await integrations.delete(tenants.platform, "crm")

    assert await database.read(lambda connection: connection.execute(select(client_rows)).all()) == []
    assert await database.read(lambda connection: registration_of_client(connection, vault, client)) is None


VARIANTS = [{"id": "live", "set": {"host": "live"}}, {"id": "sandbox", "set": {"host": "sandbox"}}]


async def test_each_variant_may_have_a_client_where_the_document_says_so(integrations, providers, tenants, registered):
    oauth2 = {**_document()["oauth2"], "tokenUrl": "https://{{ host }}.crm.example/token"}
    document = _document(oauth2=oauth2, variants=VARIANTS, variantChosenBy="user")
    await providers.register(tenants.platform, document)

    integration = await integrations.put(
        tenants.platform,
        "crm",
        client_id="all",
        client_secret="s-all",
        clients={"default/sandbox": ClientSettings("sand", "s-sand")},
    )

    assert set(integration.clients) == {"default", "default/live", "default/sandbox"}
    assert len({each.redirect_uri for each in integration.clients.values()}) == 3
    assert (await registered(tenants.platform, variant="sandbox")).client_secret == Secret("s-sand")
    assert (await registered(tenants.platform, variant="live")).client_secret == Secret("s-all")
    assert (await registered(tenants.platform)).client_id == "all"


@SQLITE
async def test_a_client_of_a_method_or_variant_that_is_not_there_is_a_fault_each(integrations, tenants, crm, database):
    wanted = {"other": ClientSettings("c"), "default/mars": ClientSettings("c"), "": ClientSettings("c")}

    with pytest.raises(InvalidRequest) as raised:
        await integrations.put(tenants.platform, "crm", clients=wanted)

    assert {(each.path, each.code) for each in raised.value.errors} == {
        ("/clients/other", "unknown_method"),
        ("/clients/default/mars", "unknown_variant"),
    }
    assert await database.read(lambda connection: connection.execute(select(rows)).all()) == []


async def test_admin_inputs_are_checked_and_secret_ones_never_returned(
    integrations, providers, tenants, database, registered
):
    await providers.register(tenants.platform, _document(inputs=INPUTS))

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


@SQLITE
@pytest.mark.parametrize(
    ("given", "paths"),
    [
        ({"region": "mars"}, {"/inputs/region"}),
        ({"developerToken": "x"}, {"/inputs/developerToken"}),
        ({"region": "mars", "developerToken": 7}, {"/inputs/region", "/inputs/developerToken"}),
        ({"nickname": "ada"}, {"/adminInputs/nickname"}),
        ({"nothing": 1}, {"/adminInputs/nothing"}),
    ],
)
async def test_an_admin_input_that_does_not_fit_is_refused(integrations, providers, tenants, database, given, paths):
    await providers.register(tenants.platform, _document(inputs=INPUTS))

    with pytest.raises(InvalidInputs) as raised:
        await integrations.put(tenants.platform, "crm", admin_inputs=given)

    assert {each.path for each in raised.value.errors} == paths
    assert await database.read(lambda connection: connection.execute(select(rows)).all()) == []


@SQLITE
async def test_the_fields_are_a_json_schema_of_the_admins_inputs(integrations, providers, tenants):
    await providers.register(tenants.platform, _document(inputs=INPUTS))

    fields = (await integrations.get(tenants.platform, "crm")).fields

    assert set(fields["properties"]) == {"developerToken", "region", "account"}
    assert fields["required"] == ["developerToken", "region"]
    assert fields["properties"]["developerToken"]["writeOnly"] is True
    assert fields["properties"]["region"]["enum"] == ["eu", "us"]


@SQLITE
async def test_it_is_configured_when_the_admins_part_is_there(integrations, providers, tenants):
    await providers.register(tenants.platform, _document(inputs=INPUTS))

    async def configured(**given):
        return (await integrations.put(tenants.platform, "crm", **given)).configured

    assert await configured(client_id="c") is False
    assert await configured(client_secret="s") is False
    assert await configured(admin_inputs={"region": "eu"}) is False
    assert await configured(admin_inputs={"developerToken": "t0k"}) is True


TOKEN_ORIGIN = "https://auth.crm.example/token"


async def test_a_secret_stays_where_it_was_entered_for_until_it_is_entered_again(
    integrations, providers, tenants, crm, access
):
    await integrations.put(tenants.platform, "crm", client_id="c1", client_secret="s1")
    assert (await access(tenants.platform)).client_setting("token").to.allows(TOKEN_ORIGIN)

    await providers.publish(tenants.platform, "crm", _moved())
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
    public = {**_document()["oauth2"], "clientAuth": "none"}
    await providers.register(tenants.platform, _document(oauth2=public))
    await integrations.put(tenants.platform, "crm", client_id="c1")

    await providers.publish(tenants.platform, "crm", _moved("new.example", clientAuth="none"))

    assert (await access(tenants.platform)).client_setting("token").to == OriginSet.of("https://new.example")


async def test_a_secret_is_entered_for_the_version_that_the_integration_is_pinned_to(
    integrations, providers, tenants, crm, access
):
    await integrations.put(tenants.platform, "crm", pinned_version="1.0.0")
    await providers.publish(tenants.platform, "crm", _moved())

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

    await providers.publish(tenants.platform, "crm", _document(api={"baseUrl": "https://evil.example"}, apply=apply))

    moved = await access(tenants.platform)
    for use in ("api", "check", "onConnect", "revoke"):
        setting = moved.setting(use)
        assert setting.values["client"]["secret"] is None or not setting.to.allows("https://evil.example/"), use


async def test_secret_admin_inputs_stay_where_they_were_entered_for(integrations, providers, tenants, access):
    inputs = {"developerToken": {"from": "admin", "secret": True}}
    apply = {"headers": {"X-Developer": "{{ developerToken }}"}}
    document = _document(inputs=inputs, apply=apply)
    await providers.register(tenants.platform, document)
    await integrations.put(tenants.platform, "crm", admin_inputs={"developerToken": CANARY})
    assert (await access(tenants.platform)).setting("api").values["developerToken"] == CANARY

    await providers.publish(tenants.platform, "crm", {**document, "api": {"baseUrl": "https://evil.example"}})
    await integrations.put(tenants.platform, "crm", enabled=True)

    setting = (await access(tenants.platform)).setting("api")
    assert setting.values.get("developerToken") is None or not setting.to.allows("https://evil.example/")


async def test_the_list_shows_what_is_set_here_or_above_once(integrations, providers, tenants, crm, builtin_crm):
    await integrations.put(tenants.platform, "crm", client_id="c1")
    await integrations.put(tenants.platform, "public-crm", client_id="c2")
    await integrations.put(tenants.acme, "crm", client_id="c3")

    async def listed(actor):
        return [(each.provider, each.client_id, each.source) for each in (await integrations.list(actor)).items]

    assert await listed(tenants.acme) == [("crm", "c3", "own"), ("public-crm", "c2", "platform")]
    assert await listed(tenants.platform) == [("crm", "c1", "own"), ("public-crm", "c2", "own")]
    await providers.retire(tenants.platform, "crm")
    assert await listed(tenants.platform) == [("public-crm", "c2", "own")]


async def test_an_id_that_means_ones_own_provider_is_listed_once(integrations, providers, tenants):
    await providers.register(tenants.acme, _document(name="Acme's"))
    await providers.register(tenants.platform, _document(name="The platform's"))
    await integrations.put(tenants.acme, "crm", client_id="own")
    await integrations.put(tenants.platform, "crm", client_id="shared")

    listed = (await integrations.list(tenants.acme)).items

    assert [(each.provider, each.client_id) for each in listed] == [("crm", "own")]


@SQLITE
async def test_a_provider_that_one_may_not_see_has_no_integration(integrations, providers, tenants):
    await providers.register(tenants.globex, _document(id="hidden"))

    for method in (integrations.get, integrations.put, integrations.delete):
        with pytest.raises(NotFound) as foreign:
            await method(tenants.acme, "hidden")
        with pytest.raises(NotFound) as unknown:
            await method(tenants.acme, "never-there")
        assert foreign.value.detail.replace("hidden", "X") == unknown.value.detail.replace("never-there", "X")


@SQLITE
async def test_a_version_that_is_not_there_cannot_be_pinned(integrations, tenants, crm, database):
    with pytest.raises(NotFound):
        await integrations.put(tenants.platform, "crm", pinned_version="9.9.9")

    assert await database.read(lambda connection: connection.execute(select(rows)).all()) == []


@SQLITE
@pytest.mark.parametrize(
    ("method", "arguments", "scope"),
    [
        ("get", ("crm",), "integrations:read"),
        ("list", (), "integrations:read"),
        ("put", ("crm",), "integrations:write"),
        ("delete", ("crm",), "integrations:write"),
    ],
)
async def test_each_method_needs_its_scope(integrations, tenants, method, arguments, scope):
    actor = Actor("apiKey", "k", tenants.acme.organization, tenants.acme.platform, frozenset(PERMISSIONS) - {scope})

    with pytest.raises(Forbidden) as raised:
        await getattr(integrations, method)(actor, *arguments)

    assert raised.value.facts == {"scope": scope}


@SQLITE
async def test_the_audit_says_which_parts_were_set_and_not_what_to(integrations, tenants, crm, database):
    await integrations.put(tenants.platform, "crm", client_id="c1", client_secret=CANARY, enabled=True)

    events = await database.read(lambda connection: connection.execute(select(audit_events)).all())
    (event,) = [each for each in events if each.action == "integration.updated"]
    assert "client:default" in repr(event.facts)
    assert CANARY not in repr(event)


def test_ids_are_made_of_what_makes_the_row_unique():
    first = queries.client_row_id("int_1", "default", None)

    assert first == queries.client_row_id("int_1", "default", "")
    assert (
        len({first, queries.client_row_id("int_1", "default", "a"), queries.client_row_id("int_2", "default", None)})
        == 3
    )
