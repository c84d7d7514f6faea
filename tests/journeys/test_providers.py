"""Documents from the design, as they were written there: registered, connected and used without a change."""

import asyncio
import secrets
import ssl
from collections.abc import AsyncIterator

import httpx2
import pytest
import yaml
from starlette.applications import Starlette
from starlette.routing import Mount
from tests.canary.mark import KEY

from tieline.egress import AddressPolicy, Egress
from tieline.errors import Conflict, InvalidProvider, NotConnectable, NotFound, RateLimited
from tieline.testing import practice_document, practice_key_document, serve

from .certificates import write_certificate
from .places import Ground, World, practising, world_on

pytestmark = pytest.mark.anyio

CUSTOM = """
name: My Custom API
category: custom
authType: api_key
apiKey:
  location: header
  keyName: X-API-Key
  testEndpoint: https://api.example.com/health
  testMethod: GET
  testExpectedStatus: [200]
rateLimits:
  requestsPerMinute: 60
"""


@pytest.fixture
async def example_com(ground: Ground, tmp_path) -> AsyncIterator[World]:
    """A world in which api.example.com is the practice provider, on its own port and with a certificate."""
    practice, host = practising(), "api.example.com"
    certificate = write_certificate(tmp_path / "certificate.pem", host)
    # An address of its own, since others may be testing on this machine too.
    address = f"127.{secrets.randbelow(250) + 1}.{secrets.randbelow(250) + 1}.{secrets.randbelow(250) + 1}"

    async def lookup(name: str) -> list[str]:
        return [address] if name == host else []

    trust = ssl.create_default_context(cafile=certificate)
    egress = Egress(AddressPolicy(hosts=[host]), lookup=lookup, ssl_context=trust)
    serving = serve(practice.app, host=address, port=443, certificate=certificate)
    try:
        await serving.__aenter__()
    except OSError:
        pytest.skip("this machine does not let us listen on port 443")
    try:
        async with world_on(ground, practice, f"https://{host}", egress=egress) as world:
            yield world
    finally:
        await serving.__aexit__(None, None, None)


async def test_the_custom_api_of_the_design_works_unchanged(example_com):
    world = example_com
    document = yaml.safe_load(CUSTOM)

    provider = await world.acme.providers.register(document)
    done = await world.connect(provider.id, typed={"apiKey": KEY})
    async with world.acme.http(end_user="ada", provider=provider.id) as http:
        me = await http.get("/v1/me")

    assert (provider.id, provider.provider_id, provider.version) == ("my-custom-api", "my-custom-api", "1.0.0")
    assert (provider.is_custom, provider.is_public, provider.auth_type) == (True, False, "api_key")
    assert document.items() <= dict(provider.document).items()
    assert (done.result, done.connection.account_id) == ("connected", "default")
    assert me.json()["name"] == "Ada Brightwater"


async def test_its_sixty_calls_a_minute_are_kept(example_com):
    world = example_com
    provider = await world.acme.providers.register(yaml.safe_load(CUSTOM))
    made = await world.acme.connections.create(provider=provider.id, end_user="ada", inputs={"apiKey": KEY})

    async with world.acme.http(made.id) as http:
        answers = [each for _ in range(6) for each in await asyncio.gather(*(http.get("/health") for _ in range(10)))]
        with pytest.raises(RateLimited) as caught:
            await http.get("/health")
    headers = {"Authorization": f"Bearer {world.key.reveal()}", "Tieline-Organization": "acme"}
    async with httpx2.AsyncClient(trust_env=False) as plain:
        refused = await plain.get(f"{world.url}/v1/connections/{made.id}/proxy/health", headers=headers)

    assert {answer.status_code for answer in answers} == {200}
    assert 55 < caught.value.retry_after <= 61
    assert (refused.status_code, refused.headers["tieline-error"]) == (429, "rate-limited")
    assert 55 < int(refused.headers["retry-after"]) <= 61


async def test_the_bearer_template_becomes_a_provider(world):
    templates = await world.acme.providers.templates()

    provider = await world.acme.providers.instantiate(
        "rest-api-bearer", name="Our API", params={"baseUrl": world.practice_url}
    )
    await world.connect(provider.id, typed={"apiKey": KEY})
    async with world.acme.http(end_user="ada", provider=provider.id) as http:
        echo = (await http.get("/v1/echo")).json()

    assert {each.id for each in templates.items} >= {"rest-api-bearer", "oauth2-standard", "webhook-hmac"}
    assert provider.id == "our-api"
    assert (echo["authenticated_by"], echo["user"]) == ("bearer", "ada@practice.example")


