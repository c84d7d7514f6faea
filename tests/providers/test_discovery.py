import asyncio
import json

import pytest
from sqlalchemy import select

from tieline import catalog
from tieline.actor import Actor, Restriction
from tieline.errors import InvalidProvider, InvalidRequest, NotFound
from tieline.providers.builtin import missing, store
from tieline.providers.tables import provider_versions
from tieline.providers.tables import providers as rows

from .conftest import INSTANCE
from .documents import document_of, refusal_of, resolved_of

pytestmark = pytest.mark.anyio
SQLITE = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


async def test_a_list_shows_the_nearest_of_a_slug_once(providers, tenants, database, builtin):
    await providers.register(tenants.acme, document_of("Acme's", id="atlas"))
    await providers.register(tenants.platform, document_of("The platform's", id="atlas"))
    await database.write(lambda connection: store(connection, {**INSTANCE, "id": "atlas", "name": "The instance's"}))

    async def names(actor):
        return [each.name for each in (await providers.list(actor)).items if each.id == "atlas"]

    assert await names(tenants.acme) == ["Acme's"]
    assert await names(tenants.globex) == ["The platform's"]
    assert await names(tenants.platform) == ["The platform's"]
    assert await names(tenants.umbrella) == ["The instance's"]


TEMPLATES = {
    "rest-api-bearer": {"baseUrl": "https://api.acme.example"},
    "webhook-hmac": {},
    "oauth2-standard": {"baseUrl": "https://auth.acme.example"},
}


async def test_the_templates_are_listed_apart_from_the_providers(providers, tenants, builtin):
    templates = (await providers.templates(tenants.acme)).items

    assert {each.id for each in templates} == set(TEMPLATES)
    assert all(each.is_template for each in templates)
    assert [each.id for each in (await providers.list(tenants.acme)).items] == ["weather"]


@SQLITE
@pytest.mark.parametrize("template", TEMPLATES)
async def test_a_template_becomes_a_provider(providers, tenants, builtin, template):
    made = await providers.instantiate(
        tenants.acme, template, params=TEMPLATES[template], name="Acme API", changes={"category": "crm"}
    )

    assert (made.id, made.is_template, made.category, made.is_custom) == ("acme-api", False, "crm", True)
    assert made.document["extends"].startswith(f"{template}@")
    for value in TEMPLATES[template].values():
        assert value in json.dumps(await resolved_of(providers, "acme-api"))
    assert made.connectable is (template != "webhook-hmac")


@SQLITE
async def test_a_template_needs_its_params(providers, tenants, builtin):
    with pytest.raises(InvalidProvider) as missing_one:
        await providers.instantiate(tenants.acme, "rest-api-bearer", name="x")
    with pytest.raises(InvalidProvider) as wrong:
        await providers.instantiate(tenants.acme, "rest-api-bearer", params={"baseUrl": "no address", "odd": 1})

    assert "param_missing" in {each.code for each in missing_one.value.errors}
    assert {each.path for each in wrong.value.errors} >= {"/params/baseUrl", "/params/odd"}


@SQLITE
async def test_what_is_no_template_cannot_be_instantiated(providers, tenants, builtin):
    with pytest.raises(InvalidRequest):
        await providers.instantiate(tenants.acme, "weather")
    with pytest.raises(NotFound):
        await providers.instantiate(tenants.acme, "never-there")


async def _many(providers, tenants):
    await providers.register(
        tenants.acme, document_of("Mail One", id="mail-1", category="mail", description="Sends 100% of it.")
    )
    await providers.register(tenants.acme, document_of("Mail Two", id="mail-2", category="mail", status="beta"))
    basic = {key: value for key, value in document_of("Books", id="books", category="books").items() if key != "apiKey"}
    await providers.register(tenants.platform, {**basic, "authType": "basic"})
    await providers.register(tenants.globex, document_of("Hidden Mail", id="hidden", category="mail"))


