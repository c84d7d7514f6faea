import asyncio

import pytest
from sqlalchemy import func, select

from tieline.actor import PERMISSIONS, Actor
from tieline.audit.tables import audit_events
from tieline.errors import Forbidden, InvalidRequest, NotFound
from tieline.organizations.organizations import is_safe_url
from tieline.organizations.tables import organizations as rows

pytestmark = pytest.mark.anyio
SQLITE = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


async def _count(database, slug):
    query = select(func.count()).select_from(rows).where(rows.c.slug == slug)
    return await database.read(lambda connection: connection.execute(query).scalar_one())


async def test_a_platform_makes_a_customer_and_finds_it_again(organizations, tenants):
    made = await organizations.put(tenants.platform, "initech", name="Initech")
    again = await organizations.put(tenants.platform, "initech")

    assert (made.slug, made.name, made.parent) == ("initech", "Initech", "default")
    assert again == made
    assert await organizations.get(tenants.platform, "initech") == made


async def test_what_is_not_given_stays(organizations, tenants):
    await organizations.put(tenants.platform, "acme", name="Acme", return_urls=["https://acme.example/done"])

    changed = await organizations.put(tenants.platform, "acme", embed_origins=["https://acme.example"])

    assert changed.name == "Acme"
    assert changed.return_urls == ("https://acme.example/done",)
    assert changed.embed_origins == ("https://acme.example",)
    assert (await organizations.put(tenants.platform, "acme", return_urls=[])).return_urls == ()


async def test_an_organization_may_change_itself(organizations, tenants):
    assert (await organizations.put(tenants.acme, "acme", name="Acme Inc.")).name == "Acme Inc."
    assert (await organizations.put(tenants.platform, "default", name="Us")).parent is None


async def test_a_platform_sees_itself_and_its_customers_only(organizations, tenants):
    async def seen(actor):
        return {each.slug for each in (await organizations.list(actor)).items}

    assert await seen(tenants.platform) == {"default", "acme", "globex"}
    assert await seen(tenants.rival) == {"rival", "umbrella", "hooli"}
    assert await seen(tenants.acme) == {"acme"}


@pytest.mark.parametrize(
    ("name", "slug"),
    [("platform", "umbrella"), ("platform", "rival"), ("acme", "globex"), ("acme", "default"), ("umbrella", "acme")],
)
@SQLITE
async def test_what_one_may_not_see_is_not_there(organizations, tenants, name, slug):
    actor = getattr(tenants, name)

    with pytest.raises(NotFound) as foreign:
        await organizations.get(actor, slug)
    with pytest.raises(NotFound) as unknown:
        await organizations.get(actor, "never-there")

    assert foreign.value.detail.replace(slug, "X") == unknown.value.detail.replace("never-there", "X")


@pytest.mark.parametrize("slug", ["globex", "new-one", "umbrella", "default"])
@SQLITE
async def test_a_customer_makes_no_organizations(organizations, tenants, database, slug):
    before = await _count(database, slug)

    with pytest.raises(NotFound) as raised:
        await organizations.put(tenants.acme, slug, name="Mine")
    with pytest.raises(NotFound) as unknown:
        await organizations.put(tenants.acme, "never-there", name="Mine")

    assert await _count(database, slug) == before
    assert raised.value.detail.replace(slug, "X") == unknown.value.detail.replace("never-there", "X")


async def test_the_same_name_under_two_platforms_is_two_organizations(organizations, tenants):
    theirs = await organizations.put(tenants.rival, "acme", name="Theirs")

    assert theirs.id != tenants.acme.organization
    assert theirs.parent == "rival"
    assert (await organizations.get(tenants.platform, "acme")).name == "acme"


async def test_who_asks_for_a_customer_at_the_same_moment_gets_the_same(organizations, tenants, database):
    made = await asyncio.gather(*(organizations.put(tenants.platform, "initech") for _ in range(8)))

    assert len({each.id for each in made}) == 1
    assert await _count(database, "initech") == 1


async def test_trusted_code_enters_no_customer_of_another_platform(organizations, tenants):
    entered = await organizations.library_actor("umbrella")

    assert entered.organization != tenants.umbrella.organization
    assert entered.platform == tenants.platform.organization


