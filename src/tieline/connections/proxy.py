"""The authorised request: a provider's API with the credential put on, streamed both ways with constant memory.

Charged before the call, audited before its first byte leaves, confined to the connection's origins, retried where that
is safe, and refreshed once when the provider says that the token is over.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

from tieline.actor import Actor
from tieline.audit import Audit
from tieline.connections import confine, rows, views
from tieline.connections.bodies import Body, read_body
from tieline.connections.buckets import buckets_of
from tieline.connections.credentials import Credentials
from tieline.connections.freshness import is_renewable
from tieline.connections.headers import downstream, upstream
from tieline.connections.loading import Loaded
from tieline.connections.rows import Reference
from tieline.egress import Egress, StreamedResponse
from tieline.errors import Forbidden, InvalidRequest, PathRefused, ProviderUnavailable
from tieline.limits import Limiter
from tieline.manifest.templates import Missing, Unrenderable, render_map, render_url
from tieline.protocols import apply
from tieline.protocols.http import Headers, HttpRequest
from tieline.runner import engine_values, retry_after

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_METHODS = _SAFE | {"POST", "PUT", "PATCH", "DELETE"}
_METHOD_HEADERS = frozenset({"x-http-method-override", "x-http-method", "x-method-override"})
"""Some servers take the method from one of these."""
_LONGEST_PAUSE = 5.0
"""Seconds that a retry waits at most; a provider that asks for more gets no retry, and the caller its answer."""


@dataclass(frozen=True)
class Call:
    """What a caller wants of a provider. `path` and `query` are as they came, encoded.

    `server` names one of the document's servers; `url` is a whole address inside the connection's origins instead.
    """

    method: str
    path: str
    query: str = ""
    headers: Headers = field(default=(), repr=False)
    body: AsyncIterable[bytes] | None = field(default=None, repr=False)
    server: str | None = None
    url: str | None = None


@dataclass(frozen=True)
class Answer:
    """The provider's answer as it streams, and whose it is."""

    status: int
    headers: Headers = field(repr=False)
    chunks: AsyncIterator[bytes] = field(repr=False)
    connection: str
    account: str


class Proxy:
    """`open` gives an answer whose body must be read inside the context."""

    def __init__(self, credentials: Credentials, egress: Egress, audit: Audit, limiter: Limiter) -> None:
        self._credentials = credentials
        self._egress = egress
        self._audit = audit
        self._limiter = limiter

    @asynccontextmanager
    async def open(
        self, actor: Actor, reference: Reference, call: Call, *, loaded: Loaded | None = None
    ) -> AsyncGenerator[Answer]:
        """`loaded` is the same connection, found just now.

        Raises PathRefused, RateLimited, ReconnectRequired, ProviderUnavailable, Forbidden, and as rows.find does."""
        actor.require("proxy")
        _check_restriction(actor, call)
        loaded = await self._credentials.current(actor, reference, loaded=loaded)
        address = _address(loaded, call)
        limits = loaded.access.manifest.rate_limits
        owner = f"{loaded.row.org}/{loaded.row.id}"
        async with self._limiter.concurrent(owner, limits.concurrent if limits else None):
            body = await read_body(call.body)
            parts = urlsplit(address)
            self._charge(loaded, call, address)
            await self._audit.log(
                actor,
                "connection.called",
                loaded.row.id,
                also=rows.used(loaded.row),
                method=call.method,
                host=parts.hostname,
                path=_shown_path(loaded, call, parts.path)[:500],
            )
            async with self._send(actor, loaded, call, address, body) as answer:
                yield _answer(loaded, answer)

    @asynccontextmanager
    async def _send(
        self, actor: Actor, loaded: Loaded, call: Call, address: str, body: Body
    ) -> AsyncGenerator[StreamedResponse]:
        """The call, again where it is safe: after a 401 with a fresh token, after a passing failure with a pause."""
        attempts = loaded.access.manifest.api.retry.max_attempts if call.method in _SAFE else 1
        refreshable = body.replayable and is_renewable(loaded)
        attempt, given = 0, False
        while True:
            attempt += 1
            try:
                async with self._once(loaded, call, address, body) as response:
                    if refreshable and response.status in loaded.access.method.refresh.on_status:
                        refreshable, given = False, True
                        renewed = await self._renewed(actor, loaded)
                        given = False
                        # The same token comes back where another would be refused as well.
                        if renewed.access.grant.access_token != loaded.access.grant.access_token:
                            loaded = renewed
                            attempt -= 1
                            self._charge(loaded, call, address)
                            continue
                    pause = _pause(response, attempt, attempts, loaded)
                    if pause is None:
                        given = True
                        yield response
                        return
            except ProviderUnavailable:
                # What fails while the caller reads is the caller's to see: part of the answer has gone out. So is a
                # refresh that fails: the same token would be refused again.
                if given or attempt >= attempts:
                    raise
                pause = 0.2 * attempt
            await asyncio.sleep(pause)
            self._charge(loaded, call, address)

    @asynccontextmanager
    async def _once(self, loaded: Loaded, call: Call, address: str, body: Body) -> AsyncGenerator[StreamedResponse]:
        access = loaded.access
        scope = {**engine_values(datetime.now(UTC)), **access.values_to(access.reach("api"))}
        needs_body = any(rule.body is not None for rule in access.method.apply)
        if needs_body and not body.replayable:
            raise InvalidRequest("This provider takes its credential in the body, which must be under 1 MiB then.")
        try:
            request = HttpRequest(call.method, address, upstream(call.headers), body.start if needs_body else b"")
            request = _with_defaults(request, loaded, scope)
            scope["request"] = _described(request)
            request = apply.put(request, access.method.apply, scope, inputs=access.declared, base_url=access.base_url)
        except (Missing, Unrenderable) as error:
            raise InvalidRequest(f"The credential cannot be put on this call: {error}") from error
        sent = replace(request, body=request.body if needs_body else body.whole)
        stream = None if needs_body else body.stream()
        length = _length(call.headers)
        if stream is not None and length is not None:
            sent = sent.with_header("Content-Length", length)
        async with self._egress.stream(sent, to=access.reach("api"), body=stream) as response:
            yield response

    async def _renewed(self, actor: Actor, loaded: Loaded) -> Loaded:
        token = loaded.access.grant.access_token
        stale = None if token is None else token.reveal()
        return await self._credentials.current(actor, Reference(id=loaded.row.id), stale=stale)

    def _charge(self, loaded: Loaded, call: Call, address: str) -> None:
        row = loaded.row
        buckets = buckets_of(
            loaded.access.manifest.rate_limits,
            method=call.method,
            path=urlsplit(address).path,
            organization=row.org,
            provider_id=row.provider_id,
            connection_id=row.id,
            end_user=row.end_user,
            integration_id=loaded.access.registration.integration_id,
        )
        self._limiter.charge(buckets)


