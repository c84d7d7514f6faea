import asyncio
import json

import pytest
from sqlalchemy import select

from tieline import catalog
from tieline.actor import PERMISSIONS, Actor, Restriction
from tieline.audit.tables import audit_events
from tieline.errors import Conflict, Forbidden, InvalidProvider, InvalidRequest, NotFound
from tieline.providers import Documents, Providers
from tieline.providers.builtin import missing, store
from tieline.providers.tables import provider_versions
from tieline.providers.tables import providers as rows

from .conftest import INSTANCE

pytestmark = pytest.mark.anyio
SQLITE = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


def _document(name="My Custom API", **changes):
    document = {
        "name": name,
        "category": "custom",
        "authType": "api_key",
        "api": {"baseUrl": "https://api.acme.example/v1"},
        "apiKey": {"keyName": "X-API-Key"},
        "rateLimits": {"requestsPerMinute": 60},
    }
    return {**document, **changes}


async def _refusal(awaitable, slug):
    with pytest.raises(NotFound) as raised:
        await awaitable
    facts = json.dumps(raised.value.facts, default=str)
    return raised.value.detail.replace(slug, "X"), facts.replace(slug, "X")


async def test_a_document_without_id_gets_one_of_its_name_and_is_stored_as_written(providers, tenants):
    made = await providers.register(tenants.acme, _document())

    assert (made.id, made.version, made.is_custom, made.source) == ("my-custom-api", "1.0.0", True, "custom")
    assert made.is_public is False
    assert made.connectable is True
    assert made.document == {**_document(), "id": "my-custom-api", "isCustom": True}
    assert await providers.get(tenants.acme, "my-custom-api") == made


@SQLITE
async def test_the_same_name_again_gets_a_number(providers, tenants, builtin):
    ids = [(await providers.register(tenants.acme, _document("Weather"))).id for _ in range(3)]

    assert ids == ["weather-2", "weather-3", "weather-4"]


async def test_an_id_that_is_visible_already_is_taken(providers, tenants, builtin):
    await providers.register(tenants.platform, _document(id="ours"))
    await providers.register(tenants.acme, _document(id="mine"))

    for actor, taken in ((tenants.acme, "weather"), (tenants.acme, "ours"), (tenants.acme, "mine")):
        with pytest.raises(Conflict) as raised:
            await providers.register(actor, _document(id=taken))
        assert raised.value.facts == {"provider": taken}
    assert (await providers.register(tenants.globex, _document(id="mine"))).id == "mine"


async def test_who_registers_the_same_id_at_the_same_moment_is_told_that_it_is_taken(providers, tenants, database):
    made = await asyncio.gather(
        *(providers.register(tenants.acme, _document(id="mine")) for _ in range(6)), return_exceptions=True
    )

    assert len([each for each in made if not isinstance(each, Exception)]) == 1
    assert {type(each) for each in made if isinstance(each, Exception)} == {Conflict}


async def test_a_slug_means_ones_own_then_the_platforms_then_the_instances(providers, tenants, database, builtin):
    await providers.register(tenants.acme, _document("Acme's", id="atlas"))
    await providers.register(tenants.platform, _document("The platform's", id="atlas"))
    await database.write(lambda connection: store(connection, {**INSTANCE, "id": "atlas", "name": "The instance's"}))

    async def name(actor):
        return (await providers.get(actor, "atlas")).name

    assert await name(tenants.acme) == "Acme's"
    assert await name(tenants.globex) == "The platform's"
    assert await name(tenants.platform) == "The platform's"
    assert await name(tenants.rival) == "The instance's"


async def test_a_list_shows_the_nearest_of_a_slug_once(providers, tenants, database, builtin):
    await providers.register(tenants.acme, _document("Acme's", id="atlas"))
    await providers.register(tenants.platform, _document("The platform's", id="atlas"))
    await database.write(lambda connection: store(connection, {**INSTANCE, "id": "atlas", "name": "The instance's"}))

    async def names(actor):
        return [each.name for each in (await providers.list(actor)).items if each.id == "atlas"]

    assert await names(tenants.acme) == ["Acme's"]
    assert await names(tenants.globex) == ["The platform's"]
    assert await names(tenants.platform) == ["The platform's"]
    assert await names(tenants.umbrella) == ["The instance's"]