async def test_trusted_code_enters_the_platform_or_a_customer_made_on_first_use(organizations, tenants):
    platform = await organizations.library_actor("default")
    acme = await organizations.library_actor("acme")
    new = await organizations.library_actor("initech")

    assert (platform.organization, platform.platform) == (tenants.platform.organization,) * 2
    assert (acme.organization, acme.platform) == (tenants.acme.organization, tenants.platform.organization)
    assert new.platform == tenants.platform.organization
    assert (await organizations.library_actor("initech")).organization == new.organization
    assert new.permissions == frozenset(PERMISSIONS)


async def test_trusted_code_that_starts_twice_at_once_makes_everything_once(organizations, database):
    actors = await asyncio.gather(*(organizations.library_actor("initech") for _ in range(8)))

    assert len({(each.organization, each.platform) for each in actors}) == 1
    assert await _count(database, "default") == 1


@pytest.mark.parametrize("slug", ["", "A", "-a", "a b", "a/b", "ä", "a" * 64, "a\n", "../a"])
@SQLITE
async def test_a_name_that_cannot_stand_in_a_path_is_refused(organizations, tenants, slug):
    with pytest.raises(InvalidRequest) as raised:
        await organizations.put(tenants.platform, slug)

    assert [fault.path for fault in raised.value.errors] == ["/slug"]
    with pytest.raises(InvalidRequest):
        await organizations.library_actor(slug)


@SQLITE
async def test_every_address_that_cannot_be_used_is_a_fault_of_its_own(organizations, tenants):
    with pytest.raises(InvalidRequest) as raised:
        await organizations.put(
            tenants.platform,
            "acme",
            return_urls=["https://acme.example/done", "http://acme.example"],
            embed_origins=["javascript:alert(1)"],
        )

    assert [fault.path for fault in raised.value.errors] == ["/returnUrls/1", "/embedOrigins/0"]


@pytest.mark.parametrize(
    "url",
    [
        "https://acme.example",
        "https://acme.example/done?x=1",
        "https://acme.example:8443/",
        "http://localhost:3000/done",
        "http://127.0.0.1/done",
        "http://[::1]:3000/",
    ],
)
def test_https_and_loopback_are_safe(url):
    assert is_safe_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://acme.example",
        "http://localhost.evil.example/",
        "http://127.0.0.1.evil.example/",
        "https://user@acme.example/",
        "https://user:pw@acme.example/",
        "https://acme.example/#x",
        "https://acme.example\\@evil.example/",
        "https://acme.example/\r\nx",
        "https:// acme.example/",
        "https:///done",
        "https://acme.example:port/",
        "https://[::1",
        "//acme.example",
        "/done",
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://acme.example",
        "",
    ],
)
def test_other_addresses_are_not(url):
    assert not is_safe_url(url)


async def test_the_list_goes_on_page_by_page(organizations, tenants):
    slugs = []
    cursor = None
    while True:
        page = await organizations.list(tenants.platform, limit=2, cursor=cursor)
        slugs += [each.slug for each in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert sorted(slugs) == ["acme", "default", "globex"]


@pytest.mark.parametrize(("method", "scope"), [("get", "organizations:read"), ("put", "organizations:write")])
@SQLITE
async def test_it_needs_the_scope_for_it(organizations, tenants, method, scope):
    actor = Actor("apiKey", "k", tenants.acme.organization, tenants.acme.platform, frozenset(PERMISSIONS) - {scope})

    with pytest.raises(Forbidden) as raised:
        await getattr(organizations, method)(actor, "acme")

    assert raised.value.facts == {"scope": scope}


async def test_of_several_that_make_a_customer_at_once_one_is_written_down(organizations, tenants, database):
    made = await asyncio.gather(
        *(organizations.put(tenants.platform, "raced", name=f"Name {number}") for number in range(8))
    )

    query = select(audit_events.c.action).where(audit_events.c.target.in_(["raced", made[0].id]))
    actions = await database.read(lambda connection: list(connection.execute(query).scalars()))
    assert len({each.id for each in made}) == 1
    assert actions.count("organization.created") == 1
    assert actions.count("organization.updated") == 7
