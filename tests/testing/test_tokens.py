"""The token and revocation endpoints, well behaved and not."""

import httpx2
import pytest

from tieline.testing import PracticeProvider

from .conftest import Application

pytestmark = pytest.mark.anyio

ADA = "ada@practice.example"


async def test_strict_rotation_ends_the_grant_of_a_token_that_comes_twice(app: Application):
    first = app.provider.issue_tokens()
    second = (await app.refresh(first["refresh_token"])).json()

    again = await app.refresh(first["refresh_token"])

    assert again.json()["error"] == "invalid_grant"
    assert (await app.refresh(second["refresh_token"])).json()["error"] == "invalid_grant"
    assert app.provider.refreshes == 1


async def test_without_rotation_the_refresh_token_stays(app: Application):
    app.provider.switches.rotation = "none"
    first = app.provider.issue_tokens()

    answers = [(await app.refresh(first["refresh_token"])).json() for _ in range(2)]

    assert all("refresh_token" not in answer for answer in answers)
    assert answers[0]["access_token"] != answers[1]["access_token"]


async def test_with_grace_the_old_token_works_for_a_while():
    now = 1000.0
    provider = PracticeProvider(clock=lambda: now)
    provider.switches.turn({"rotation": "grace", "grace_seconds": 30})
    first = str(provider.issue_tokens()["refresh_token"])
    provider.ledger.refresh(first)

    now += 29
    second = provider.ledger.refresh(first)
    now += 2

    with pytest.raises(Exception, match="replaced before"):
        provider.ledger.refresh(first)
    assert provider.ledger.use(str(second["access_token"])) is None


