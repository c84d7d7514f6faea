"""Accounts that are opened by what a user types: keys in every place, passwords, and the client itself."""

import pytest
from tests.canary.mark import KEY, PASSWORD, WRONG_KEY

from tieline import Reference
from tieline.errors import CheckFailed, InvalidInputs, ReconnectRequired, Suspended
from tieline.testing import practice_basic_document, practice_document, practice_key_document

from .places import World

pytestmark = pytest.mark.anyio

OTHER = f"{KEY}-other"
PATTERN = {"apiKey": {"pattern": "practice-[a-z]+", "patternMessage": "A key starts with practice-."}}


def owned(provider: str) -> Reference:
    return Reference(end_user="ada", provider=provider)


async def echoed(world: World, provider: str) -> dict[str, object]:
    async with world.acme.http(end_user="ada", provider=provider) as http:
        answer = await http.post("/echo", json={"said": "hello"})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("location", ["header", "query", "body", "cookie", "path"])
async def test_a_typed_key_is_put_where_the_document_says(world, location):
    provider = (await world.configured(practice_key_document(world.practice_url, location=location))).id

    done = await world.connect(provider, typed={"apiKey": KEY})
    echo = await echoed(world, provider)

    assert (done.result, done.connection.account_id) == ("connected", "person-1")
    assert done.connection.provider_type == "api_key"
    assert (echo["authenticated_by"], echo["user"]) == (location, "ada@practice.example")
    assert location == "body" or KEY not in repr(echo)
    assert (await world.acme.connections.credentials(owned(provider))).values["apiKey"].reveal() == KEY


async def test_a_wrong_key_is_told_on_the_page_and_mended_there(world):
    provider = (await world.configured(practice_key_document(world.practice_url))).id
    session = await world.start(provider)

    again = await world.visit(session, apiKey=WRONG_KEY)
    back = await world.browser.submit(again.form("connect"), apiKey=KEY)

    assert "does not accept this credential" in again.text
    assert WRONG_KEY not in again.text
    assert back.title == "The application"
    done = await world.acme.connect.complete(nonce=world.application.nonce, end_user="ada")
    assert done.result == "connected"


async def test_a_user_name_and_a_password(world):
    provider = (await world.configured(practice_basic_document(world.practice_url))).id

    done = await world.connect(provider, typed={"username": "ada@practice.example", "password": PASSWORD})

    assert done.connection.provider_type == "basic"
    assert (await echoed(world, provider))["authenticated_by"] == "basic"


@pytest.mark.parametrize("owner", ["user", "admin"])
async def test_a_client_that_acts_for_itself_renews_by_asking_again(world, owner):
    oauth2 = {"grant": "client_credentials", "clientFrom": owner, "authUrl": None, "revokeUrl": None, "pkce": None}
    document = practice_document(world.practice_url, id="machine", oauth2=oauth2, check=None, refresh=None)
    provider = (await world.configured(document)).id
    client = {"clientId": world.practice.client_id, "clientSecret": world.practice.client_secret}

    made = await world.acme.connections.create(
        provider=provider, end_user="ada", inputs=client if owner == "user" else None
    )
    world.practice.expire_access_tokens()
    echo = await echoed(world, provider)

    assert made.status == "active"
    assert (echo["authenticated_by"], echo["user"]) == ("bearer", None)


async def test_an_import_is_checked_and_renews_what_was_there(world):
    provider = (await world.configured(practice_key_document(world.practice_url))).id

    first, new = await world.acme.connections.upsert(
        provider=provider, end_user="ada", inputs={"apiKey": KEY}, metadata={"plan": "free"}
    )
    world.practice.api_keys.clear()
    check = await world.acme.connections.check(owned(provider))
    broken = await world.acme.connections.get(first.id)
    world.practice.api_keys[OTHER] = "ada@practice.example"
    second, again = await world.acme.connections.upsert(provider=provider, end_user="ada", inputs={"apiKey": OTHER})

    assert (new, again) == (True, False)
    assert (first.binding, first.account_id) == ("import", "person-1")
    assert (check.ok, check.problem.code) == (False, "check-failed")
    assert broken.status == "reconnect"
    assert broken.error.code == "check-failed"
    assert second.id == first.id
    assert (second.status, second.error, second.error_count) == ("active", None, 0)
    assert second.metadata == {"plan": "free"}


