"""What the OpenAPI document says about a route beyond its types: examples, and the problems that it may answer."""

from collections.abc import Mapping
from typing import Any

from tieline.api.problems import MEDIA, TYPE
from tieline.errors import (
    Forbidden,
    InvalidRequest,
    RateLimited,
    StorageUnavailable,
    TielineError,
    Unauthorized,
)

Responses = dict[int | str, dict[str, Any]]

_ALWAYS: tuple[type[TielineError], ...] = (Unauthorized, Forbidden, InvalidRequest, StorageUnavailable)


def answers(
    example: object, *problems: type[TielineError], status: int = 200, media: str = "application/json"
) -> Responses:
    """The good answer with its example, and every problem of the route; those of every route need no mention."""
    good: dict[str, Any] = {"description": "Done."}
    if example is not None:
        good["content"] = {media: {"example": example}}
    return {status: good, **problems_of(*_ALWAYS, *problems)}


def problems_of(*problems: type[TielineError]) -> Responses:
    """By status; several problems may share one."""
    described: Responses = {}
    for error in dict.fromkeys(problems):
        response = described.setdefault(
            error.status,
            {
                "description": "",
                "content": {MEDIA: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}},
            },
        )
        codes: dict[str, Any] = response["content"][MEDIA]["examples"]
        codes[error.code] = {"value": problem_example(error)}
        response["description"] = ", ".join(codes)
    return described


def problem_example(error: type[TielineError]) -> dict[str, object]:
    example: dict[str, object] = {
        "type": TYPE + error.code,
        "title": error.title,
        "status": error.status,
        "detail": error.title + ".",
        "code": error.code,
    }
    if error.code.startswith("invalid-"):
        fault = {
            "path": "/name",
            "code": "required",
            "message": "Field required.",
            "hint": "Add it.",
            "severity": "error",
        }
        example["errors"] = [fault]
    if error in (RateLimited, StorageUnavailable):
        example["retryAfter"] = 1
    return example


def body(example: object, **others: object) -> dict[str, Any]:
    """The example of a request in JSON; `others` are whole media types, such as YAML."""
    content: dict[str, Any] = {"application/json": {"example": example}, **others}
    return {"requestBody": {"content": content}}


PROBLEM_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457. Facts stand beside these members: `next`, `restart`, `accounts`, `retryAfter`.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What to do next."},
        "code": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["path", "code", "message"],
                "properties": {
                    "path": {"type": "string", "description": "A JSON pointer, or the name of a parameter."},
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                    "hint": {"type": "string"},
                    "severity": {"enum": ["error", "warning"]},
                },
            },
        },
    },
    "additionalProperties": True,
}
