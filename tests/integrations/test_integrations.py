import re

import pytest
from sqlalchemy import select

from tieline.actor import PERMISSIONS, Actor
from tieline.errors import Forbidden, InvalidInputs, InvalidRequest, NotFound
from tieline.integrations import ClientSettings
from tieline.integrations import rows as queries
from tieline.integrations.tables import integrations as rows
from tieline.secret import Secret

from .documents import INPUTS, document_of, moved_to

pytestmark = pytest.mark.anyio
SQLITE = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
CANARY = "canary-7f3a"


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
    await providers.publish(tenants.platform, "crm", moved_to())
    third = await integrations.get(tenants.platform, "crm")
    await integrations.delete(tenants.platform, "crm")
    fourth = await integrations.get(tenants.platform, "crm")

    assert {each.redirect_uri for each in (first, second, third, fourth)} == {before}


async def test_every_organization_has_a_redirect_uri_of_its_own(integrations, providers, tenants, crm):
    await providers.register(tenants.rival, document_of())

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


VARIANTS = [{"id": "live", "set": {"host": "live"}}, {"id": "sandbox", "set": {"host": "sandbox"}}]


async def test_each_variant_may_have_a_client_where_the_document_says_so(integrations, providers, tenants, registered):
    oauth2 = {**document_of()["oauth2"], "tokenUrl": "https://{{ host }}.crm.example/token"}
    document = document_of(oauth2=oauth2, variants=VARIANTS, variantChosenBy="user")
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
    await providers.register(tenants.platform, document_of(inputs=INPUTS))

    with pytest.raises(InvalidInputs) as raised:
        await integrations.put(tenants.platform, "crm", admin_inputs=given)

    assert {each.path for each in raised.value.errors} == paths
    assert await database.read(lambda connection: connection.execute(select(rows)).all()) == []


@SQLITE
async def test_the_fields_are_a_json_schema_of_the_admins_inputs(integrations, providers, tenants):
    await providers.register(tenants.platform, document_of(inputs=INPUTS))

    fields = (await integrations.get(tenants.platform, "crm")).fields

    assert set(fields["properties"]) == {"developerToken", "region", "account"}
    assert fields["required"] == ["developerToken", "region"]
    assert fields["properties"]["developerToken"]["writeOnly"] is True
    assert fields["properties"]["region"]["enum"] == ["eu", "us"]


@SQLITE
async def test_it_is_not_configured_by_a_method_that_asks_nothing_of_the_admin(integrations, providers, tenants):
    oauth2 = {"authUrl": "https://two.example/authorize", "tokenUrl": "https://two.example/token"}
    auth = {"oauth": {"type": "oauth2", "oauth2": oauth2}, "key": {"type": "api_key", "apiKey": {}}}
    document = {"id": "two", "name": "Two", "auth": auth, "api": {"baseUrl": "https://two.example"}}
    await providers.register(tenants.platform, document)

    before = await integrations.get(tenants.platform, "two")
    after = await integrations.put(tenants.platform, "two", client_id="c", client_secret="s")

    assert (before.configured, after.configured) == (False, True)


async def test_it_is_configured_when_the_admins_part_is_there(integrations, providers, tenants):
    await providers.register(tenants.platform, document_of(inputs=INPUTS))

    async def configured(**given):
        return (await integrations.put(tenants.platform, "crm", **given)).configured

    assert await configured(client_id="c") is False
    assert await configured(client_secret="s") is False
    assert await configured(admin_inputs={"region": "eu"}) is False
    assert await configured(admin_inputs={"developerToken": "t0k"}) is True


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
    await providers.register(tenants.acme, document_of(name="Acme's"))
    await providers.register(tenants.platform, document_of(name="The platform's"))
    await integrations.put(tenants.acme, "crm", client_id="own")
    await integrations.put(tenants.platform, "crm", client_id="shared")

    listed = (await integrations.list(tenants.acme)).items

    assert [(each.provider, each.client_id) for each in listed] == [("crm", "own")]


@SQLITE
async def test_a_provider_that_one_may_not_see_has_no_integration(integrations, providers, tenants):
    await providers.register(tenants.globex, document_of(id="hidden"))

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


def test_ids_are_made_of_what_makes_the_row_unique():
    first = queries.client_row_id("int_1", "default", None)

    assert first == queries.client_row_id("int_1", "default", "")
    assert (
        len({first, queries.client_row_id("int_1", "default", "a"), queries.client_row_id("int_2", "default", None)})
        == 3
    )
