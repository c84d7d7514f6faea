"""The hot routes, as plain ASGI: the proxied call, streamed both ways in constant memory, and the credential read.

Their addresses are matched as they came, still encoded, so that nothing of a provider's path is decoded on the way.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, unquote_plus

from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from tieline.actor import Actor
from tieline.api.asking import HUB
from tieline.api.caller import Caller
from tieline.api.keys_in_requests import find_key, without_keys
from tieline.connections import Answer, Call, Credential, Reference
from tieline.connections.hot import Found
from tieline.errors import Forbidden
from tieline.hub import Hub
from tieline.organizations.api_keys import ORGANIZATION_HEADER, bearer
from tieline.protocols.http import Headers

_BY_ID = "/v1/connections/{connection}"
_BY_OWNER = "/v1/end-users/{endUser}/connections/{provider}"


@dataclass(frozen=True)
class Address:
    """Of a route, as it is described and logged."""

    path: str


async def streams(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application. Every method passes to a provider: which of them it takes is for it to say."""
    found = _match(scope["path"].removeprefix(scope.get("root_path", "")))
    if found is None:
        raise HTTPException(404)
    serve, params, scope["route"] = found
    await serve(Asked(scope, params), receive, send)


class Asked:
    """A request as it came. `params` are what stands in the places of its address, still encoded."""

    def __init__(self, scope: Scope, params: Mapping[str, str]) -> None:
        self.scope = scope
        self.params = params
        self.hub: Hub = scope[HUB]
        self.method: str = scope["method"]
        self.headers: Headers = tuple(
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
        )
        self.header = dict(reversed(self.headers))
        self.query: str = scope["query_string"].decode("latin-1")


_Serve = Callable[[Asked, Receive, Send], Awaitable[None]]


class _Match(NamedTuple):
    serve: _Serve
    params: dict[str, str]
    address: Address


def _match(path: str) -> _Match | None:
    """By the segments of the path as it came."""
    match path.split("/", 4):
        case ["", "v1", "connections", connection, rest] if connection:
            return _matched(rest, {"connection": connection}, _OF_CONNECTION)
        case ["", "v1", "end-users", user, rest] if user:
            noun, _, behind = rest.partition("/")
            provider, _, rest = behind.partition("/")
            if noun == "connections" and provider:
                return _matched(rest, {"endUser": user, "provider": provider}, _OF_OWNER)
        case ["", "proxy", _, *_]:
            return _Match(_proxied_by_key, {"path": path.removeprefix("/proxy/")}, _BY_KEY)
        case _:
            pass
    return None


def _matched(rest: str, params: dict[str, str], routes: "tuple[_Route, _Route]") -> _Match | None:
    credentials, proxy = routes
    if rest == "credentials":
        return _Match(credentials[0], params, credentials[1])
    if rest.startswith("proxy/"):
        return _Match(proxy[0], {**params, "path": rest.removeprefix("proxy/")}, proxy[1])
    return None


async def _credential_by_id(asked: Asked, receive: Receive, send: Send) -> None:
    await _credential(asked, Reference(id=unquote(asked.params["connection"])), send)


async def _credential_of_owner(asked: Asked, receive: Receive, send: Send) -> None:
    accounts = [value for name, value in parse_qsl(asked.query, keep_blank_values=True) if name == "account"]
    await _credential(asked, owner(asked.params, accounts[-1] if accounts else None), send)


def owner(params: Mapping[str, str], account: str | None) -> Reference:
    """By whose it is; `-` is the organization itself."""
    end_user = unquote(params["endUser"])
    return Reference(
        end_user="" if end_user == "-" else end_user, provider=unquote(params["provider"]), account=account
    )


async def _proxied_by_id(asked: Asked, receive: Receive, send: Send) -> None:
    reference = Reference(id=unquote(asked.params["connection"]))
    await _pass_on(asked, receive, send, lambda: _found(asked, reference), reference, asked.query)


async def _proxied_of_owner(asked: Asked, receive: Receive, send: Send) -> None:
    """By whose connection it is. The account is in Tieline-Account or, taken out of the query, in `account`."""
    account, query = asked.header.get("tieline-account"), asked.query
    if account is None:
        account, query = _account_in(query)
    reference = owner(asked.params, account)
    await _pass_on(asked, receive, send, lambda: _found(asked, reference), reference, query)


async def _proxied_by_key(asked: Asked, receive: Receive, send: Send) -> None:
    """By the connection that the key is bound to."""
    actor = await asked.hub.api_keys.actor_of(find_key(asked.headers, asked.query))
    reference = _bound(actor)
    await _pass_on(asked, receive, send, lambda: _only(actor), reference, asked.query)


_Route = tuple[_Serve, Address]
_OF_CONNECTION: tuple[_Route, _Route] = (
    (_credential_by_id, Address(f"{_BY_ID}/credentials")),
    (_proxied_by_id, Address(f"{_BY_ID}/proxy/{{path:path}}")),
)
_OF_OWNER: tuple[_Route, _Route] = (
    (_credential_of_owner, Address(f"{_BY_OWNER}/credentials")),
    (_proxied_of_owner, Address(f"{_BY_OWNER}/proxy/{{path:path}}")),
)
_BY_KEY = Address("/proxy/{path:path}")
ADDRESSES = [*(address.path for _, address in (*_OF_CONNECTION, *_OF_OWNER)), _BY_KEY.path]


async def _pass_on(
    asked: Asked, receive: Receive, send: Send, find: Callable[[], Awaitable[Found]], reference: Reference, query: str
) -> None:
    caller = Caller(asked.scope, receive, send)

    async def work() -> None:
        found = await find()
        call = _call(asked, caller, query)
        async with asked.hub.proxy.open(found.actor, reference, call, loaded=found.loaded) as answer:
            await caller.send({"type": "http.response.start", "status": answer.status, "headers": _sent(answer)})
            async for chunk in answer.chunks:
                await caller.send({"type": "http.response.body", "body": chunk, "more_body": True})
            await caller.send({"type": "http.response.body", "body": b""})

    await caller.while_there(work())


async def _found(asked: Asked, reference: Reference) -> Found:
    """Who calls, and the connection, by one SELECT."""
    found = await asked.hub.hot.by_key(bearer(asked.header), asked.header.get(ORGANIZATION_HEADER), reference)
    await asked.hub.api_keys.touch(found.key)
    return found


async def _only(actor: Actor) -> Found:
    return Found(actor, None)


async def _credential(asked: Asked, reference: Reference, send: Send) -> None:
    if asked.method not in ("GET", "HEAD"):
        raise HTTPException(405, headers={"Allow": "GET, HEAD"})
    found = await _found(asked, reference)
    credential = await asked.hub.connections.credentials(found.actor, reference, loaded=found.loaded)
    body = json.dumps(_shown(credential), ensure_ascii=False, separators=(",", ":")).encode()
    headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


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


def _call(asked: Asked, caller: Caller, query: str) -> Call:
    """The call as it came, without our own keys: those are for nobody but us."""
    headers, rest = without_keys(asked.headers, query)
    return Call(
        method=asked.method,
        path="/" + asked.params["path"],
        query=rest,
        headers=headers,
        body=caller.body() if caller.has_body else None,
        server=asked.header.get("tieline-server"),
        url=asked.header.get("tieline-url"),
    )


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
