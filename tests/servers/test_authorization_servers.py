"""Every server that others wrote takes a person and a client through the whole code grant, by hand."""

import base64
import hashlib
import secrets

import httpx2
import pytest

from tieline.testing import Browser

from .authorization_servers import AUTHORIZATION_SERVERS, AuthorizationServer, canaille, django_oauth_toolkit

pytestmark = pytest.mark.anyio

CALLBACK = "http://127.0.0.1:4711/oauth/callback/stranger"
VERIFIER = secrets.token_urlsafe(48)
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


def authorize_url(server: AuthorizationServer) -> str:
    asked = {
        "response_type": "code",
        "client_id": server.client_id,
        "redirect_uri": CALLBACK,
        "scope": " ".join(server.scopes),
        "state": "a state",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    return str(httpx2.URL(server.authorize_url, params=asked))


async def post(server: AuthorizationServer, url: str, **form: str) -> httpx2.Response:
    """A call of the client, authenticated as it is registered."""
    client = (server.client_id, server.client_secret)
    async with httpx2.AsyncClient(trust_env=False, timeout=20) as http:
        if server.client_auth == "client_secret_basic":
            return await http.post(url, data=form, auth=client)
        return await http.post(url, data=form | {"client_id": client[0], "client_secret": client[1]})


async def userinfo(server: AuthorizationServer, access_token: str) -> httpx2.Response:
    async with httpx2.AsyncClient(trust_env=False, timeout=20) as http:
        return await http.get(server.userinfo_url, headers={"Authorization": f"Bearer {access_token}"})


async def code(server: AuthorizationServer) -> str:
    async with Browser() as browser:
        location = await server.consent(browser, authorize_url(server))
    assert location.startswith(CALLBACK + "?")
    assert httpx2.URL(location).params["state"] == "a state"
    return httpx2.URL(location).params["code"]


async def exchange(server: AuthorizationServer) -> dict[str, str]:
    grant = {"grant_type": "authorization_code", "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    answer = await post(server, server.token_url, code=await code(server), **grant)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("running", AUTHORIZATION_SERVERS, ids=lambda running: running.__name__)
async def test_a_person_says_yes_and_the_client_gets_and_renews_tokens(running):
    async with running(redirect_uri=CALLBACK) as server:
        first = await exchange(server)
        second = await post(server, server.token_url, grant_type="refresh_token", refresh_token=first["refresh_token"])
        me = await userinfo(server, second.json()["access_token"])

    assert server.identity.items() <= me.json().items()
    assert second.json()["access_token"] != first["access_token"]
    assert ("refresh_token" in second.json()) == server.rotates


@pytest.mark.parametrize("running", [canaille, django_oauth_toolkit], ids=lambda running: running.__name__)
async def test_a_revoked_token_is_refused(running):
    async with running(redirect_uri=CALLBACK) as server:
        token = (await exchange(server))["access_token"]
        revoked = await post(server, server.revoke_url, token=token)
        me = await userinfo(server, token)

    assert revoked.status_code == 200
    assert me.status_code in (401, 403)


@pytest.mark.parametrize("running", [canaille, django_oauth_toolkit], ids=lambda running: running.__name__)
async def test_a_client_may_be_registered_to_post_its_secret(running):
    async with running(redirect_uri=CALLBACK, client_auth="client_secret_post") as server:
        assert (await exchange(server))["access_token"]
