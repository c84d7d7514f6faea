"""The HTTP API as Markdown: a section per route, from the OpenAPI document that the service serves."""

import asyncio
import json
import tempfile
from collections.abc import Iterator
from typing import Any

from pages import table
from tieline.api import app
from tieline.hub import Hub

_STREAMED = "any method"


def route_sections() -> list[str]:
    document = asyncio.run(_document())
    routes = [(path, methods) for path, methods in document["paths"].items()]
    tags = list(dict.fromkeys(tag for _, methods in routes for each in methods.values() for tag in each["tags"]))
    return [part for tag in tags for part in _tag(tag, routes)]


async def _document() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        found: list[dict[str, Any]] = []
        async with Hub.open(data=folder) as hub:
            found.append(app(hub).openapi())
        return found[0]


def _tag(tag: str, routes: list[tuple[str, dict[str, Any]]]) -> Iterator[str]:
    yield f"## {tag}"
    for path, methods in routes:
        mine = {method: each for method, each in methods.items() if tag in each["tags"]}
        if len(mine) > 5:  # a proxied route takes every method, and says the same of each
            yield from _route(_STREAMED, path, next(iter(mine.values())))
        else:
            for method, each in mine.items():
                yield from _route(method.upper(), path, each)


def _route(method: str, path: str, route: dict[str, Any]) -> Iterator[str]:
    yield f"### {method} {path}\n\n{route['summary']}. {' '.join(route.get('description', '').split())}".rstrip()
    parameters = [each for each in route.get("parameters", []) if each["in"] != "path"]
    if parameters:
        yield table(
            ("parameter", "meaning"), [(f"`{each['name']}` ({each['in']})", _meaning(each)) for each in parameters]
        )
    for media in route.get("requestBody", {}).get("content", {}).values():
        if "example" in media:
            yield _json("Takes", media["example"])
            break
    for status, answer in route["responses"].items():
        example = next((each.get("example") for each in answer.get("content", {}).values()), None)
        if status.startswith("2") and example is not None:
            yield _json(f"Answers {status}", example)
    problems = [answer["description"] for status, answer in route["responses"].items() if status[0] in "45"]
    if problems:
        yield f"Problems: {', '.join(problems)}."


def _meaning(parameter: dict[str, Any]) -> str:
    return str(parameter.get("description") or parameter.get("schema", {}).get("description") or "")


def _json(lead: str, example: object) -> str:
    text = example if isinstance(example, str) else json.dumps(example, indent=2)
    return f"{lead}:\n\n```json\n{text}\n```"