async def test_a_provider_of_another_organization_is_like_one_that_is_not_there(providers, tenants):
    await providers.register(tenants.acme, _document(id="secret-plan"))

    for stranger in (tenants.globex, tenants.platform, tenants.rival, tenants.umbrella):
        for call in (
            lambda slug: providers.get(stranger, slug),  # noqa: B023  called at once
            lambda slug: providers.versions(stranger, slug),  # noqa: B023
            lambda slug: providers.publish(stranger, slug, _document()),  # noqa: B023
            lambda slug: providers.edit(stranger, slug, {"name": "x"}),  # noqa: B023
            lambda slug: providers.retire(stranger, slug, force=True),  # noqa: B023
            lambda slug: providers.instantiate(stranger, slug),  # noqa: B023
        ):
            foreign = await _refusal(call("secret-plan"), "secret-plan")
            assert foreign == await _refusal(call("never-there"), "never-there")
        assert "secret-plan" not in [each.id for each in (await providers.list(stranger)).items]
        faults = await providers.validate(stranger, {"extends": "secret-plan", "name": "x"})
        unknown = await providers.validate(stranger, {"extends": "never-there", "name": "x"})
        assert [each.message.replace("secret-plan", "never-there") for each in faults] == [
            each.message for each in unknown
        ]


@SQLITE
async def test_what_belongs_to_platform_or_instance_can_be_used_and_not_changed(providers, tenants, builtin):
    await providers.register(tenants.platform, _document(id="ours"))

    for slug in ("ours", "weather"):
        with pytest.raises(Forbidden):
            await providers.publish(tenants.acme, slug, _document())
        with pytest.raises(Forbidden):
            await providers.edit(tenants.acme, slug, {"name": "x"})
        with pytest.raises(Forbidden):
            await providers.retire(tenants.acme, slug)
        assert (await providers.get(tenants.acme, slug)).id == slug


async def test_a_new_version_counts_up_by_what_changed(providers, tenants):
    made = await providers.register(tenants.acme, _document())

    async def published(**changes):
        return (await providers.publish(tenants.acme, made.id, _document(**changes))).version

    limits = {"requestsPerMinute": 30}
    moved = {"baseUrl": "https://api2.acme.example/v1"}
    assert await published(description="Better words.") == "1.0.1"
    assert await published(rateLimits=limits) == "1.1.0"
    assert await published(rateLimits=limits, api=moved) == "2.0.0"
    assert await published(rateLimits=limits, api=moved, version="7.0.0") == "7.0.0"
    versions = (await providers.versions(tenants.acme, made.id)).items
    assert [(each.version, each.change) for each in versions] == [
        ("7.0.0", "cosmetic"),
        ("2.0.0", "security"),
        ("1.1.0", "behaviour"),
        ("1.0.1", "cosmetic"),
        ("1.0.0", "none"),
    ]
    assert versions[0].security_digest == versions[1].security_digest != versions[2].security_digest
    assert versions[3].security_digest == versions[4].security_digest
    assert versions[3].digest != versions[4].digest


@SQLITE
@pytest.mark.parametrize("version", ["1.0.0", "0.9.9", "1.0", "soon"])
async def test_a_version_that_is_not_newer_is_refused(providers, tenants, version):
    made = await providers.register(tenants.acme, _document(version="1.0.0"))

    with pytest.raises((Conflict, InvalidProvider)):
        await providers.publish(tenants.acme, made.id, _document(version=version, description="other"))

    assert (await providers.get(tenants.acme, made.id)).version == "1.0.0"


@pytest.mark.parametrize("document", [_document(), _document(version="1.2.3"), _document(id="mine", isCustom=True)])
@SQLITE
async def test_the_same_document_again_changes_nothing(providers, tenants, document):
    made = await providers.register(tenants.acme, document)

    assert await providers.publish(tenants.acme, made.id, document) == made
    assert await providers.publish(tenants.acme, made.id, made.document) == made
    changed = await providers.publish(tenants.acme, made.id, {**document, "version": "9.0.0", "description": "x"})
    assert await providers.publish(tenants.acme, made.id, changed.document) == changed
    assert len((await providers.versions(tenants.acme, made.id)).items) == 2


@SQLITE
async def test_old_versions_stay_to_be_read(providers, tenants):
    made = await providers.register(tenants.acme, _document())
    await providers.publish(tenants.acme, made.id, _document("Renamed"))

    old = await providers.get(tenants.acme, made.id, version="1.0.0")

    assert (old.version, old.document["name"]) == ("1.0.0", "My Custom API")
    with pytest.raises(NotFound):
        await providers.get(tenants.acme, made.id, version="9.9.9")


async def test_who_publishes_at_the_same_moment_as_another_is_told(providers, tenants):
    made = await providers.register(tenants.acme, _document())

    done = await asyncio.gather(
        *(providers.publish(tenants.acme, made.id, _document(description=f"{number}")) for number in range(5)),
        return_exceptions=True,
    )

    versions = [each.version for each in (await providers.versions(tenants.acme, made.id)).items]
    published = [each for each in done if not isinstance(each, Exception)]
    assert {type(each) for each in done if isinstance(each, Exception)} <= {Conflict}
    assert len(versions) == len(set(versions)) == len(published) + 1


