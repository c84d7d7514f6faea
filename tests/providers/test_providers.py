import asyncio

import pytest
from sqlalchemy import select

from tieline.actor import PERMISSIONS, Actor
from tieline.audit.tables import audit_events
from tieline.errors import Conflict, Forbidden, InvalidProvider, InvalidRequest, NotFound
from tieline.providers import Documents, Providers
from tieline.providers.builtin import store
from tieline.providers.tables import provider_versions
from tieline.providers.tables import providers as rows

from .conftest import INSTANCE
from .documents import document_of, refusal_of, resolved_of

pytestmark = pytest.mark.anyio
SQLITE = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


async def test_a_document_without_id_gets_one_of_its_name_and_is_stored_as_written(providers, tenants):
    made = await providers.register(tenants.acme, document_of())

    assert (made.id, made.version, made.is_custom, made.source) == ("my-custom-api", "1.0.0", True, "custom")
    assert made.is_public is False
    assert made.connectable is True
    assert made.document == {**document_of(), "id": "my-custom-api", "isCustom": True}
    assert await providers.get(tenants.acme, "my-custom-api") == made


@SQLITE
async def test_the_same_name_again_gets_a_number(providers, tenants, builtin):
    ids = [(await providers.register(tenants.acme, document_of("Weather"))).id for _ in range(3)]

    assert ids == ["weather-2", "weather-3", "weather-4"]


async def test_an_id_that_is_visible_already_is_taken(providers, tenants, builtin):
    await providers.register(tenants.platform, document_of(id="ours"))
    await providers.register(tenants.acme, document_of(id="mine"))

    for actor, taken in ((tenants.acme, "weather"), (tenants.acme, "ours"), (tenants.acme, "mine")):
        with pytest.raises(Conflict) as raised:
            await providers.register(actor, document_of(id=taken))
        assert raised.value.facts == {"provider": taken}
    assert (await providers.register(tenants.globex, document_of(id="mine"))).id == "mine"


async def test_who_registers_the_same_id_at_the_same_moment_is_told_that_it_is_taken(providers, tenants, database):
    made = await asyncio.gather(
        *(providers.register(tenants.acme, document_of(id="mine")) for _ in range(6)), return_exceptions=True
    )

    assert len([each for each in made if not isinstance(each, Exception)]) == 1
    assert {type(each) for each in made if isinstance(each, Exception)} == {Conflict}


async def test_a_slug_means_ones_own_then_the_platforms_then_the_instances(providers, tenants, database, builtin):
    await providers.register(tenants.acme, document_of("Acme's", id="atlas"))
    await providers.register(tenants.platform, document_of("The platform's", id="atlas"))
    await database.write(lambda connection: store(connection, {**INSTANCE, "id": "atlas", "name": "The instance's"}))

    async def name(actor):
        return (await providers.get(actor, "atlas")).name

    assert await name(tenants.acme) == "Acme's"
    assert await name(tenants.globex) == "The platform's"
    assert await name(tenants.platform) == "The platform's"
    assert await name(tenants.rival) == "The instance's"


async def test_a_provider_of_another_organization_is_like_one_that_is_not_there(providers, tenants):
    await providers.register(tenants.acme, document_of(id="secret-plan"))

    for stranger in (tenants.globex, tenants.platform, tenants.rival, tenants.umbrella):
        for call in (
            lambda slug: providers.get(stranger, slug),  # noqa: B023  called at once
            lambda slug: providers.versions(stranger, slug),  # noqa: B023
            lambda slug: providers.publish(stranger, slug, document_of()),  # noqa: B023
            lambda slug: providers.edit(stranger, slug, {"name": "x"}),  # noqa: B023
            lambda slug: providers.retire(stranger, slug, force=True),  # noqa: B023
            lambda slug: providers.instantiate(stranger, slug),  # noqa: B023
        ):
            foreign = await refusal_of(call("secret-plan"), "secret-plan")
            assert foreign == await refusal_of(call("never-there"), "never-there")
        assert "secret-plan" not in [each.id for each in (await providers.list(stranger)).items]
        faults = await providers.validate(stranger, {"extends": "secret-plan", "name": "x"})
        unknown = await providers.validate(stranger, {"extends": "never-there", "name": "x"})
        assert [each.message.replace("secret-plan", "never-there") for each in faults] == [
            each.message for each in unknown
        ]


@SQLITE
async def test_what_belongs_to_platform_or_instance_can_be_used_and_not_changed(providers, tenants, builtin):
    await providers.register(tenants.platform, document_of(id="ours"))

    for slug in ("ours", "weather"):
        with pytest.raises(Forbidden):
            await providers.publish(tenants.acme, slug, document_of())
        with pytest.raises(Forbidden):
            await providers.edit(tenants.acme, slug, {"name": "x"})
        with pytest.raises(Forbidden):
            await providers.retire(tenants.acme, slug)
        assert (await providers.get(tenants.acme, slug)).id == slug


async def test_a_new_version_counts_up_by_what_changed(providers, tenants):
    made = await providers.register(tenants.acme, document_of())

    async def published(**changes):
        return (await providers.publish(tenants.acme, made.id, document_of(**changes))).version

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
    made = await providers.register(tenants.acme, document_of(version="1.0.0"))

    with pytest.raises((Conflict, InvalidProvider)):
        await providers.publish(tenants.acme, made.id, document_of(version=version, description="other"))

    assert (await providers.get(tenants.acme, made.id)).version == "1.0.0"


