"""NUL, halves of characters and the like in everything that a caller can say: never an accident, on either database."""

import base64
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest

from tieline import Hub
from tieline.api import app
from tieline.settings import load_settings
from tieline.testing import practice_document, serve

from .stage import free_port

pytestmark = pytest.mark.anyio

KEYS = "test:" + base64.b64encode(bytes(range(32))).decode()
ODD = [
    "a%00b",
    "%ED%A0%80",
    "%FF%FE",
    "%F0%9F%98%80",
    "%E2%80%AE",
    "%0D%0AX:%20y",
    "%7F",
    "..",
    "%252e%252e",
    "a" * 3000,
]
SOME_AND_ALL = pytest.mark.parametrize("oddities", [ODD[:1], pytest.param(ODD, marks=pytest.mark.slow)], ids=len)
HEADERS = (
    *("Authorization", "Tieline-Organization", "Tieline-Account", "Tieline-Url", "Tieline-Server", "Idempotency-Key"),
    *("Content-Type", "Accept", "Cookie", "Origin", "Host", "X-Forwarded-For", "Range", "If-None-Match"),
)


@pytest.fixture
async def http(database_url, tmp_path) -> AsyncIterator[httpx2.AsyncClient]:
    """With a provider, a user's connection and the owner's key."""
    settings = load_settings({}, database_url=database_url, data=str(tmp_path), port=str(free_port()), keys=KEYS)
    async with Hub.open(settings=settings) as hub, serve(app(hub), port=int(settings.port)) as url:
        headers = {"Authorization": f"Bearer {(await hub.create_first_key()).key.reveal()}"}
        async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=30, trust_env=False) as http:
            await http.post("/v1/providers", json=practice_document("https://api.acme.example"))
            await http.put("/v1/integrations/practice", json={"clientId": "c", "clientSecret": "s"})
            yield http


def filled(path: str, text: str) -> str:
    return "/".join(text if part.startswith("{") else part for part in path.split("/"))


def addresses(path: str, operation: dict[str, Any], odd: str) -> Iterator[str]:
    """The route with the odd text for its parts, and for each of its parameters."""
    if "{" in path:
        yield filled(path, odd)
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "query":
            yield f"{filled(path, 'practice')}?{parameter['name']}={odd}"


@SOME_AND_ALL
async def test_no_path_and_no_query_is_an_accident(http, oddities):
    routes = (await http.get("/openapi.json")).json()["paths"]
    answers = {}
    for path, operations in routes.items():
        for (method, operation), odd in itertools.product(operations.items(), oddities):
            for address in addresses(path, operation, odd):
                body = {} if method in ("post", "put", "patch") else None
                answers[method, address] = (await http.request(method.upper(), address, json=body)).status_code

    assert len(answers) > 40 * len(oddities)
    assert {asked: status for asked, status in answers.items() if status >= 500} == {}


@SOME_AND_ALL
async def test_nothing_that_a_browser_says_is_an_accident(http, oddities):
    body = {"provider": "practice", "endUser": "ada", "returnTo": "http://127.0.0.1/"}
    page = (await http.post("/v1/connect/sessions", json=body)).json()["url"]
    answers = {}
    for odd in oddities:
        for address in (
            *(f"/connect/{odd}", f"/oauth/callback/{odd}?code=a&state=b", f"/{odd}", f"/v1/{odd}"),
            *(f"/oauth/callback/x?code={odd}&state={odd}", f"/oauth/callback/x?error={odd}&state=b&iss={odd}"),
            *(f"/proxy/{odd}?{odd}={odd}", f"/docs?{odd}={odd}"),
        ):
            answers[address] = (await http.get(address, headers={"Cookie": f"__Host-tieline={odd}"})).status_code
        form = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
        typed = f"method={odd}&apiKey={odd}&{odd}={odd}"
        answers["form", odd] = (await http.post(page, content=typed, headers=form)).status_code

    assert {asked: status for asked, status in answers.items() if status >= 500} == {}


@pytest.mark.slow
@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_no_header_is_an_accident(http):
    values = [b"\xff\xfe", b"%00", b"\xed\xa0\x80", b"a" * 3000, b"", b"tl_" + b"a" * 49, b',;="']
    routes = [("GET", "/v1/connections"), ("POST", "/v1/api-keys"), ("GET", "/proxy/a")]
    answers = {}
    for name, value, (method, path) in itertools.product(HEADERS, values, routes):
        body = b"{}" if method == "POST" else None
        answer = await http.request(method, path, headers=[(name.encode(), value)], content=body)
        answers[name, value, path] = answer.status_code

    assert {asked: status for asked, status in answers.items() if status >= 500} == {}


@pytest.mark.parametrize(
    "text",
    ["a\0b", "\ud800", "\udfff\ud800", "\uffff", "a" * 100_000],
    ids=["NUL", "half", "two halves", "none", "long"],
)
async def test_no_text_in_a_body_is_an_accident(http, text):
    document = practice_document("https://api.acme.example", id="odd")
    token, user = {"accessToken": text}, {"provider": "practice", "endUser": "ada"}
    bodies = [
        ("POST", "/v1/providers", {**document, "name": text}),
        ("POST", "/v1/providers", {**document, "description": text, "tags": [text]}),
        ("POST", "/v1/providers/validate", {**document, text: text}),
        ("POST", "/v1/api-keys", {"name": text}),
        ("POST", "/v1/api-keys", {"name": "n", "restrictions": {"endUser": text}}),
        ("POST", "/v1/connect/sessions", {**user, "endUser": text}),
        ("POST", "/v1/connect/sessions", {**user, "metadata": {text: text}}),
        ("POST", "/v1/connect/complete", {"nonce": text, "endUser": text}),
        ("POST", "/v1/connections", {**user, "endUser": text, "credentials": token, "check": False}),
        ("POST", "/v1/connections", {**user, "credentials": token, "check": False}),
        ("PUT", "/v1/organizations/acme", {"name": text}),
        ("PUT", "/v1/integrations/practice", {"clientId": text, "clientSecret": text}),
    ]
    answers = {}
    for method, path, body in bodies:
        for kind in ("application/json", "application/yaml"):
            content, headers = json.dumps(body).encode(), {"Content-Type": kind}
            answer = await http.request(method, path, content=content, headers=headers)
            answers[path, str(body)[:40], kind] = answer.status_code

    assert {asked: status for asked, status in answers.items() if status >= 500} == {}
