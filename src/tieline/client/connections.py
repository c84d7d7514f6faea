"""Connections and connect sessions over HTTP."""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from tieline.client.call import Call, account_of, members, nothing, path_of, segment, shape
from tieline.client.verbs import Noun, W, verb
from tieline.connections.types import (
    CheckResult,
    Completion,
    Connection,
    ConnectSession,
    Credential,
    EndUser,
    Explanation,
    Import,
    NewConnectSession,
    Reference,
)
from tieline.secret import Secret
from tieline.shapes import Page

_TOKEN_MEMBERS = {"type", "accessToken", "tokenType", "expiresAt", "scopes"}


class Connect(Noun[W]):
    """The application's side of the connect flow; the browser's is the page behind `url`."""

    @verb
    def start(
        self,
        *,
        provider: str,
        end_user: str | EndUser | None = None,
        return_to: str | None = None,
        embed_origin: str | None = None,
        context: Mapping[str, object] | None = None,
        scopes: Sequence[str] | None = None,
        connection: str | None = None,
        account_id: str | None = None,
        auth_method: str | None = None,
        variant: str | None = None,
        inputs: Mapping[str, object] | None = None,
    ) -> Call[NewConnectSession]:
        """A session of ten minutes; its `url` is what the browser opens."""
        body = members(
            provider=provider,
            end_user=end_user,
            return_to=return_to,
            embed_origin=embed_origin,
            context=context,
            scopes=scopes,
            connection=connection,
            account_id=account_id,
            auth_method=auth_method,
            variant=variant,
            inputs=inputs,
        )
        return Call("POST", "/v1/connect/sessions", _new_session, body=body)

    @verb
    def get(self, session: str, *, wait: float = 0.0) -> Call[ConnectSession]:
        """Its status; `wait` is how many seconds (at most 60) to wait for a change."""
        query = members(wait=wait or None)
        return Call("GET", f"/v1/connect/sessions/{segment(session)}", shape(ConnectSession), query=query, wait=wait)

    @verb
    def cancel(self, session: str) -> Call[None]:
        """From now on nothing can be connected with it."""
        return Call("DELETE", f"/v1/connect/sessions/{segment(session)}", nothing)

    @verb
    def complete(self, *, nonce: str, end_user: str | None = None) -> Call[Completion]:
        """For the user who is logged in at the application now."""
        body = members(nonce=nonce, end_user=end_user)
        return Call("POST", "/v1/connect/complete", shape(Completion), body=body, wait=60.0)


class Connections(Noun[W]):
    """A connection is named by its id, or by end user, provider and (where there are several) account."""

    @verb
    def create(self, **given: Unpack[Import]) -> Call[Connection]:
        """Imports an existing credential, checked first."""
        return Call("POST", "/v1/connections", shape(Connection), body=_import(given))

    @verb
    def upsert(self, **given: Unpack[Import]) -> Call[tuple[Connection, bool]]:
        """As `create`; whether the connection is new stands beside it."""
        return Call("POST", "/v1/connections", _upserted, body=_import(given))

    @verb
    def list(
        self,
        *,
        end_user: str | None = None,
        provider: str | None = None,
        status: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Call[Page[Connection]]:
        """Oldest first. `end_user` '' asks for those of the organization itself."""
        query = members(end_user=end_user, provider=provider, status=status, limit=limit, cursor=cursor)
        return Call("GET", "/v1/connections", shape(Page[Connection]), query=query)

    @verb
    def get(self, reference: Reference | str) -> Call[Connection]:
        return _on("GET", reference, "", shape(Connection))

    @verb
    def update(
        self, reference: Reference | str, *, label: str | None = None, metadata: Mapping[str, object] | None = None
    ) -> Call[Connection]:
        """Label and metadata; the latter is merged member by member, null removes one."""
        return _on("PATCH", reference, "", shape(Connection), body=members(label=label, metadata=metadata))

    @verb
    def delete(self, reference: Reference | str) -> Call[None]:
        """Revokes at the provider where that can be done, then shreds the credential."""
        return _on("DELETE", reference, "", nothing)

    @verb
    def credentials(self, reference: Reference | str) -> Call[Credential]:
        """A fresh one, in the clear; the key needs the scope credentials:read."""
        return _on("GET", reference, "/credentials", _credential)

    @verb
    def refresh(self, reference: Reference | str) -> Call[Connection]:
        """Renews the credential now."""
        return _on("POST", reference, "/refresh", shape(Connection))

    @verb
    def check(self, reference: Reference | str) -> Call[CheckResult]:
        """Asks the provider whether the credential works and who it is."""
        return _on("POST", reference, "/check", shape(CheckResult))

    @verb
    def suspend(self, reference: Reference | str) -> Call[Connection]:
        """No traffic from now on, until `resume`."""
        return _on("POST", reference, "/suspend", shape(Connection))

    @verb
    def resume(self, reference: Reference | str) -> Call[Connection]:
        return _on("POST", reference, "/resume", shape(Connection))

    @verb
    def explain(self, reference: Reference | str) -> Call[Explanation]:
        """Would a request work, as whom, under which version, and why not."""
        return _on("GET", reference, "/explain", shape(Explanation))


def _on(method: str, reference: Reference | str, rest: str, read: Any, *, body: object = None) -> Call[Any]:
    return Call(method, path_of(reference) + rest, read, query=account_of(reference), body=body)


def _import(given: Import) -> dict[str, Any]:
    user = given.get("end_user")
    return members(**{**given, "end_user": user.id if isinstance(user, EndUser) else user})


def _new_session(status: int, data: Any) -> NewConnectSession:
    token, url = Secret(data["token"]), Secret(data["url"])
    return NewConnectSession(shape(ConnectSession)(status, data), token, url)


def _upserted(status: int, data: Any) -> tuple[Connection, bool]:
    return shape(Connection)(status, data), status == 201


def _credential(_status: int, data: Any) -> Credential:
    token = data.get("accessToken")
    return Credential(
        type=data["type"],
        access_token=None if token is None else Secret(token),
        token_type=data.get("tokenType"),
        expires_at=data.get("expiresAt"),
        scopes=tuple(data.get("scopes") or ()),
        values={name: Secret(str(value)) for name, value in data.items() if name not in _TOKEN_MEMBERS},
    )