async def test_a_search_finds_every_word_in_any_field(providers, tenants, builtin):
    await _many(providers, tenants)

    async def found(**facets):
        return [each.id for each in (await providers.list(tenants.acme, **facets)).items]

    assert await found() == ["books", "mail-1", "mail-2", "weather"]
    assert await found(search="MAIL") == ["mail-1", "mail-2"]
    assert await found(search="two mail") == ["mail-2"]
    assert await found(search="100%") == ["mail-1"]
    assert await found(search="%") == ["mail-1"]
    assert await found(search="_") == []
    assert await found(search="mail nothing") == []
    assert await found(search="'; drop table providers --") == []


async def test_facets_narrow_and_categories_are_counted_without_the_category(providers, tenants, builtin):
    await _many(providers, tenants)

    async def found(**facets):
        page = await providers.list(tenants.acme, **facets)
        return [each.id for each in page.items], page.categories

    everything = {"books": 1, "data": 1, "mail": 2}
    assert await found(category="mail") == (["mail-1", "mail-2"], everything)
    assert await found(auth_type="basic") == (["books"], {"books": 1})
    assert await found(status="beta") == (["mail-2"], {"mail": 1})
    assert await found(custom=False) == (["weather"], {"data": 1})
    assert await found(custom=True, category="books") == (["books"], {"books": 1, "mail": 2})


@SQLITE
async def test_a_list_goes_on_page_by_page_without_gaps_or_repeats(providers, tenants, builtin):
    await _many(providers, tenants)
    ids, cursor = [], None

    while True:
        page = await providers.list(tenants.acme, limit=1, cursor=cursor)
        assert page.categories == {"books": 1, "data": 1, "mail": 2}
        ids += [each.id for each in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert ids == ["books", "mail-1", "mail-2", "weather"]


@SQLITE
async def test_a_limit_is_between_one_and_two_hundred(providers, tenants):
    for limit in (0, -1, 201):
        with pytest.raises(InvalidRequest):
            await providers.list(tenants.acme, limit=limit)
        with pytest.raises(InvalidRequest):
            await providers.templates(tenants.acme, limit=limit)


async def test_a_provider_that_the_instance_does_not_list_is_found_by_its_id(providers, tenants, database):
    await database.write(lambda connection: store(connection, {**INSTANCE, "isPublic": False}))

    assert (await providers.list(tenants.acme)).items == ()
    assert (await providers.get(tenants.acme, "weather")).is_public is False


async def test_a_key_for_one_provider_sees_that_one_only(providers, tenants, builtin):
    await _many(providers, tenants)
    narrow = Actor(
        "apiKey", "k", tenants.acme.organization, tenants.acme.platform, restriction=Restriction(provider="mail-1")
    )

    page = await providers.list(narrow)

    assert [each.id for each in page.items] == ["mail-1"]
    assert page.categories == {"mail": 1}
    assert (await providers.get(narrow, "mail-1")).id == "mail-1"
    assert await refusal_of(providers.get(narrow, "mail-2"), "mail-2") == await refusal_of(
        providers.get(narrow, "never-there"), "never-there"
    )


async def test_two_processes_that_start_at_once_store_the_catalogue_once(database, tenants):
    known = {slug: catalog.versions()[slug] for slug in TEMPLATES}

    async def start():
        for slug in await database.read(lambda connection: missing(connection, known)):
            document = catalog.document(slug)
            await database.write(lambda connection, document=document: store(connection, document))

    await asyncio.gather(*(start() for _ in range(4)))

    stored = await database.read(
        lambda connection: [tuple(row) for row in connection.execute(select(rows.c.org, rows.c.slug, rows.c.source))]
    )
    versions = await database.read(lambda connection: connection.execute(select(provider_versions)).all())
    assert sorted(stored) == [("", slug, "builtin") for slug in sorted(known)]
    assert len(versions) == len(known)
    assert await database.read(lambda connection: missing(connection, known)) == []


@SQLITE
async def test_a_newer_catalogue_adds_versions_and_removes_none(database, tenants, providers):
    await database.write(lambda connection: store(connection, INSTANCE))
    await database.write(lambda connection: store(connection, {**INSTANCE, "version": "3.0.0", "name": "New"}))
    await database.write(lambda connection: store(connection, {**INSTANCE, "version": "3.0.0", "name": "New"}))

    assert (await providers.get(tenants.acme, "weather")).name == "New"
    assert [each.version for each in (await providers.versions(tenants.acme, "weather")).items] == ["3.0.0", "2.1.0"]