async def test_a_template_of_ones_own_becomes_a_provider(world):
    """The same text as the built-in one, registered by a customer."""
    text = {
        "name": "REST API with Bearer Token",
        "authType": "api_key",
        "apiKey": {
            "location": "header",
            "keyName": "Authorization",
            "keyPrefix": "Bearer ",
            "testEndpoint": "{{baseUrl}}/health",
        },
    }

    template = await world.acme.providers.register({**text, "isTemplate": True})
    provider = await world.acme.providers.instantiate(template.id, params={"baseUrl": world.practice_url})
    made = await world.acme.connections.create(provider=provider.id, inputs={"apiKey": KEY})
    async with world.acme.http(made.id) as http:
        me = await http.get("/v1/me")

    assert (template.is_template, template.connectable) == (True, False)
    assert me.json()["id"] == "person-1"


async def test_the_oauth_template_becomes_a_provider(world):
    below = Starlette(routes=[Mount("/oauth", world.practice.app)])
    async with serve(below) as url:
        provider = await world.acme.providers.instantiate("oauth2-standard", params={"baseUrl": url})
        client = {"client_id": world.practice.client_id, "client_secret": world.practice.client_secret}
        await world.acme.integrations.put(provider.id, **client)
        done = await world.connect(provider.id)
        async with world.acme.http(done.connection.id) as http:
            me = await http.get("/oauth/v1/me")

    assert provider.document["extends"].startswith("oauth2-standard@")
    assert me.json()["id"] == "person-1"


async def test_the_webhook_template_becomes_a_provider_that_has_nothing_to_connect(world):
    provider = await world.acme.providers.instantiate("webhook-hmac", name="Our hooks")

    with pytest.raises(NotConnectable, match="webhooks"):
        await world.start(provider.id)

    assert (provider.auth_type, provider.connectable) == ("webhook", False)


async def test_a_template_itself_cannot_be_connected(world):
    with pytest.raises(NotConnectable, match="template"):
        await world.start("rest-api-bearer")


async def test_every_fault_of_a_document_is_told_at_once(world):
    document = {
        "name": "Faulty",
        "authType": "api_key",
        "apiKey": {"location": "headre", "keyName": "X-API-Key", "testExpectedStatus": ["ok"]},
        "rateLimits": {"requestsPerMinute": "many"},
        "api": {"baseUrl": "not an address"},
        "colour": "red",
    }

    with pytest.raises(InvalidProvider) as caught:
        await world.acme.providers.register(document)
    faults = await world.acme.providers.validate(document)

    paths = {fault.path for fault in caught.value.errors}
    assert paths >= {"/apiKey/location", "/rateLimits/requestsPerMinute", "/api/baseUrl", "/colour"}
    assert any(path.startswith("/apiKey/testExpectedStatus") for path in paths)
    assert all(fault.message and fault.code for fault in caught.value.errors)
    assert {fault.path for fault in faults} == paths
    assert (await world.acme.providers.list(custom=True)).items == ()


async def test_a_new_version_that_goes_elsewhere_waits_for_consent(world):
    provider = await world.configured(practice_key_document(world.practice_url))
    made = await world.acme.connections.create(provider=provider.id, end_user="ada", inputs={"apiKey": KEY})
    elsewhere = practice_key_document(world.application.url)
    elsewhere.pop("version")

    published = await world.acme.providers.publish(provider.id, elsewhere)
    seen = await world.acme.connections.get(made.id)
    async with world.acme.http(made.id) as http:
        me = await http.get("/me")

    assert published.version == "2.0.0"
    assert (seen.attention, seen.usable, seen.provider_version) == ("approveUpdate", True, "1.0.0")
    assert me.json()["id"] == "person-1"
    assert world.application.caught == []


async def test_how_a_provider_looks_can_be_edited_and_what_it_does_cannot(world):
    provider = await world.configured(practice_document(world.practice_url))

    edited = await world.acme.providers.edit(provider.id, {"description": "Better words."})
    with pytest.raises(Exception, match="more than looks"):
        await world.acme.providers.edit(provider.id, {"oauth2": {"tokenUrl": "https://elsewhere.example/token"}})
    versions = await world.acme.providers.versions(provider.id)

    assert (edited.description, edited.version) == ("Better words.", "1.0.1")
    assert [each.version for each in versions.items] == ["1.0.1", "1.0.0"]


async def test_a_provider_in_use_is_retired_only_by_force(world):
    provider = await world.configured(practice_key_document(world.practice_url))
    made = await world.acme.connections.create(provider=provider.id, end_user="ada", inputs={"apiKey": KEY})

    with pytest.raises(Conflict) as caught:
        await world.acme.providers.retire(provider.id)
    await world.acme.providers.retire(provider.id, force=True)

    assert caught.value.facts["connections"] == 1
    with pytest.raises(NotFound):
        await world.acme.providers.get(provider.id)
    async with world.acme.http(made.id) as http:
        assert (await http.get("/me")).status_code == 200


async def test_an_organization_sees_its_own_providers_only(world):
    await world.configured(practice_document(world.practice_url))
    other = world.hub.organization("globex")

    found = await world.acme.providers.list(search="practice")
    with pytest.raises(NotFound):
        await other.providers.get("practice")

    assert [each.id for each in found.items] == ["practice"]
    assert found.categories == {"practice": 1}
