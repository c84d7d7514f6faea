"""The canary sings: a secret in each encoding, at each place, is found; and what was asked for is not."""

import base64
import logging
import secrets

import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tieline.errors import Conflict
from tieline.secret import Secret
from tieline.storage.database import Database
from tieline.storage.keyring import KeyRing

from .canary import Answer, Canary
from .encodings import encodings
from .mark import CLIENT_SECRET, KEY, MARK
from .resting import at_rest
from .taps import Overheard, listening

UNMARKED = "another-secret+of/some length"


@pytest.fixture
def canary():
    with listening() as canary:
        canary.note(UNMARKED)
        yield canary


@pytest.mark.parametrize("name", list(encodings(MARK)))
@pytest.mark.parametrize("secret", [KEY, CLIENT_SECRET, UNMARKED])
def test_each_encoding_of_a_secret_is_found_at_any_place(canary, secret, name):
    for shift in range(3):
        for spelling in encodings("x" * shift + secret)[name]:
            assert [*canary.found("here", b"\x00 before " + spelling + b" after")], (name, spelling)


def test_there_are_eight_encodings():
    assert len(encodings(MARK)) == 8


def test_a_basic_pair_is_found(canary):
    pair = base64.b64encode(f"client:{UNMARKED}".encode())

    assert [*canary.found("here", b"Authorization: Basic " + pair)]


def test_what_is_found_is_told_without_the_secret(canary):
    (told,) = canary.found("here", UNMARKED.encode())

    assert UNMARKED not in told
    assert told.startswith("here: ")


def test_nothing_is_found_where_nothing_is(canary):
    assert [*canary.found("here", secrets.token_bytes(1 << 20))] == []


@pytest.mark.parametrize("name", ["tieline", "sqlalchemy.engine.Engine", "aiohttp.client", "asyncpg", "uvicorn.error"])
def test_every_logger_is_heard_at_debug(canary, name):
    logging.getLogger(name).debug("asked with %s", KEY)

    assert [*canary.in_log()]


def test_what_is_logged_beside_the_message_is_heard(canary):
    logging.getLogger("tieline").debug("asked", extra={"token": KEY})

    assert [*canary.in_log()]


def test_our_own_log_is_heard_with_its_fields_and_traces(canary):
    structlog.get_logger("tieline.test").debug("asked", key=KEY)
    by_field, canary.log[:] = [*canary.in_log()], []
    try:
        raise ValueError(KEY)
    except ValueError:
        structlog.get_logger("tieline.test").info("failed", exc_info=True)

    assert by_field
    assert [*canary.in_log()]


@pytest.mark.parametrize("error", [Conflict(KEY), Conflict("no", token=KEY), Conflict("no", next={"a": [KEY]})])
def test_errors_are_heard(error):
    canary = Canary(errors=[error])

    assert [*canary.in_errors()]


def test_every_error_that_is_made_is_heard(canary):
    made = Conflict("no")

    assert canary.errors == [made]


def test_secrets_are_noted_as_they_are_made(canary):
    ring = KeyRing.generate()
    Secret("a password of somebody")
    Secret("tl_" + "0" * 49)
    Secret("short")

    assert {ring.text.reveal(), "a password of somebody"} <= canary.unmarked
    assert canary.keys == {"tl_" + "0" * 49}
    assert "short" not in canary.unmarked


TOKEN = f"pa_{MARK}4711"
REFRESH = f"pr_{MARK}4711"
CARRIED = f"{MARK}0815"
OUR_KEY = "tl_" + "1" * 49


def answer(method: str, path: str, body: str, *, head: str = "", ours: bool = False) -> Answer:
    return Answer(method, path, 200, ours, head.encode(), body.encode())


@pytest.mark.parametrize(
    ("answer", "leaks"),
    [
        (answer("GET", "/v1/connections/c", f'{{"label": "{TOKEN}"}}'), True),
        (answer("GET", "/v1/connections/c/credentials", f'{{"accessToken": "{TOKEN}"}}'), False),
        (answer("GET", "/v1/connections/c/credentials", f'{{"refreshToken": "{REFRESH}"}}'), True),
        (answer("POST", "/v1/api-keys", f'{{"key": "{OUR_KEY}"}}'), False),
        (answer("GET", "/v1/api-keys", f'{{"key": "{OUR_KEY}"}}'), True),
        (answer("POST", "/v1/connect/sessions", f'{{"token": "tlc_{CARRIED}"}}'), False),
        (answer("GET", "/v1/connect/sessions/s", f'{{"token": "tlc_{CARRIED}"}}'), True),
        (answer("GET", "/oauth/callback/c", "", head=f"location: https://a.example/?nonce={CARRIED}"), False),
        (answer("GET", "/oauth/callback/c", "", head=f"location: https://a.example/?code={TOKEN}"), True),
        (answer("POST", "/connect/x", f"<p>{TOKEN}"), True),
        (answer("GET", "/v1/connections/c/proxy/echo", TOKEN), False),
        (answer("GET", "/v1/connections/c/proxy/echo", TOKEN, ours=True), True),
        (answer("GET", "/v1/connections/c/proxy/echo", "", head=f"tieline-account: {TOKEN}"), True),
    ],
)
def test_an_answer_may_tell_what_it_is_asked_for_and_nothing_else(answer, leaks):
    canary = Canary(flow={CARRIED}, keys={OUR_KEY}, answers=[answer])

    assert bool([*canary.in_answers()]) == leaks


@pytest.mark.anyio
async def test_answers_are_noted_as_they_go_out():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 418, "headers": [(b"Tieline-Error", b"x")]})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await send({"type": "http.response.body", "body": b"b"})

    async def send(message):
        sent.append(message)

    canary, sent = Canary(), []
    await Overheard(app, canary)({"type": "http", "method": "GET", "path": "/p"}, None, send)

    assert canary.answers == [Answer("GET", "/p", 418, True, b"Tieline-Error: x\n", b"ab")]
    assert len(sent) == 3


@pytest.mark.anyio
async def test_what_a_database_keeps_is_read_in_every_column(database: Database, database_url: str):
    def plant(connection):
        connection.exec_driver_sql("CREATE TABLE planted (a text, b text)")
        connection.exec_driver_sql(f"INSERT INTO planted VALUES ('{KEY}', 'x')")

    await database.write(plant)

    kept = await at_rest(database_url)

    assert [*Canary().found("database", b"".join(kept.values()))]
    assert len(kept) > 10 or {each.rpartition("-")[2] for each in kept} == {"tieline.db", "wal", "shm"}


@pytest.mark.anyio
async def test_what_is_stored_stands_in_no_error_and_no_log_of_the_database(canary, database: Database):
    statement = text("INSERT INTO nowhere VALUES (:planted)")

    with pytest.raises(DBAPIError) as caught:
        await database.write(lambda connection: connection.execute(statement, {"planted": KEY}))

    assert KEY not in str(caught.value)
    assert any("INSERT INTO nowhere" in each for each in canary.log)
    assert [*canary.in_log()] == []
