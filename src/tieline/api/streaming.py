"""The hot routes, as plain ASGI: the proxied call, streamed both ways in constant memory, and the credential read.

Their addresses are matched as they came, still encoded, so that nothing of a provider's path is decoded on the way.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote, unquote_plus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import Receive, Scope, Send

from tieline.actor import Actor
from tieline.api.asking import authenticate, hub_of
from tieline.api.caller import Caller
from tieline.api.keys_in_requests import find_key, without_keys
from tieline.connections import Answer, Call, Credential, Reference
from tieline.errors import Forbidden
from tieline.protocols.http import Headers

_BY_ID = "/v1/connections/{connection}"
_BY_OWNER = "/v1/end-users/{endUser}/connections/{provider}"


def router() -> Router:
    """Every method passes: which of them a provider takes is for it to say."""
    routes: list[BaseRoute] = [
        Route(f"{_BY_ID}/proxy/{{path:path}}", _Proxied(), name="proxy"),
        Route(f"{_BY_OWNER}/proxy/{{path:path}}", _ProxiedOfOwner(), name="proxy_of_end_user"),
        Route("/proxy/{path:path}", _ProxiedByKey(), name="proxy_by_key"),
        Route(f"{_BY_ID}/credentials", read_credential, name="read_credential"),
        Route(f"{_BY_OWNER}/credentials", read_credential_of_owner, name="read_credential_of_end_user"),
    ]
    return Router(routes, redirect_slashes=False)


async def read_credential(request: Request) -> Response:
    return await _credential(request, Reference(id=unquote(request.path_params["connection"])))


async def read_credential_of_owner(request: Request) -> Response:
    return await _credential(request, owner(request.path_params, request.query_params.get("account")))


def owner(params: Mapping[str, str], account: str | None) -> Reference:
    """By whose it is; `-` is the organization itself."""
    end_user = unquote(params["endUser"])
    return Reference(
        end_user="" if end_user == "-" else end_user, provider=unquote(params["provider"]), account=account
    )


class _Proxied:
    """A call to a connection by its id."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller = Caller(scope, receive, send)
        await caller.while_there(self._pass_on(Request(scope), caller))

    async def _pass_on(self, request: Request, caller: Caller) -> None:
        actor, reference, call = await self._read(request, caller)
        async with hub_of(request).proxy.open(actor, reference, call) as answer:
            await caller.send({"type": "http.response.start", "status": answer.status, "headers": _sent(answer)})
            async for chunk in answer.chunks:
                await caller.send({"type": "http.response.body", "body": chunk, "more_body": True})
            await caller.send({"type": "http.response.body", "body": b""})

    async def _read(self, request: Request, caller: Caller) -> tuple[Actor, Reference, Call]:
        actor = await authenticate(request)
        return actor, Reference(id=unquote(request.path_params["connection"])), _call(request, caller)


class _ProxiedOfOwner(_Proxied):
    """By whose connection it is. The account is in Tieline-Account or, taken out of the query, in `account`."""

    async def _read(self, request: Request, caller: Caller) -> tuple[Actor, Reference, Call]:
        actor = await authenticate(request)
        account, query = request.headers.get("tieline-account"), _query(request)
        if account is None:
            account, query = _account_in(query)
        return actor, owner(request.path_params, account), _call(request, caller, query=query)


class _ProxiedByKey(_Proxied):
    """By the connection that the key is bound to."""

    async def _read(self, request: Request, caller: Caller) -> tuple[Actor, Reference, Call]:
        key = find_key(_headers(request), _query(request))
        actor = await hub_of(request).api_keys.actor_of(key)
        return actor, _bound(actor), _call(request, caller)


async def _credential(request: Request, reference: Reference) -> Response:
    actor = await authenticate(request)
    return JSONResponse(_shown(await hub_of(request).connections.credentials(actor, reference)))


def _shown(credential: Credential) -> dict[str, object]:
    """The one place, beside the provider's own wire, where a credential leaves this process."""
    shown: dict[str, object] = {name: value.reveal() for name, value in credential.values.items()}
    if credential.access_token is not None:
        expires_at = credential.expires_at
        shown |= {
            "accessToken": credential.access_token.reveal(),
            "tokenType": credential.token_type,
            "expiresAt": None if expires_at is None else expires_at.isoformat().replace("+00:00", "Z"),
            "scopes": list(credential.scopes),
        }
    return {"type": credential.type, **shown}


def _call(request: Request, caller: Caller, *, query: str | None = None) -> Call:
    """The call as it came, without our own keys: those are for nobody but us."""
    headers, rest = without_keys(_headers(request), _query(request) if query is None else query)
    return Call(
        method=request.method,
        path="/" + request.path_params["path"],
        query=rest,
        headers=headers,
        body=caller.body() if caller.has_body else None,
        server=request.headers.get("tieline-server"),
        url=request.headers.get("tieline-url"),
    )


def _headers(request: Request) -> Headers:
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw)


def _query(request: Request) -> str:
    return request.scope["query_string"].decode("latin-1")


def _account_in(query: str) -> tuple[str | None, str]:
    """The account that the query names, and the query without it, otherwise as it came."""
    account, kept = None, list[str]()
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if unquote_plus(name) == "account":
            account = unquote_plus(value)
        else:
            kept.append(part)
    return account, "&".join(kept)


def _bound(actor: Actor) -> Reference:
    """Raises Forbidden for a key that could mean several connections."""
    narrowed = actor.restriction
    if narrowed.connection is not None:
        return Reference(id=narrowed.connection)
    if narrowed.end_user is not None and narrowed.provider is not None:
        return Reference(end_user=narrowed.end_user, provider=narrowed.provider)
    raise Forbidden('This key is not bound to a connection. Make one with restrictions: {"connection": "conn_..."}.')


def _sent(answer: Answer) -> list[tuple[bytes, bytes]]:
    """What the provider answers is data here: opened in a browser, it must not run at our address."""
    ours = {
        "Tieline-Connection": answer.connection,
        "Tieline-Account": quote(answer.account, safe=" !#$&'()*+,/:;<=>?@[]^`{|}"),
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    pairs: Any = (*answer.headers, *ours.items())
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