def _address(loaded: Loaded, call: Call) -> str:
    """Raises PathRefused and InvalidRequest."""
    access = loaded.access
    if call.method not in _METHODS:
        raise InvalidRequest(f"The method {call.method[:20]} is not passed on.")
    if call.url is not None:
        return confine.absolute(call.url, access.reach("api"), call.query)
    base = access.base_url
    if call.server is not None:
        server = access.manifest.api.servers.get(call.server)
        if server is None:
            names = ", ".join(access.manifest.api.servers) or "none"
            raise InvalidRequest(f"There is no server {call.server[:60]!r} here. Named servers: {names}.")
        try:
            base = render_url(server, access.values(), inputs=access.declared)
        except (Missing, Unrenderable) as error:
            raise InvalidRequest(f"The server's address cannot be made: {error}") from error
    if base is None:
        raise PathRefused("This provider has no base URL. Give the whole address in Tieline-Url.")
    return confine.target(base, call.path, call.query)


def _shown_path(loaded: Loaded, call: Call, path: str) -> str:
    """The path as the audit shows it: where a secret stands in the base URL, only what the caller put behind that."""
    api = loaded.access.manifest.api
    base = api.base_url if call.server is None else api.servers[call.server]
    return call.path if call.url is None and loaded.access.is_secret(base) else path


def _with_defaults(request: HttpRequest, loaded: Loaded, scope: dict[str, object]) -> HttpRequest:
    """The document's headers and query of every call, where the caller has not said otherwise."""
    api = loaded.access.manifest.api
    for name, value in render_map(api.headers, scope).items():
        if request.header(name) is None:
            request = request.with_header(name, str(value))
    return replace(request, url=apply.with_query(request.url, render_map(api.query, scope)))


def _length(headers: Headers) -> str | None:
    return next((value for name, value in headers if name.lower() == "content-length" and value.isdigit()), None)


def _described(request: HttpRequest) -> dict[str, object]:
    """`request.*`, which signatures are made of."""
    parts = urlsplit(request.url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    return {
        "method": request.method,
        "host": parts.hostname,
        "path": parts.path,
        "target": target,
        "body": request.body,
    }


def _pause(response: StreamedResponse, attempt: int, attempts: int, loaded: Loaded) -> float | None:
    """Seconds to wait before the call is made again; None when this answer is the caller's."""
    retry = loaded.access.manifest.api.retry
    listed = any(str(each) in (str(response.status), f"{response.status // 100}xx") for each in retry.statuses)
    if attempt >= attempts or not listed:
        return None
    asked = retry_after(response.headers, now=datetime.now(UTC))
    pause = asked if asked is not None else 0.2 * 2**attempt
    return pause if pause <= _LONGEST_PAUSE else None


def _answer(loaded: Loaded, response: StreamedResponse) -> Answer:
    account = views.account(loaded.row.identity).id or loaded.row.account_id
    return Answer(response.status, downstream(response.headers), response.chunks, loaded.row.id, account)


def _check_restriction(actor: Actor, call: Call) -> None:
    """Raises Forbidden when the key is narrowed to other methods or paths."""
    narrowed = actor.restriction
    if narrowed.methods is not None and call.method not in narrowed.methods:
        raise Forbidden(f"This key may only use {', '.join(sorted(narrowed.methods))}.")
    if narrowed.methods is not None and any(name.lower() in _METHOD_HEADERS for name, _ in call.headers):
        raise Forbidden("This key may not name another method in a header.")
    if narrowed.path is not None:
        wanted = "/" + narrowed.path.strip("/")
        path = "/" + call.path.lstrip("/")
        elsewhere = call.url is not None or call.server is not None
        if elsewhere or not (path == wanted or path.startswith(wanted.rstrip("/") + "/")):
            raise Forbidden(f"This key may only call paths under {wanted}.")
