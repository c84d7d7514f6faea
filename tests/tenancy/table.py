"""What is expected of every operation of the OpenAPI document: one that does not stand here fails the matrix.

A row says which scope it needs (None: not even a key), how a good answer looks, and what of a Target it names.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from .town import Target, marker

NO_KEY = None
_numbers = count(1)


@dataclass(frozen=True)
class Row:
    """`names` are the members of a Target whose foreign values must look unknown. `restricted` are the answers to a
    restricted key that differ from the owner's, by the kind of key."""

    needs: str | None
    good: int = 200
    names: tuple[str, ...] = ()
    body: Callable[[Target], Any] | None = None
    queries: tuple[str, ...] = ()
    restricted: Mapping[str, int] = field(default_factory=dict[str, int])


_CONNECTION, _OWNER = ("connection",), ("end_user", "provider")
_USE, _DO = "connections:read", "connections:write"
_NEW = {"name": "Made here", "authType": "api_key", "apiKey": {"keyName": "X-Key"}}
_CUSTOM = {"authType": "api_key", "apiKey": {"keyName": "X-Key"}, "api": {"baseUrl": "https://api.example.com"}}


def _extending(target: Target) -> dict[str, object]:
    return {**_NEW, "extends": target.provider}


_LISTING_CONNECTIONS = (
    "endUser=ada",
    "provider=crm",
    "provider={provider}",
    "endUser=ada&provider=openai",
    "status=active",
    "cursor={connection}",
    "cursor=conn_0",
)


def _one(needs: str, **more: Any) -> Callable[[tuple[str, ...]], Row]:
    return lambda names: Row(needs, names=names, **more)


_OF_ONE: Mapping[str, Callable[[tuple[str, ...]], Row]] = {
    "GET": _one(_USE),
    "PATCH": _one(_DO, body=lambda target: {"label": "changed"}),
    "DELETE": _one(_DO, good=204),
    "POST /refresh": _one(_DO),
    "POST /check": _one(_DO),
    "POST /suspend": _one(_DO),
    "POST /resume": _one(_DO),
    "GET /explain": _one(_USE),
    "GET /credentials": _one("credentials:read"),
    **{f"{method} /proxy/{{path}}": _one("proxy") for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")},
    "OPTIONS /proxy/{path}": _one("proxy", good=405),
}


def _at(prefix: str, names: tuple[str, ...]) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for place, row in _OF_ONE.items():
        method, _, rest = place.partition(" ")
        rows[f"{method} {prefix}{rest}"] = row(names)
    return rows


TABLE: dict[str, Row] = {
    **{f"GET {path}": Row(NO_KEY) for path in ("/healthz", "/readyz", "/openapi.json", "/", "/docs")},
    "GET /v1/providers": Row("providers:read", queries=("search=zz", "custom=true", "limit=200", "cursor=a")),
    "POST /v1/providers": Row(
        "providers:write", 201, ("provider",), lambda target: {**_NEW, "extends": target.provider}
    ),
    "POST /v1/providers/validate": Row(
        "providers:read", 200, ("provider",), lambda target: {**_NEW, "extends": target.provider}
    ),
    "GET /v1/providers/{providerId}": Row("providers:read", names=("provider",)),
    "PUT /v1/providers/{providerId}": Row(
        "providers:write", names=("provider",), body=lambda target: {"name": "Changed", **_CUSTOM}
    ),
    "PATCH /v1/providers/{providerId}": Row(
        "providers:write", names=("provider",), body=lambda target: {"description": "changed"}
    ),
    "DELETE /v1/providers/{providerId}": Row("providers:write", 409, ("provider",)),
    "GET /v1/providers/{providerId}/versions": Row("providers:read", names=("provider",)),
    "GET /v1/providers/{providerId}/export": Row("providers:read", names=("provider",)),
    "GET /v1/templates": Row("providers:read", queries=("limit=200", "cursor=a")),
    "POST /v1/templates/{providerId}/instantiate": Row(
        "providers:write", 201, ("template",), lambda target: {"name": "From a template"}
    ),
    "GET /v1/integrations": Row("integrations:read"),
    "GET /v1/integrations/{providerId}": Row("integrations:read", names=("provider",)),
    "PUT /v1/integrations/{providerId}": Row(
        "integrations:write", names=("provider",), body=lambda target: {"clientId": "changed"}
    ),
    "DELETE /v1/integrations/{providerId}": Row("integrations:write", 204, ("provider",)),
    "POST /v1/connect/sessions": Row(
        "connect",
        201,
        ("provider", "connection"),
        lambda target: {"provider": target.provider, "endUser": target.end_user, "connection": target.connection},
    ),
    "GET /v1/connect/sessions/{sessionId}": Row("connect", names=("session",), restricted={"connection": 404}),
    "DELETE /v1/connect/sessions/{sessionId}": Row("connect", 204, ("session",), restricted={"connection": 404}),
    "POST /v1/connect/complete": Row(
        "connect",
        200,
        ("nonce",),
        lambda target: {"nonce": target.nonce, "endUser": target.end_user},
        restricted={"connection": 410},
    ),
    "GET /v1/connections": Row(_USE, queries=_LISTING_CONNECTIONS),
    "POST /v1/connections": Row(
        _DO,
        201,
        ("provider",),
        lambda target: {
            "provider": target.provider,
            "endUser": target.end_user,
            "credentials": {"accessToken": "x"},
            "check": False,
            "accountId": f"made-{next(_numbers)}",
        },
        restricted={"connection": 403},
    ),
    **_at("/v1/connections/{connection}", _CONNECTION),
    **_at("/v1/end-users/{endUser}/connections/{provider}", _OWNER),
    **{
        f"{method} /proxy/{{path}}": Row("proxy", 405 if method == "OPTIONS" else 200)
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
    },
    "GET /v1/organizations": Row("organizations:read", queries=("limit=200", "cursor=org_0")),
    "GET /v1/organizations/{slug}": Row("organizations:read", names=("owner",)),
    "PUT /v1/organizations/{slug}": Row(
        "organizations:write", names=("owner",), body=lambda target: {"name": marker(target.owner, "organization")}
    ),
    "GET /v1/api-keys": Row("api-keys:write", queries=("limit=200", "cursor={key}", "cursor=key_z")),
    "POST /v1/api-keys": Row("api-keys:write", 201, (), lambda target: {"name": "made", "scopes": ["proxy"]}),
    "DELETE /v1/api-keys/{keyId}": Row("api-keys:write", names=("key",)),
    "GET /v1/audit": Row(
        "audit:read",
        queries=("target={connection}", "target={session}", "action=connection.created", "limit=200", "cursor=evt_z"),
    ),
    "GET /v1/audit/verify": Row("audit:read"),
    "GET /v1/audit/export": Row("audit:read"),
}

_PARAMETERS = {
    "{providerId}": "provider",
    "{sessionId}": "session",
    "{keyId}": "key",
    "{slug}": "owner",
    "{connection}": "connection",
    "{endUser}": "end_user",
    "{provider}": "provider",
}


def address(operation: str, target: Target) -> tuple[str, str]:
    """Method and path."""
    method, path = operation.split(" ")
    if path.startswith("/v1/templates/"):
        path = path.replace("{providerId}", target.template)
    for parameter, name in _PARAMETERS.items():
        path = path.replace(parameter, getattr(target, name))
    return method, path.replace("{path}", "echo")
