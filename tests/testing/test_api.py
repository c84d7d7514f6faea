"""The practice API: where credentials may come, and what it answers."""

import hashlib
import time

import httpx2
import pytest

from tieline.testing import masked, stream_bytes

from .conftest import Application

pytestmark = pytest.mark.anyio

KEY = "practice-key"
WITH_KEY = {"X-API-Key": KEY}


@pytest.mark.parametrize(
    ("place", "call"),
    [
        ("header", {"url": "/v1/echo", "headers": WITH_KEY}),
        ("query", {"url": "/v1/echo?api_key=practice-key"}),
        ("cookie", {"url": "/v1/echo", "headers": {"Cookie": f"session={KEY}"}}),
        ("path", {"url": f"/key/{KEY}/v1/echo"}),
        ("path", {"url": f"/v1/key/{KEY}/echo"}),
        ("body", {"url": "/v1/echo", "json": {"api_key": KEY}}),
        ("body", {"url": "/v1/echo", "data": {"api_key": KEY}}),
        ("basic", {"url": "/v1/echo", "auth": ("ada@practice.example", "practice-password")}),
        ("basic", {"url": "/v1/echo", "auth": (KEY, "")}),
        ("bearer", {"url": "/v1/echo", "headers": {"Authorization": f"Bearer {KEY}"}}),
    ],
)
async def test_a_credential_may_come_in_every_place(app: Application, place: str, call: dict[str, object]):
    answer = await app.http.request("POST", **call)

    assert answer.status_code == 200
    assert answer.json()["authenticated_by"] == place
    assert answer.json()["user"] == "ada@practice.example"


@pytest.mark.parametrize(
    "call",
    [
        {"headers": {"X-API-Key": "wrong"}},
        {"headers": {"Authorization": "Bearer wrong"}},
        {"headers": {"Authorization": "Basic !!"}},
        {"auth": ("ada@practice.example", "wrong")},
        {"auth": ("", "")},
        {"params": {"api_key": "wrong"}},
        {},
    ],
)
async def test_a_wrong_credential_is_challenged(app: Application, call: dict[str, object]):
    for url in ("/health", "/v1/me"):
        answer = await app.http.get(url, **call)

        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_health_is_good_with_a_key_or_a_token(app: Application):
    token = app.provider.issue_tokens()["access_token"]

    by_key = await app.http.get("/health", headers=WITH_KEY)
    by_token = await app.http.get("/health", headers={"Authorization": f"Bearer {token}"})

    assert (by_key.status_code, by_token.status_code) == (200, 200)


async def test_echo_shows_the_call_and_no_credential(app: Application):
    headers = {"Authorization": f"Bearer {KEY}", "X-Extra": "1", "Cookie": "session=s3cret; theme=dark"}

    answer = await app.http.put("/v1/echo?a=1&a=2&api_key=k3y", headers=headers, content=b"hello")

    seen = answer.json()
    assert (seen["method"], seen["path"], seen["body"]) == ("PUT", "/v1/echo", "hello")
    assert seen["query"] == [["a", "1"], ["a", "2"], ["api_key", masked("k3y")]]
    assert seen["headers"]["authorization"] == masked(f"Bearer {KEY}")
    assert seen["headers"]["x-extra"] == "1"
    assert seen["cookies"] == {"session": masked("s3cret"), "theme": "dark"}
    assert not any(secret in answer.text for secret in (KEY, "s3cret", "k3y"))


async def test_a_key_in_the_path_is_not_shown(app: Application):
    answer = await app.http.get(f"/key/{KEY}/v1/echo")

    assert answer.json()["path"] == "/key/*/v1/echo"
    assert app.provider.calls == ["GET /key/*/v1/echo"]


async def test_items_come_in_pages_until_the_cursor_ends(app: Application):
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await app.http.get("/v1/items", params={"limit": 20, "cursor": cursor}, headers=WITH_KEY)).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]

    assert seen == [f"item-{number}" for number in range(1, 58)]
    assert app.provider.calls.count("GET /v1/items") == 3


@pytest.mark.parametrize("cursor", ["wrong", "!!", "W10="])
async def test_a_wrong_cursor_is_refused(app: Application, cursor: str):
    answer = await app.http.get("/v1/items", params={"cursor": cursor}, headers=WITH_KEY)

    assert answer.status_code == 400


@pytest.mark.parametrize("chunked", ["", "&chunked=1"])
async def test_a_stream_has_the_bytes_that_it_should(app: Application, chunked: str):
    answer = await app.http.get(f"/v1/stream?bytes=200001{chunked}", headers=WITH_KEY)

    assert answer.content == b"".join(stream_bytes(200_001))
    assert answer.headers.get("content-length") == (None if chunked else "200001")
    assert app.provider.bytes_streamed == 200_001


async def test_an_upload_is_counted(app: Application):
    answer = await app.http.post("/v1/upload", headers=WITH_KEY, content=stream_of(300_000))

    whole = b"".join(stream_bytes(300_000))
    assert answer.json() == {"bytes": 300_000, "sha256": hashlib.sha256(whole).hexdigest()}


async def stream_of(count: int):
    for chunk in stream_bytes(count):
        yield chunk


@pytest.mark.parametrize("code", [200, 204, 304, 404, 500])
async def test_any_status_can_be_asked_for(app: Application, code: int):
    assert (await app.http.get(f"/v1/status/{code}", headers=WITH_KEY)).status_code == code


async def test_a_redirect_goes_where_it_is_told(app: Application):
    answer = await app.http.get("/v1/redirect?to=http://other.example/&code=307", headers=WITH_KEY)

    assert (answer.status_code, answer.headers["location"]) == (307, "http://other.example/")


async def test_slow_and_big_are_what_they_say(app: Application):
    started = time.monotonic()
    await app.http.get("/v1/slow?seconds=0.05", headers=WITH_KEY)

    assert time.monotonic() - started >= 0.05
    assert len((await app.http.get("/v1/big?bytes=1000", headers=WITH_KEY)).content) > 1000


async def test_a_switched_status_is_answered_to_anybody(app: Application):
    app.provider.switches.turn({"api_status": {"/v1/me": 503}, "retry_after": 9})

    broken, whole = await app.http.get("/v1/me"), await app.http.get("/v1/items", headers=WITH_KEY)

    assert (broken.status_code, broken.headers["retry-after"], whole.status_code) == (503, "9", 200)


async def test_a_caller_has_so_many_calls(app: Application):
    app.provider.switches.turn({"rate_limit": 2, "rate_limit_seconds": 0.2})
    auth = httpx2.BasicAuth(KEY, "")

    statuses = [(await app.http.get("/v1/me", headers=WITH_KEY)).status_code for _ in range(3)]
    other = await app.http.get("/v1/me", auth=auth)

    assert statuses == [200, 200, 429]
    assert other.status_code == 200


async def test_userinfo_has_the_standard_claims(app: Application):
    token = app.provider.issue_tokens()["access_token"]

    answer = await app.http.get("/userinfo", headers={"Authorization": f"Bearer {token}"})

    assert answer.json() == {"sub": "person-1", "name": "Ada Brightwater", "email": "ada@practice.example"}