async def test_a_token_can_be_imported_with_its_refresh_token(world):
    provider = (await world.configured(practice_document(world.practice_url))).id
    tokens = world.practice.issue_tokens()

    made = await world.acme.connections.create(
        provider=provider,
        end_user="ada",
        credentials={"accessToken": tokens["access_token"], "refreshToken": tokens["refresh_token"]},
    )
    world.practice.expire_access_tokens()

    assert made.account_id == "person-1"
    async with world.acme.http(made.id) as http:
        assert (await http.get("/me")).json()["id"] == "person-1"
    assert world.practice.refreshes == 1


async def test_an_import_of_a_key_that_does_not_work_stores_nothing(world):
    provider = (await world.configured(practice_key_document(world.practice_url))).id

    with pytest.raises(CheckFailed):
        await world.acme.connections.create(provider=provider, end_user="ada", inputs={"apiKey": WRONG_KEY})

    assert (await world.acme.connections.list()).items == ()


@pytest.mark.parametrize(
    ("inputs", "path", "code"),
    [
        ({}, "/inputs/apiKey", "required"),
        ({"apiKey": "PRACTICE KEY"}, "/inputs/apiKey", "invalid"),
        ({"apiKey": KEY, "x": "1"}, "/inputs/x", "unknown"),
    ],
)
async def test_inputs_that_do_not_fit_are_named(world, inputs, path, code):
    document = practice_key_document(world.practice_url, inputs=PATTERN)
    provider = (await world.configured(document)).id

    with pytest.raises(InvalidInputs) as caught:
        await world.acme.connections.create(provider=provider, end_user="ada", inputs=inputs)

    (fault,) = caught.value.errors
    assert fault.path == path
    assert code in fault.code
    assert "PRACTICE" not in repr(caught.value.errors)


async def test_the_page_says_what_does_not_fit_before_it_asks_the_provider(world):
    provider = (await world.configured(practice_key_document(world.practice_url, inputs=PATTERN))).id
    calls = len(world.practice.calls)

    page = await world.visit(await world.start(provider), apiKey="KEY 1")

    assert "A key starts with practice-." in page.text
    assert len(world.practice.calls) == calls


async def test_a_suspended_connection_makes_no_call(world):
    provider = (await world.configured(practice_key_document(world.practice_url))).id
    await world.connect(provider, typed={"apiKey": KEY})
    calls = len(world.practice.calls)

    suspended = await world.acme.connections.suspend(owned(provider))
    async with world.acme.http(end_user="ada", provider=provider) as http:
        with pytest.raises(Suspended):
            await http.get("/me")
    with pytest.raises(Suspended):
        await world.acme.connections.credentials(owned(provider))

    assert (suspended.status, suspended.usable) == ("suspended", False)
    assert len(world.practice.calls) == calls
    assert (await world.acme.connections.resume(owned(provider))).status == "active"
    assert (await echoed(world, provider))["user"] == "ada@practice.example"


async def test_a_key_that_is_withdrawn_is_seen_by_a_check(world):
    provider = (await world.configured(practice_key_document(world.practice_url))).id
    await world.connect(provider, typed={"apiKey": KEY})
    world.practice.api_keys.clear()

    checked = await world.acme.connections.check(owned(provider))

    assert not checked.ok
    async with world.acme.http(end_user="ada", provider=provider) as http:
        with pytest.raises(ReconnectRequired):
            await http.get("/me")


async def test_a_connection_may_belong_to_the_organization_itself(world):
    provider = (await world.configured(practice_key_document(world.practice_url))).id

    made = await world.acme.connections.create(provider=provider, inputs={"apiKey": KEY})

    assert made.end_user is None
    assert (await world.acme.connections.get(Reference(provider=provider))).id == made.id
    assert [each.id for each in (await world.acme.connections.list(end_user="")).items] == [made.id]
    async with world.acme.http(provider=provider) as http:
        assert (await http.get("/me")).status_code == 200
