"""Requests of every shape that the OpenAPI document allows, and of shapes that it does not: each answer is one that the
document has, and none is a failure of ours."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.tenancy.town import Caller, Town, town_on

from tieline import Hub
from tieline.api import app
from tieline.egress import AddressPolicy, Egress
from tieline.settings import load_settings
from tieline.storage.keyring import KeyRing

load_all_checks()
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
OURS = {"provider-unavailable", "provider-refused", "provider-unreadable", "storage-full"}
"""Codes of problems above 499 that are no mistake of ours."""
KNOWN = {
    "connection": "connection",
    "endUser": "end_user",
    "provider": "provider",
    "providerId": "provider",
    "sessionId": "session",
    "keyId": "key",
    "slug": "owner",
}
AWKWARD = [
    *(
        "",
        "-",
        "..",
        "%2e%2e",
        "%00",
        "a%00b",
        "%ED%A0%80",
        "%FF",
        "%E2%80%AE",
        "%F0%9F%98%80",
        "a%2Fb",
        "a%5Cb",
        "%25",
    ),
    *("0", "-1", "1e400", "9" * 400, "NaN", "null", "true", "%5B%5D", "%7B%7D", "*", "%27", "%22", "%0D%0A", "~" * 300),
]
"""As they stand in an address."""
BODIES = [
    *(b"", b"{", b"[]", b"null", b"\xff\xfe{}", b'{"name": "a\\u0000b"}', b'{"name": "\\ud800"}', b'{"name": 1e999}'),
    *(b"[" * 2000, b'{"a": 1, "a": 2}', b'{"name": ' + b"9" * 5000 + b"}", b"- &a [*a]", b'{"endUser": "\\udc00"}'),
]
MEDIA = ["application/json", "application/yaml", "text/plain", "application/json; charset=utf-16", "a/b/c", "*/*", ";"]


@contextmanager
def in_town(database_url: str) -> Iterator[tuple[asyncio.Runner, Town]]:
    """No name resolves here, so that nothing is asked of the world."""

    async def nowhere(name: str) -> list[str]:
        return []

    chosen = load_settings(
        {}, database_url=database_url, keys=KeyRing.generate().text.reveal(), egress_allow="127.0.0.0/8"
    )
    egress = Egress(AddressPolicy(chosen.allowed_networks), lookup=nowhere)
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        hub = runner.run(stack.enter_async_context(Hub.open(settings=chosen, egress=egress)))
        try:
            yield runner, runner.run(stack.enter_async_context(town_on(hub)))
        finally:
            runner.run(stack.aclose())


def request_of(case: Case, town: Town, data: st.DataObject) -> httpx2.Request:
    """The case as it goes on the wire: with ids that there are, or awkward ones, in most of the places."""
    target, often, awkward = town.targets["acme"], st.integers(0, 2), st.sampled_from(AWKWARD)
    prepared = requests.Request(**case.as_transport_kwargs(base_url="http://tieline.test")).prepare()
    path, query = case.path, urlsplit(prepared.url).query
    for name, value in (case.path_parameters or {}).items():
        known = getattr(target, KNOWN[name]) if name in KNOWN else "me"
        text = [quote(str(value), safe=""), known, awkward][data.draw(often)]
        path = path.replace(f"{{{name}}}", data.draw(text) if text is awkward else text)
    if query and data.draw(often) == 0:
        query = "&".join(f"{part.partition('=')[0]}={data.draw(awkward)}" for part in query.split("&"))
    if "wait" in (case.query or {}):
        query = "wait=0"
    headers = {name: value for name, value in prepared.headers.items() if isinstance(name, str)}
    body = prepared.body
    if case.method in ("POST", "PUT", "PATCH") and data.draw(often) == 0:
        body, headers["Content-Type"] = data.draw(st.sampled_from(BODIES)), data.draw(st.sampled_from(MEDIA))
        headers.pop("Content-Length", None)
    address = f"http://tieline.test{path}" + (f"?{query}" if query else "")
    return httpx2.Request(case.method, address, headers=headers, content=body)


def fault(case: Case, response: httpx2.Response) -> str | None:
    """What is wrong with this answer."""
    problem = response.headers.get("content-type") == "application/problem+json" and case.method != "HEAD"
    code = response.json()["code"] if problem else None
    if response.status_code >= 500 and code not in OURS:
        return response.text
    # An awkward id leads to another address, or to none; and what passes the proxy is the provider's.
    if response.status_code in (404, 405) or "/proxy/" in case.path:
        return None
    try:
        case.validate_response(response, checks=CHECKS)
    except BaseException as error:
        return f"{type(error).__name__} {getattr(error, 'exceptions', error)}"
    return None


async def answered(town: Town, request: httpx2.Request) -> httpx2.Response:
    async with asyncio.timeout(20):
        return await town.http.send(request)


def faults_of(database_url: str, mode: GenerationMode, examples: int) -> list[str]:
    found: list[str] = []
    with in_town(database_url) as (runner, town):
        schema = schemathesis.openapi.from_dict(app(town.hub).openapi())
        for each in schema.get_all_operations():
            operation = each.ok()
            # The methods of the proxy are one route.
            if "/proxy/" not in operation.path or operation.method in ("get", "post", "head"):
                found += tried(runner, town, operation, mode, examples)
    return found


def tried(runner: asyncio.Runner, town: Town, operation: Any, mode: GenerationMode, examples: int) -> list[str]:
    """Nothing is raised on the way: what a request does changes what the next one finds, so none could be repeated."""
    found: list[str] = []
    owner, nobody = Caller("acme", town.keys["owner-acme"]), Caller("nobody")

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def one(data: st.DataObject) -> None:
        case = data.draw(operation.as_strategy(generation_mode=mode))
        request = request_of(case, town, data)
        request.headers.update(data.draw(st.sampled_from([owner, owner, owner, nobody])).headers)
        response = runner.run(answered(town, request))
        if wrong := fault(case, response):
            found.append(f"{request.method} {request.url} {request.content[:200]!r}: {response.status_code} {wrong}")

    # Where there is nothing that could be wrong, there is no such request.
    with suppress(Unsatisfiable):
        one()
    return found


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_answer_is_one_that_the_document_has(database_url: str, mode: GenerationMode):
    assert faults_of(database_url, mode, 2) == []


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_so_is_every_answer_to_many_more(database_url: str, mode: GenerationMode):
    assert faults_of(database_url, mode, 25) == []