@pytest.mark.parametrize("used", ["access_token", "refresh_token"])
async def test_until_used_the_old_token_works_until_what_replaced_it_is_used(app: Application, used: str):
    app.provider.switches.rotation = "until_used"
    first = app.provider.issue_tokens()
    lost, second = [(await app.refresh(first["refresh_token"])).json() for _ in range(2)]

    await (app.me(second[used]) if used == "access_token" else app.refresh(second[used]))

    assert lost["access_token"] != second["access_token"]
    assert (await app.refresh(first["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_dropped_answer_was_processed(app: Application):
    app.provider.switches.drop_answer = 1
    first = app.provider.issue_tokens()

    with pytest.raises(httpx2.TransportError):
        await app.refresh(first["refresh_token"])

    assert app.provider.refreshes == 1
    assert app.provider.switches.drop_answer == 0
    assert (await app.refresh(first["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_dropped_answer_without_a_socket_is_an_error(provider: PracticeProvider):
    provider.switches.drop_answer = 1

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(provider.app), base_url="http://practice") as http:
        with pytest.raises(ConnectionResetError):
            await http.post("/token")


@pytest.mark.parametrize(
    ("answer", "status", "media"),
    [
        ("html", 200, "text/html; charset=utf-8"),
        ("error_200", 200, "application/json"),
        ("error_400", 400, "application/json"),
        ("empty_400", 400, None),
        ("500", 500, "text/plain; charset=utf-8"),
        ("429", 429, "application/json"),
    ],
)
async def test_a_broken_token_endpoint_does_nothing(app: Application, answer: str, status: int, media: str | None):
    app.provider.switches.turn({"token_answer": answer, "retry_after": 7})
    first = app.provider.issue_tokens()

    response = await app.refresh(first["refresh_token"])

    assert (response.status_code, response.headers.get("content-type")) == (status, media)
    assert app.provider.refreshes == 0
    assert response.headers.get("retry-after") == ("7" if answer == "429" else None)


async def test_an_answer_may_be_form_encoded(app: Application):
    app.provider.switches.token_answer = "form"

    answer = httpx2.QueryParams((await app.refresh(app.provider.issue_tokens()["refresh_token"])).text)

    assert (await app.me(answer["access_token"])).status_code == 200


@pytest.mark.parametrize(
    ("ways", "status"), [(["basic"], 200), (["post", "basic"], 200), (["post"], 401), (["none"], 401)]
)
async def test_a_client_may_use_basic_when_that_is_switched_on(app: Application, ways: list[str], status: int):
    app.provider.client_secret = "with:colon and space"
    app.provider.switches.turn({"token_auth": ways})

    answer = await app.http.post(
        "/token", data={"grant_type": "client_credentials"}, auth=("practice-client", "with%3Acolon+and+space")
    )

    assert answer.status_code == status


async def test_a_wrong_secret_is_refused(app: Application):
    answer = await app.token(grant_type="client_credentials", client_secret="wrong")

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic")


async def test_two_ways_at_once_are_refused(app: Application):
    form = {"grant_type": "client_credentials", "client_secret": "practice-secret"}

    answer = await app.http.post("/token", data=form, auth=("practice-client", "practice-secret"))

    assert answer.json()["error"] == "invalid_request"


async def test_a_client_may_act_for_itself(app: Application):
    answer = (await app.token(grant_type="client_credentials", scope="profile")).json()

    assert "refresh_token" not in answer
    assert (await app.me(answer["access_token"])).json()["id"] == "practice-client"


async def test_another_grant_type_is_refused(app: Application):
    assert (await app.token(grant_type="password")).json()["error"] == "unsupported_grant_type"


async def test_refresh_tokens_and_lifetimes_may_be_left_out(app: Application):
    app.provider.switches.turn({"issue_refresh_tokens": False, "access_token_lifetime": None})

    answer = (await app.exchange((await app.callback())["code"])).json()

    assert not {"refresh_token", "expires_in"} & answer.keys()


async def test_revoking_a_refresh_token_ends_its_grant(app: Application):
    tokens = app.provider.issue_tokens()
    client = ("practice-client", "practice-secret")

    first = await app.http.post("/revoke", data={"token": tokens["refresh_token"]}, auth=client)
    unknown = await app.http.post("/revoke", data={"token": "unknown"}, auth=client)

    assert (first.status_code, unknown.status_code) == (200, 200)
    assert app.provider.revoked == 1
    assert (await app.me(tokens["access_token"])).status_code == 401


async def test_revoking_may_fail(app: Application):
    app.provider.switches.revoke_fails = True

    assert (await app.http.post("/revoke", data={"token": "x"})).status_code == 503


async def test_forgotten_grants_are_gone_for_the_person_named(app: Application):
    ada, bo = app.provider.issue_tokens(user=ADA), app.provider.issue_tokens(user="bo@practice.example")

    forgotten = app.provider.forget_grants(ADA)

    assert forgotten == 1
    assert (await app.me(ada["access_token"])).status_code == 401
    assert (await app.refresh(ada["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await app.refresh(bo["refresh_token"])).status_code == 200


async def test_expired_access_tokens_can_be_refreshed(app: Application):
    tokens = app.provider.issue_tokens()

    app.provider.expire_access_tokens()

    assert (await app.me(tokens["access_token"])).status_code == 401
    fresh = (await app.refresh(tokens["refresh_token"])).json()
    assert (await app.me(fresh["access_token"])).status_code == 200


async def test_the_other_process_turns_switches_and_reads_counters(app: Application):
    turned = await app.http.post("/_practice/switches", json={"rotation": "none", "slow_seconds": 0.01})
    await app.refresh(app.provider.issue_tokens()["refresh_token"])
    forgotten = (await app.http.post("/_practice/forget", json={"user": ADA})).json()
    expired = (await app.http.post("/_practice/expire")).json()

    state = (await app.http.get("/_practice/state")).json()

    assert turned.json()["rotation"] == app.provider.switches.rotation == "none"
    assert (forgotten, expired) == ({"forgotten": 1}, {"expired": 2})
    assert state["refreshes"] == 1
    assert state["calls"] == {"POST /token": 1}


@pytest.mark.parametrize("wrong", [{"rotations": "none"}, {"rotation": "sometimes"}, {"slow_seconds": "much"}, []])
async def test_a_wrong_switch_changes_nothing(app: Application, wrong: object):
    before = (await app.http.get("/_practice/state")).json()

    answer = await app.http.post("/_practice/switches", json=wrong)

    assert answer.status_code == 400
    assert (await app.http.get("/_practice/state")).json() == before
