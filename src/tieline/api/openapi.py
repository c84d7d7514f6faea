"""The OpenAPI document: what FastAPI knows of the management routes, and here the streams, which it does not see."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, cast

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts

from tieline.api.described import PROBLEM_SCHEMA, Responses, answers, problems_of
from tieline.errors import (
    AddressRefused,
    AmbiguousConnection,
    Forbidden,
    InvalidRequest,
    NotConnected,
    NotFound,
    PathRefused,
    ProviderUnavailable,
    ProviderUnreadable,
    RateLimited,
    ReconnectRequired,
    RequestTimeout,
    StorageUnavailable,
    Suspended,
    Unauthorized,
)

Parameters = tuple[Mapping[str, Any], ...]

METHODS = ("get", "post", "put", "patch", "delete", "head", "options")

_FINDING = (NotFound, NotConnected, AmbiguousConnection)
_USING = (ReconnectRequired, Suspended, ProviderUnavailable)
_ID = ({"name": "connection", "description": "Its id.", "example": "conn_01k0example"},)
_OWNER = (
    {"name": "endUser", "description": "`-` is the organization itself.", "example": "ada"},
    {"name": "provider", "description": "The provider's id.", "example": "my-custom-api"},
)
_ACCOUNT = {"name": "account", "in": "query", "description": "`accountId`, where there are several."}
_HEADERS = (
    {"name": "Tieline-Server", "in": "header", "description": "One of the provider's named servers."},
    {
        "name": "Tieline-Url",
        "in": "header",
        "description": "A whole address inside the connection's origins, instead of the path.",
    },
)
_ACCOUNT_HEADER = {"name": "Tieline-Account", "in": "header", "description": "`accountId`, where there are several."}


def document(app: FastAPI) -> dict[str, Any]:
    """All routes of the application. Made once: it does not change while it runs."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title,
            version=app.version,
            openapi_version="3.1.0",
            description=app.description,
            routes=app.routes,
        )
        _complete_examples(made["paths"], app)
        made["paths"] |= _streams()
        made["components"]["schemas"]["Problem"] = dict(PROBLEM_SCHEMA)
        app.openapi_schema = made
    return app.openapi_schema


def _complete_examples(paths: dict[str, Any], app: FastAPI) -> None:
    """FastAPI leaves out members that are null, which the routes do not."""
    for route in iter_route_contexts(app.routes):
        for status, response in cast("Responses", getattr(route, "responses", None) or {}).items():
            for media, content in response.get("content", {}).items():
                if "example" in content:
                    for method in route.methods or ():
                        written = paths[str(route.path)][method.lower()]["responses"][str(status)]
                        written["content"][media]["example"] = content["example"]


def _streams() -> dict[str, Any]:
    """The paths of `tieline.api.streaming`."""
    by_id, by_owner = "/v1/connections/{connection}", "/v1/end-users/{endUser}/connections/{provider}"
    return {
        f"{by_id}/proxy/{{path}}": _proxied("proxy", _PROXIED, _ID, _HEADERS),
        f"{by_owner}/proxy/{{path}}": _proxied(
            "proxy_of_end_user", _PROXIED, _OWNER, (*_HEADERS, _ACCOUNT_HEADER, _ACCOUNT)
        ),
        "/proxy/{path}": _proxied("proxy_by_key", _BY_KEY, (), _HEADERS, secured=False),
        f"{by_id}/credentials": {"get": _credential("read_credential", _ID, ())},
        f"{by_owner}/credentials": {"get": _credential("read_credential_of_end_user", _OWNER, (_ACCOUNT,))},
    }


_PROXIED = (
    "The provider's API with the credential put on, streamed both ways: the method, path, query, headers and body as "
    "they are. Safe calls are retried, and a refused token is renewed once. The answer is the provider's, with "
    "Tieline-Connection and Tieline-Account; our own failures are problems with the header Tieline-Error."
)
_BY_KEY = (
    "For SDKs that only take a base URL. The API key is bound to a connection and stands where the provider's own "
    "credential would: in Authorization (Bearer, or Basic as user or password), in another header, or in the query. "
    "It is removed before the call goes on."
)


def _proxied(
    name: str,
    description: str,
    path: Parameters,
    others: Parameters,
    *,
    secured: bool = True,
) -> dict[str, Any]:
    rest = {"name": "path", "description": "As the provider's API has it, encoded.", "example": "v1/me"}
    responses: Responses = {
        "default": {
            "description": "The provider's answer, whatever its status.",
            "headers": {
                "Tieline-Connection": {"schema": {"type": "string"}},
                "Tieline-Account": {"schema": {"type": "string"}},
            },
            "content": {"*/*": {"example": {"id": "42", "name": "Ada Lovelace"}}},
        },
        **problems_of(
            *(Unauthorized, Forbidden, InvalidRequest, PathRefused, AddressRefused, *_FINDING, *_USING),
            *(RateLimited, RequestTimeout, ProviderUnreadable, StorageUnavailable),
        ),
    }
    operation: dict[str, Any] = {
        "tags": ["proxy"],
        "summary": "Call the provider" if secured else "Call the provider by a bound key",
        "description": description,
        "parameters": [_parameter(each) for each in (*path, rest, *others)],
        "responses": _texts(responses),
    }
    if secured:
        operation["security"] = [{"apiKey": []}]
    sent = {"requestBody": {"content": {"*/*": {"example": {"name": "Item 1"}}}}}
    return {
        method: deepcopy(operation | (sent if method in ("post", "put", "patch") else {}))
        | {"operationId": f"{name}_{method}"}
        for method in METHODS
    }


def _credential(name: str, path: Parameters, others: Parameters) -> dict[str, Any]:
    example = {"type": "oauth2", "accessToken": "...", "tokenType": "Bearer", "expiresAt": None, "scopes": ["profile"]}
    return {
        "tags": ["connections"],
        "summary": "Read the credential",
        "description": (
            "A fresh one, in the clear, for a key with the scope credentials:read; audited before it is given. Methods "
            "without a token answer their inputs: `apiKey`, `username` and `password`. Refresh tokens never leave."
        ),
        "operationId": name,
        "parameters": [_parameter(each) for each in (*path, *others)],
        "responses": _texts(answers(example, *_FINDING, *_USING)),
        "security": [{"apiKey": []}],
    }


def _parameter(given: Mapping[str, Any]) -> dict[str, Any]:
    place = given.get("in", "path")
    return {"in": place, "required": place == "path", "schema": {"type": "string"}, **given}


def _texts(responses: Responses) -> dict[str, Any]:
    return {str(status): response for status, response in responses.items()}
