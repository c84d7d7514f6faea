"""The flow against authorization servers that nobody here wrote: what they do is what the world does."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from tieline.errors import NotFound
from tieline.testing import PracticeProvider

from ..servers.authorization_servers import AUTHORIZATION_SERVERS, AuthorizationServer  # noqa: TID252  # no package
from .places import Ground, World, world_on

pytestmark = [
    pytest.mark.anyio,
    # Each server takes seconds to start: what it does differs by none of these.
    pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True),
    pytest.mark.parametrize("face", ["http"], indirect=True),
]

PROVIDER = "stranger"


@pytest.fixture
async def world(ground: Ground) -> AsyncIterator[World]:
    async with world_on(ground, PracticeProvider(), "") as world:
        yield world


@pytest.fixture(params=AUTHORIZATION_SERVERS, ids=lambda running: running.__name__)
async def server(world: World, request: pytest.FixtureRequest) -> AsyncIterator[AuthorizationServer]:
    """It has our client with our redirect URI, which is known before anything of the provider is."""
    draft = {"id": PROVIDER, "name": "Stranger", "authType": "oauth2"}
    urls = {"authUrl": "https://stranger.example/authorize", "tokenUrl": "https://stranger.example/token"}
    await world.acme.providers.register({**draft, "oauth2": urls, "api": {"baseUrl": "https://stranger.example"}})
    redirect_uri = (await world.acme.integrations.get(PROVIDER)).redirect_uri
    async with request.param(redirect_uri=redirect_uri) as server:
        await world.acme.providers.publish(PROVIDER, described(server))
        await world.acme.integrations.put(PROVIDER, client_id=server.client_id, client_secret=server.client_secret)
        yield server


def described(server: AuthorizationServer) -> dict[str, object]:
    identifier = "sub" if "sub" in server.identity else "username"
    oauth2: dict[str, object] = {
        "authUrl": server.authorize_url,
        "tokenUrl": server.token_url,
        "scopes": list(server.scopes),
        "clientAuth": server.client_auth,
    }
    if server.revoke_url is not None:
        oauth2["revokeUrl"] = server.revoke_url
    return {
        "id": PROVIDER,
        "name": server.name,
        "authType": "oauth2",
        "oauth2": oauth2,
        "check": {
            "requests": [{"method": "GET", "url": server.userinfo_url}],
            "identity": {"id": f"{{{{ body.{identifier} }}}}", "email": "{{ body.email }}"},
        },
        "api": {"baseUrl": server.userinfo_url.rpartition("/")[0]},
    }


async def connect(world: World, server: AuthorizationServer):
    page = await world.browser.open((await world.start(PROVIDER)).url.reveal())
    authorize_url = await world.browser.submit_until(page.form("connect"), server.authorize_url)
    callback = await server.consent(world.browser, authorize_url)
    back = await world.browser.open(callback)
    assert back.title == "The application", back.text
    return (await world.acme.connect.complete(nonce=world.application.nonce, end_user="ada")).connection


async def test_a_user_connects_uses_renews_and_deletes(world, server):
    made = await connect(world, server)
    first = (await world.acme.connections.credentials(made.id)).access_token.reveal()
    async with world.acme.http(made.id) as http:
        before = await http.get(server.userinfo_url)
        renewed = await world.acme.connections.refresh(made.id)
        after = await http.get("/" + server.userinfo_url.rpartition("/")[2])
    second = (await world.acme.connections.credentials(made.id)).access_token.reveal()
    await world.acme.connections.delete(made.id)
    deletion = (await world.acme.audit.list(action="connection.deleted")).items[0]

    assert made.account.email == server.identity["email"]
    assert server.identity.items() <= before.json().items()
    assert server.identity.items() <= after.json().items()
    assert renewed.status == "active"
    assert first != second
    assert deletion.outcome == "ok"
    with pytest.raises(NotFound):
        await world.acme.connections.get(made.id)
    assert (await answers(server, second)) is (server.revoke_url is None)


async def answers(server: AuthorizationServer, token: str) -> bool:
    """Whether the server still takes this access token."""
    async with httpx2.AsyncClient(trust_env=False, timeout=20) as http:
        answer = await http.get(server.userinfo_url, headers={"Authorization": f"Bearer {token}"})
    return answer.status_code == 200