@SQLITE
async def test_an_edit_may_change_looks_only(providers, tenants):
    made = await providers.register(tenants.acme, _document(description="old"))

    edited = await providers.edit(tenants.acme, made.id, {"name": "Renamed", "description": None, "tags": ["a"]})

    assert (edited.version, edited.name, edited.description) == ("1.0.1", "Renamed", "")
    assert "description" not in edited.document
    for patch, change in (
        ({"api": {"baseUrl": "https://evil.example"}}, "security"),
        ({"apiKey": {"keyName": "X-Other"}}, "security"),
        ({"rateLimits": {"requestsPerMinute": 1}}, "behaviour"),
        ({"rateLimits": None}, "behaviour"),
    ):
        with pytest.raises(InvalidRequest) as raised:
            await providers.edit(tenants.acme, made.id, {"name": "Sneaky", **patch})
        assert raised.value.facts == {"change": change}
    with pytest.raises(InvalidProvider):
        await providers.edit(tenants.acme, made.id, {"nonsense": 1})
    assert (await providers.get(tenants.acme, made.id)).version == "1.0.1"


@SQLITE
async def test_an_edit_cannot_take_another_id(providers, tenants):
    made = await providers.register(tenants.acme, _document())

    edited = await providers.edit(tenants.acme, made.id, {"id": "other", "name": "x"})

    assert (edited.id, edited.document["id"]) == (made.id, made.id)


async def test_a_provider_in_use_is_not_retired_unless_forced(providers, tenants, used):
    made = await providers.register(tenants.acme, _document())
    used["*"] = 3

    with pytest.raises(Conflict) as raised:
        await providers.retire(tenants.acme, made.id)
    assert raised.value.facts == {"connections": 3}
    assert (await providers.get(tenants.acme, made.id)).id == made.id

    await providers.retire(tenants.acme, made.id, force=True)
    with pytest.raises(NotFound):
        await providers.get(tenants.acme, made.id)
    assert (await providers.list(tenants.acme)).items == ()


async def test_a_retired_id_is_free_again_and_its_versions_stay(providers, tenants, database):
    await providers.register(tenants.acme, _document("Old", id="mine"))
    await providers.retire(tenants.acme, "mine")

    again = await providers.register(tenants.acme, _document("New", id="mine"))

    stored = await database.read(lambda connection: connection.execute(select(provider_versions)).all())
    assert (again.id, again.name, again.version) == ("mine", "New", "1.0.0")
    assert len({row.provider_id for row in stored}) == 2


@SQLITE
async def test_every_fault_is_told_at_once_and_nothing_is_stored(providers, tenants, database):
    broken = {"name": 7, "nonsense": 1, "authType": "api_key", "apiKey": {"location": "moon", "keyName": "{{ oops"}}

    with pytest.raises(InvalidProvider) as raised:
        await providers.register(tenants.acme, broken)
    faults = await providers.validate(tenants.acme, broken)

    assert {each.path for each in faults} >= {"/name", "/nonsense", "/apiKey/location"}
    assert set(raised.value.errors) == set(faults)
    assert await database.read(lambda connection: connection.execute(select(rows)).all()) == []


@SQLITE
async def test_validating_a_good_document_stores_nothing(providers, tenants, database):
    faults = await providers.validate(tenants.acme, _document())

    assert [each for each in faults if each.severity == "error"] == []
    assert await database.read(lambda connection: connection.execute(select(rows)).all()) == []


@SQLITE
async def test_what_extends_a_range_keeps_the_exact_version_it_was_made_from(providers, tenants):
    await providers.register(tenants.platform, _document("Base", id="base"))
    made = await providers.register(tenants.acme, {"id": "mine", "extends": "base@^1", "name": "Mine"})
    before = await _resolved(providers, "mine")

    moved = {"baseUrl": "https://api2.acme.example/v1"}
    await providers.publish(tenants.platform, "base", _document("Base", api=moved, version="1.5.0"))

    assert await _resolved(providers, "mine") == before
    assert before["api"]["baseUrl"] == "https://api.acme.example/v1"
    assert await providers.get(tenants.acme, "mine") == made


async def test_an_edit_of_what_extends_a_range_stays_on_its_base(providers, tenants):
    await providers.register(tenants.platform, _document("Base", id="base"))
    await providers.register(tenants.acme, {"id": "mine", "extends": "base@^1", "name": "Mine"})
    moved = {"baseUrl": "https://api2.acme.example/v1"}
    await providers.publish(tenants.platform, "base", _document("Base", api=moved, version="1.5.0"))

    edited = await providers.edit(tenants.acme, "mine", {"name": "Still mine"})

    assert (edited.version, edited.name) == ("1.0.1", "Still mine")
    assert (await _resolved(providers, "mine"))["api"]["baseUrl"] == "https://api.acme.example/v1"