@pytest.mark.parametrize(
    "document", [document_of(), document_of(version="1.2.3"), document_of(id="mine", isCustom=True)]
)
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
    made = await providers.register(tenants.acme, document_of())
    await providers.publish(tenants.acme, made.id, document_of("Renamed"))

    old = await providers.get(tenants.acme, made.id, version="1.0.0")

    assert (old.version, old.document["name"]) == ("1.0.0", "My Custom API")
    with pytest.raises(NotFound):
        await providers.get(tenants.acme, made.id, version="9.9.9")


async def test_who_publishes_at_the_same_moment_as_another_is_told(providers, tenants):
    made = await providers.register(tenants.acme, document_of())

    done = await asyncio.gather(
        *(providers.publish(tenants.acme, made.id, document_of(description=f"{number}")) for number in range(5)),
        return_exceptions=True,
    )

    versions = [each.version for each in (await providers.versions(tenants.acme, made.id)).items]
    published = [each for each in done if not isinstance(each, Exception)]
    assert {type(each) for each in done if isinstance(each, Exception)} <= {Conflict}
    assert len(versions) == len(set(versions)) == len(published) + 1


@SQLITE
async def test_an_edit_may_change_looks_only(providers, tenants):
    made = await providers.register(tenants.acme, document_of(description="old"))

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
    made = await providers.register(tenants.acme, document_of())

    edited = await providers.edit(tenants.acme, made.id, {"id": "other", "name": "x"})

    assert (edited.id, edited.document["id"]) == (made.id, made.id)


async def test_a_provider_in_use_is_not_retired_unless_forced(providers, tenants, used):
    made = await providers.register(tenants.acme, document_of())
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
    await providers.register(tenants.acme, document_of("Old", id="mine"))
    await providers.retire(tenants.acme, "mine")

    again = await providers.register(tenants.acme, document_of("New", id="mine"))

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
    faults = await providers.validate(tenants.acme, document_of())

    assert [each for each in faults if each.severity == "error"] == []
    assert await database.read(lambda connection: connection.execute(select(rows)).all()) == []


@SQLITE
async def test_what_extends_a_range_keeps_the_exact_version_it_was_made_from(providers, tenants):
    await providers.register(tenants.platform, document_of("Base", id="base"))
    made = await providers.register(tenants.acme, {"id": "mine", "extends": "base@^1", "name": "Mine"})
    before = await resolved_of(providers, "mine")

    moved = {"baseUrl": "https://api2.acme.example/v1"}
    await providers.publish(tenants.platform, "base", document_of("Base", api=moved, version="1.5.0"))

    assert await resolved_of(providers, "mine") == before
    assert before["api"]["baseUrl"] == "https://api.acme.example/v1"
    assert await providers.get(tenants.acme, "mine") == made


async def test_an_edit_of_what_extends_a_range_stays_on_its_base(providers, tenants):
    await providers.register(tenants.platform, document_of("Base", id="base"))
    await providers.register(tenants.acme, {"id": "mine", "extends": "base@^1", "name": "Mine"})
    moved = {"baseUrl": "https://api2.acme.example/v1"}
    await providers.publish(tenants.platform, "base", document_of("Base", api=moved, version="1.5.0"))

    edited = await providers.edit(tenants.acme, "mine", {"name": "Still mine"})

    assert (edited.version, edited.name) == ("1.0.1", "Still mine")
    assert (await resolved_of(providers, "mine"))["api"]["baseUrl"] == "https://api.acme.example/v1"


@SQLITE
async def test_publishing_what_extends_a_range_moves_to_the_newest_base_and_says_so(providers, tenants):
    await providers.register(tenants.platform, document_of("Base", id="base"))
    await providers.register(tenants.acme, {"id": "mine", "extends": "base@^1", "name": "Mine"})
    moved = {"baseUrl": "https://api2.acme.example/v1"}
    await providers.publish(tenants.platform, "base", document_of("Base", api=moved, version="1.5.0"))

    published = await providers.publish(tenants.acme, "mine", {"id": "mine", "extends": "base@^1", "name": "Mine"})

    assert published.version == "2.0.0"
    assert (await resolved_of(providers, "mine"))["api"]["baseUrl"] == "https://api2.acme.example/v1"


@SQLITE
async def test_a_document_cannot_extend_itself(providers, tenants):
    await providers.register(tenants.acme, document_of(id="mine"))

    with pytest.raises(InvalidProvider):
        await providers.publish(tenants.acme, "mine", {"extends": "mine", "name": "Loop"})


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


@SQLITE
async def test_every_change_is_audited_with_it(providers, tenants, database):
    made = await providers.register(tenants.acme, document_of())
    await providers.publish(tenants.acme, made.id, document_of("Renamed"))
    await providers.publish(tenants.acme, made.id, document_of("Renamed"))
    await providers.retire(tenants.acme, made.id)

    query = select(audit_events.c.action, audit_events.c.target, audit_events.c.org).order_by(audit_events.c.id)
    events = await database.read(lambda connection: [tuple(row) for row in connection.execute(query)])
    assert events == [
        (action, made.id, tenants.acme.organization)
        for action in ("provider.registered", "provider.published", "provider.retired")
    ]


@SQLITE
async def test_who_registered_it_is_remembered(providers, tenants):
    assert (await providers.register(tenants.acme, document_of(), created_by="ada")).created_by == "ada"
    assert (await providers.register(tenants.acme, document_of())).created_by == "test"


@SQLITE
async def test_manifests_used_last_are_kept_and_no_more(database, tenants):
    documents = Documents(keep=2)
    providers = Providers(database, documents, in_use=lambda connection, row: 0)

    for number in range(5):
        await providers.register(tenants.acme, document_of(f"p{number}"))

    assert len(documents._loaded) == 2
    assert (await providers.get(tenants.acme, "p0")).name == "p0"
