"""The authorization code grant of the practice provider."""

from dataclasses import replace

import httpx2
import pytest

from tieline.testing import PracticeProvider
from tieline.testing.ledger import TokenFault
from tieline.testing.parameters import once

from .conftest import CALLBACK, Application

pytestmark = pytest.mark.anyio


async def test_a_person_who_agreed_comes_back_with_a_code_that_becomes_tokens(app: Application):
    back = await app.callback()

    answer = (await app.exchange(back["code"])).json()

    assert back["state"] == "s1"
    assert back["iss"] == app.url
    assert answer["scope"] == "profile items"
    assert answer["expires_in"] == 3600
    assert (await app.me(answer["access_token"])).json() == {
        "id": "person-1",
        "name": "Ada Brightwater",
        "email": "ada@practice.example",
    }
    assert app.provider.codes_exchanged == 1
    assert app.provider.calls == ["GET /authorize", "POST /token", "GET /v1/me"]


async def test_the_page_lets_a_person_choose_an_account(app: Application):
    app.provider.switches.consent = "page"
    page = await app.browser.open(app.authorize_url())

    location = await app.browser.submit_until(page.form("consent"), CALLBACK, account="bo@practice.example")

    answer = (await app.exchange(httpx2.URL(location).params["code"])).json()
    assert (await app.me(answer["access_token"])).json()["name"] == "Bo Lindqvist"


async def test_no_is_told_to_the_client(app: Application):
    app.provider.switches.consent = "page"
    page = await app.browser.open(app.authorize_url())

    location = await app.browser.submit_until(page.form("consent"), CALLBACK, decision="deny")

    answer = httpx2.URL(location).params
    assert (answer["error"], answer["state"]) == ("access_denied", "s1")


async def test_a_page_is_answered_once(app: Application):
    app.provider.switches.consent = "page"
    form = (await app.browser.open(app.authorize_url())).form("consent")
    await app.browser.submit_until(form, CALLBACK)

    again = await app.browser.submit(form)

    assert (again.status, again.location) == (400, None)


@pytest.mark.parametrize(
    "wrong", [{"client_id": "other"}, {"redirect_uri": "javascript:alert(1)"}, {"redirect_uri": None}]
)
async def test_a_wrong_client_or_redirect_uri_is_not_redirected_to(app: Application, wrong: dict[str, str | None]):
    page = await app.browser.open(app.authorize_url(**wrong), until=CALLBACK)

    assert (page.status, page.location) == (400, None)


async def test_only_registered_redirect_uris_are_known_when_there_are_any(app: Application):
    app.provider.redirect_uris = frozenset({"http://127.0.0.1:1/other"})

    page = await app.browser.open(app.authorize_url(), until=CALLBACK)

    assert page.status == 400


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"scope": "profile everything"}, "invalid_scope"),
    ],
)
async def test_other_faults_are_told_by_redirect(app: Application, wrong: dict[str, str | None], error: str):
    assert (await app.callback(**wrong))["error"] == error


async def test_a_code_works_once_and_a_replay_ends_its_grant(app: Application):
    code = (await app.callback())["code"]
    first = (await app.exchange(code)).json()

    replay = await app.exchange(code)

    assert (replay.status_code, replay.json()["error"]) == (400, "invalid_grant")
    assert (await app.me(first["access_token"])).status_code == 401
    assert (await app.refresh(first["refresh_token"])).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("wrong", [{"code_verifier": "wrong"}, {"redirect_uri": CALLBACK + "2"}, {"code": "pc_wrong"}])
async def test_a_code_needs_its_verifier_and_its_redirect_uri(app: Application, wrong: dict[str, str]):
    code = (await app.callback())["code"]

    answer = await app.exchange(**({"code": code} | wrong))

    assert answer.json()["error"] == "invalid_grant"


async def test_without_required_pkce_a_code_comes_without_a_verifier(app: Application):
    app.provider.switches.require_pkce = False
    code = (await app.callback(code_challenge=None, code_challenge_method=None))["code"]

    assert (await app.exchange(code, code_verifier="")).status_code == 200


async def test_a_code_expires_in_a_minute():
    now = 1000.0
    provider = PracticeProvider(clock=lambda: now)
    from tieline.testing.ledger import Approval

    code = provider.ledger.issue_code(Approval("ada@practice.example", (), CALLBACK, None))
    now += 61

    with pytest.raises(TokenFault, match="expired"):
        provider.ledger.redeem_code(code, redirect_uri=CALLBACK, verifier="")


async def test_fewer_scopes_than_asked_for_are_granted_and_told(app: Application):
    app.provider.switches = replace(app.provider.switches, granted_scopes=["profile"])

    answer = (await app.exchange((await app.callback())["code"])).json()

    assert answer["scope"] == "profile"
    refused = await app.http.get("/v1/items", headers={"Authorization": f"Bearer {answer['access_token']}"})
    assert refused.status_code == 403
    assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]


async def test_the_metadata_names_every_endpoint(app: Application):
    metadata = (await app.http.get("/.well-known/oauth-authorization-server")).json()

    assert metadata["issuer"] == app.url
    assert metadata["token_endpoint"] == f"{app.url}/token"
    assert metadata["code_challenge_methods_supported"] == ["S256"]


def test_a_parameter_comes_once():
    with pytest.raises(TokenFault, match="more than once"):
        once([("state", "a"), ("state", "b")])