@SQLITE
async def test_publishing_what_extends_a_range_moves_to_the_newest_base_and_says_so(providers, tenants):
    await providers.register(tenants.platform, _document("Base", id="base"))
    await providers.register(tenants.acme, {"id": "mine", "extends": "base@^1", "name": "Mine"})
    moved = {"baseUrl": "https://api2.acme.example/v1"}
    await providers.publish(tenants.platform, "base", _document("Base", api=moved, version="1.5.0"))

    published = await providers.publish(tenants.acme, "mine", {"id": "mine", "extends": "base@^1", "name": "Mine"})

    assert published.version == "2.0.0"
    assert (await _resolved(providers, "mine"))["api"]["baseUrl"] == "https://api2.acme.example/v1"


async def _resolved(providers, slug):
    query = select(provider_versions.c.resolved).join(rows, rows.c.id == provider_versions.c.provider_id)
    query = query.where(rows.c.slug == slug).order_by(provider_versions.c.number.desc()).limit(1)
    return await providers._db.read(lambda connection: connection.execute(query).scalar_one())


@SQLITE
async def test_a_document_cannot_extend_itself(providers, tenants):
    await providers.register(tenants.acme, _document(id="mine"))

    with pytest.raises(InvalidProvider):
        await providers.publish(tenants.acme, "mine", {"extends": "mine", "name": "Loop"})


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
    assert (
        "{{baseUrl}}" not in json.dumps(await _resolved(providers, "acme-api")).replace(" ", "") or TEMPLATES[template]
    )
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
        tenants.acme, _document("Mail One", id="mail-1", category="mail", description="Sends 100% of it.")
    )
    await providers.register(tenants.acme, _document("Mail Two", id="mail-2", category="mail", status="beta"))
    basic = {key: value for key, value in _document("Books", id="books", category="books").items() if key != "apiKey"}
    await providers.register(tenants.platform, {**basic, "authType": "basic"})
    await providers.register(tenants.globex, _document("Hidden Mail", id="hidden", category="mail"))


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
    assert await _refusal(providers.get(narrow, "mail-2"), "mail-2") == await _refusal(
        providers.get(narrow, "never-there"), "never-there"
    )


@SQLITE
@pytest.mark.parametrize(
    ("method", "arguments", "scope"),
    [
        ("list", (), "providers:read"),
        ("templates", (), "providers:read"),
        ("get", ("x",), "providers:read"),
        ("versions", ("x",), "providers:read"),
        ("validate", ({},), "providers:read"),
        ("register", ({},), "providers:write"),
        ("publish", ("x", {}), "providers:write"),
        ("edit", ("x", {}), "providers:write"),
        ("retire", ("x",), "providers:write"),
    ],
)
async def test_each_method_needs_its_scope(providers, tenants, method, arguments, scope):
    actor = Actor("apiKey", "k", tenants.acme.organization, tenants.acme.platform, frozenset(PERMISSIONS) - {scope})

    with pytest.raises(Forbidden) as raised:
        await getattr(providers, method)(actor, *arguments)

    assert raised.value.facts == {"scope": scope}


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


@SQLITE
async def test_every_change_is_audited_with_it(providers, tenants, database):
    made = await providers.register(tenants.acme, _document())
    await providers.publish(tenants.acme, made.id, _document("Renamed"))
    await providers.publish(tenants.acme, made.id, _document("Renamed"))
    await providers.retire(tenants.acme, made.id)

    query = select(audit_events.c.action, audit_events.c.target, audit_events.c.org).order_by(audit_events.c.id)
    events = await database.read(lambda connection: [tuple(row) for row in connection.execute(query)])
    assert events == [
        (action, made.id, tenants.acme.organization)
        for action in ("provider.registered", "provider.published", "provider.retired")
    ]


@SQLITE
async def test_who_registered_it_is_remembered(providers, tenants):
    assert (await providers.register(tenants.acme, _document(), created_by="ada")).created_by == "ada"
    assert (await providers.register(tenants.acme, _document())).created_by == "test"


@SQLITE
async def test_manifests_used_last_are_kept_and_no_more(database, tenants):
    documents = Documents(keep=2)
    providers = Providers(database, documents, in_use=lambda connection, row: 0)

    for number in range(5):
        await providers.register(tenants.acme, _document(f"p{number}"))

    assert len(documents._loaded) == 2
    assert (await providers.get(tenants.acme, "p0")).name == "p0"
