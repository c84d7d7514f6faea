"""Starting a connect session: where the browser may be sent, and what can be connected at all."""

import asyncio

import pytest

from tieline.errors import Forbidden, InvalidInputs, InvalidRequest, NotConfigured, NotConnectable, NotFound
from tieline.testing import practice_document

pytestmark = pytest.mark.anyio

REDIRECTS = [
    "http://app.example/done",
    "//app.example/done",
    "/done",
    "javascript:alert(1)",
    "data:text/html,hello",
    "https:app.example",
    "https:///app.example",
    "https://user@app.example/done",
    "https://app.example@evil.example/",
    "https://app.example\\@evil.example/",
    "https://app.example/done#fragment",
    "https://app.example/\r\nLocation: https://evil.example",
    "https://app.example/ done",
    "https://app.example:notaport/",
    "http://127.0.0.1.evil.example/",
    "http://localhost.evil.example/",
    "file:///etc/passwd",
    "",
]


@pytest.mark.parametrize("url", REDIRECTS)
async def test_a_browser_is_not_sent_to_an_unsafe_address(world, url):
    provider = await world.register()

    with pytest.raises(InvalidRequest) as caught:
        await world.acme.connect.start(provider=provider, end_user="ada", return_to=url)

    assert [fault.path for fault in caught.value.errors] == ["/returnTo"]


@pytest.mark.parametrize("url", ["http://localhost:5173/done", "http://127.0.0.1:8000/", "https://app.example/x?y=1"])
async def test_https_and_loopback_are_safe(world, url):
    assert await world.acme.connect.start(provider=await world.register(), end_user="ada", return_to=url)


@pytest.mark.parametrize(
    "url",
    [
        "https://app.example/done/more",
        "https://app.example/donexyz",
        "https://app.example/done.evil",
        "https://app.example/Done",
        "https://app.example:8443/done",
        "https://app.example/done/../other",
        "https://app.example/done%3f",
        "https://app.example.evil.example/done",
        "https://evil.example/?https://app.example/done",
    ],
)
async def test_a_listed_address_is_meant_exactly(world, url):
    provider = await world.register()
    default = world.hub.organization("default")
    await default.organizations.put("acme", return_urls=["https://app.example/done"])

    with pytest.raises(Forbidden, match="returnTo"):
        await world.acme.connect.start(provider=provider, end_user="ada", return_to=url)


async def test_a_listed_address_may_have_a_query_behind_it(world):
    provider = await world.register()
    await world.hub.organization("default").organizations.put("acme", return_urls=["https://app.example/done"])

    for url in ("https://app.example/done", "https://app.example/done?tab=2"):
        assert await world.acme.connect.start(provider=provider, end_user="ada", return_to=url)


async def test_a_platforms_list_counts_for_its_customers(world):
    provider = await world.register()
    default = world.hub.organization("default")
    await default.organizations.put("default", return_urls=["https://platform.example/done"])

    assert await world.acme.connect.start(provider=provider, end_user="ada", return_to="https://platform.example/done")
    with pytest.raises(Forbidden):
        await world.acme.connect.start(provider=provider, end_user="ada", return_to="https://app.example/done")


@pytest.mark.parametrize("origin", ["https://app.example/path", "http://app.example", "https://*.example", "null", "*"])
async def test_an_embed_origin_is_one_exact_origin(world, origin):
    provider = await world.register()

    with pytest.raises(InvalidRequest):
        await world.acme.connect.start(provider=provider, end_user="ada", embed_origin=origin)


async def test_a_listed_embed_origin_is_meant_exactly(world):
    provider = await world.register()
    await world.hub.organization("default").organizations.put("acme", embed_origins=["https://app.example"])

    assert await world.acme.connect.start(provider=provider, end_user="ada", embed_origin="https://app.example")
    with pytest.raises(Forbidden):
        await world.acme.connect.start(provider=provider, end_user="ada", embed_origin="https://app.example:444")


async def test_without_a_client_an_admin_is_told_what_to_set(world):
    provider = (await world.acme.providers.register(practice_document(world.base))).id

    with pytest.raises(NotConfigured, match="client id"):
        await world.start(provider)


async def test_what_an_admin_switched_off_cannot_be_connected(world):
    provider = await world.register()
    await world.acme.integrations.put(provider, enabled=False)

    with pytest.raises(Forbidden, match="switched off"):
        await world.start(provider)


async def test_what_this_version_cannot_do_is_said(world):
    provider = await world.register(oauth2={"parUrl": f"{world.base}/par"})

    with pytest.raises(NotConnectable, match="Pushed authorization"):
        await world.start(provider)


async def test_an_unknown_method_or_variant_or_provider_is_said(world):
    provider = await world.register()

    for wrong in ({"auth_method": "nope"}, {"variant": "nope"}):
        with pytest.raises(NotConnectable):
            await world.start(provider, **wrong)
    with pytest.raises(NotFound):
        await world.start("nowhere")


async def test_inputs_that_the_application_gives_must_be_right(world):
    provider = await world.register(inputs={"site": {"type": "hostname", "label": "Site", "from": "user"}})

    with pytest.raises(InvalidInputs) as caught:
        await world.start(provider, inputs={"site": "not a host/"})

    assert caught.value.errors[0].path == "/inputs/site"


async def test_a_provider_of_another_organization_is_not_found(world):
    await world.hub.organization("other").providers.register(practice_document(world.base, id="theirs"))

    with pytest.raises(NotFound):
        await world.start("theirs")


async def test_a_session_shows_no_secret(world):
    visit = await world.start(await world.register())

    shown = await world.acme.connect.get(visit.session.session.id)

    assert visit.token not in shown.model_dump_json()
    assert visit.token not in repr(visit.session)


async def test_waiting_for_a_session_ends_when_it_changes(world):
    provider = await world.register()
    visit = await world.start(provider)
    waiting = asyncio.create_task(world.acme.connect.get(visit.session.session.id, wait=10))
    await asyncio.sleep(0.1)

    await world.leave(visit)
    await world.come_back(visit)

    assert (await asyncio.wait_for(waiting, 3)).status == "awaitingCompletion"
