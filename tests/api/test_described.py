"""The OpenAPI document and the reference say everything that there is."""

import json
import re

import httpx2
import pytest

from tieline.api import app
from tieline.api.openapi import METHODS
from tieline.errors import TielineError

pytestmark = pytest.mark.anyio

NOT_FOR_PROGRAMS = ("/connect/", "/oauth/callback/", "/assets/", "/ui/")


@pytest.fixture
def described(stage):
    return app(stage.hub).openapi()


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def refs(value):
    if isinstance(value, dict):
        yield from ([value["$ref"]] if isinstance(value.get("$ref"), str) else [])
        for inner in value.values():
            yield from refs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from refs(inner)


async def test_every_route_stands_in_the_document(stage, described):
    addresses = app(stage.hub).addresses

    missing = {re.sub(r":path\}", "}", path) for path in addresses} - set(described["paths"])

    assert len(described["paths"]) > 30
    assert [path for path in missing if path.startswith(("/v1", "/proxy"))] == []
    assert all(path.startswith(("/connect/", "/oauth/")) or "." in path for path in missing), missing


async def test_every_operation_is_described_with_examples_and_problems(described):
    for name, operation in operations(described):
        assert operation["summary"], name
        assert len(operation["description"]) > 10, name
        assert operation["tags"], name
        problems = {
            code
            for response in operation["responses"].values()
            for code in response.get("content", {}).get("application/problem+json", {}).get("examples", {})
        }
        if " /v1/" in name or " /proxy/" in name:
            assert {"unauthorized", "forbidden"} <= problems, name
        good = [each for status, each in operation["responses"].items() if not status.startswith(("4", "5"))]
        for response in good:
            for media, content in response.get("content", {}).items():
                assert "example" in content, (name, media)
        for media, content in operation.get("requestBody", {}).get("content", {}).items():
            assert "example" in content, (name, media)
        assert all(each["schema"] and each["description"] for each in operation.get("parameters", [])), name


async def test_examples_show_members_that_are_null(described):
    page = described["paths"]["/v1/connections"]["get"]["responses"]["200"]["content"]["application/json"]["example"]

    assert page["nextCursor"] is None
    assert page["items"][0]["label"] is None


async def test_the_examples_of_answers_are_what_the_routes_answer(stage, described):
    connection = await stage.practiced()
    for path, method in (("/v1/connections/{connection}", "get"), ("/v1/connections/{connection}/check", "post")):
        example = described["paths"][path][method]["responses"]["200"]["content"]["application/json"]["example"]
        answer = await stage.ask(method.upper(), path.replace("{connection}", connection))

        assert set(answer) == set(example)


async def test_the_examples_of_requests_are_what_the_routes_take(stage, described):
    await stage.provider(id="my-custom-api")
    for name, operation in operations(described):
        method, path = name.split(" ")
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if body is None:
            continue
        noun = path.split("/")[2]
        name_in_path = {"templates": "rest-api-bearer", "integrations": "discord"}.get(noun, "my-custom-api")
        response = await stage.http.request(method, re.sub(r"\{\w+\}", name_in_path, path), json=body["example"])

        assert response.json().get("code") != "invalid-request", (name, response.text)


async def test_names_of_operations_are_unique_and_references_lead_somewhere(described):
    names = [operation["operationId"] for _, operation in operations(described)]

    assert len(names) == len(set(names))
    for ref in refs(described):
        value = described
        for part in ref.removeprefix("#/").split("/"):
            value = value[part]


async def test_the_document_names_only_problems_that_there_are(described):
    known = {error.code for error in TielineError.__subclasses__()} | {"internal"}

    for name, operation in operations(described):
        for status, response in operation["responses"].items():
            for code, example in (
                response.get("content", {}).get("application/problem+json", {}).get("examples", {}).items()
            ):
                assert code in known, name
                assert str(example["value"]["status"]) == status, name


async def test_no_schema_of_the_framework_is_left(described):
    assert "HTTPValidationError" not in described["components"]["schemas"]
    assert set(METHODS) >= {method for methods in described["paths"].values() for method in methods}
    assert described["openapi"].startswith("3.1")


async def test_the_document_and_the_reference_need_no_key(stage, described):
    async with httpx2.AsyncClient(base_url=stage.url) as nobody:
        document = await nobody.get("/openapi.json")
        page = await nobody.get("/docs")

    assert document.json() == json.loads(json.dumps(described))
    assert page.headers["content-type"].startswith("text/html")
    for path in described["paths"]:
        assert path in page.text
    for code in ("not-connected", "reconnect-required", "invalid-provider"):
        assert code in page.text


async def test_the_reference_loads_nothing_and_runs_nothing(stage):
    page = await stage.http.get("/docs")

    assert not re.search(r"<(script|link|img|iframe)\b|@import|url\(", page.text)
    assert not re.search(r"""(src|href)=["'](https?:)?//""", page.text)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert "prefers-color-scheme: dark" in page.text


async def test_the_address_of_the_service_is_a_page_for_people(stage):
    front, docs = await stage.http.get("/"), await stage.http.get("/docs")

    assert (front.status_code, front.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert front.text == docs.text
