"""What connect sessions, connections and their results look like from outside."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Required, TypedDict

from pydantic import Field

from tieline.secret import Secret
from tieline.shapes import Shape

Status = Literal["active", "error", "reconnect", "suspended"]
SessionStatus = Literal["open", "awaitingCompletion", "completed", "failed", "expired"]


class Problem(Shape):
    """An error as a stored result keeps it; the same members as RFC 9457 shows."""

    code: str
    title: str
    detail: str


class EndUser(Shape):
    """The organization's user, known by its own id."""

    id: str
    name: str = ""
    email: str | None = None


class Account(Shape):
    """Who the provider says this is."""

    id: str | None = None
    label: str | None = None
    email: str | None = None
    avatar_url: str | None = None


class Scopes(Shape):
    """Asked for, given, and asked for but not given."""

    requested: tuple[str, ...] = ()
    granted: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


class Connection(Shape):
    """A link to one account at one provider; keeps its id when it is renewed.

    `usable` is whether a request would be tried; `attention` is what a person should do, or null.
    """

    id: str
    provider: str
    provider_version: str
    provider_type: str
    end_user: str | None
    account_id: str
    account: Account
    label: str | None
    status: Status
    usable: bool
    attention: Literal["reconnect", "approveUpdate"] | None
    auth_method: str
    variant: str | None
    scopes: Scopes
    error: Problem | None
    error_count: int
    metadata: Mapping[str, object]
    binding: str
    token_type: str | None
    created_at: datetime
    updated_at: datetime
    last_synced_at: datetime | None
    last_used_at: datetime | None
    last_checked_at: datetime | None
    expires_at: datetime | None


class SessionRequest(Shape):
    """A connect session, ready to be started: what `next` and `restart` carry."""

    provider: str
    end_user: str | None
    connection: str | None = None
    auth_method: str | None = None
    scopes: tuple[str, ...] | None = None
    return_to: str | None = None


class ConnectSession(Shape):
    """`url` is what the browser opens. `status`: open, awaitingCompletion, completed, failed, expired."""

    id: str
    provider: str
    end_user: str
    status: SessionStatus
    reason: str | None = None
    connection: Connection | None = None
    expires_at: datetime


@dataclass(frozen=True)
class NewConnectSession:
    """The one time that the session's token, and the address made of it, is shown."""

    session: ConnectSession
    token: Secret
    url: Secret


class Completion(Shape):
    """How a connect session ended. `restart` is a request for a new session, where that may help."""

    result: Literal["connected", "reconnected", "cancelled", "failed"]
    connection: Connection | None = None
    context: Mapping[str, object] | None = None
    problem: Problem | None = None
    restart: SessionRequest | None = None


class CheckResult(Shape):
    """`ok` is whether the provider accepts the credential now."""

    ok: bool
    account: Account
    problem: Problem | None = None
    checked_at: datetime


class Explanation(Shape):
    """Would a request work, as whom, under which version, and why not."""

    usable: bool
    reasons: tuple[str, ...]
    account: Account
    provider_version: str
    latest_version: str
    auth_method: str
    base_url: str | None
    origins: Mapping[str, tuple[str, ...]]
    rate_limits: tuple[str, ...]
    placements: tuple[str, ...] = Field(description="where the credential is put, by name only")


@dataclass(frozen=True)
class Credential:
    """A fresh credential in the clear; the refresh token never leaves.

    `values` are the secret inputs (`apiKey`, `password`) of methods without a token.
    """

    type: str
    access_token: Secret | None = None
    token_type: str | None = None
    expires_at: datetime | None = None
    scopes: tuple[str, ...] = ()
    values: Mapping[str, Secret] = field(default_factory=dict[str, Secret])


@dataclass(frozen=True)
class Reference:
    """A connection by its id, or by whose it is, at which provider, and (where there are several) which account.

    `end_user` '' is the organization itself.
    """

    id: str | None = None
    end_user: str | None = None
    provider: str | None = None
    account: str | None = None


class Import(TypedDict, total=False):
    """What an import takes: the `inputs` of a method, or `credentials` with accessToken, refreshToken, expiresAt and
    scopes. `check` False stores it unproved.
    """

    provider: Required[str]
    end_user: str | EndUser | None
    inputs: Mapping[str, object] | None
    credentials: Mapping[str, object] | None
    auth_method: str | None
    variant: str | None
    account_id: str | None
    label: str | None
    metadata: Mapping[str, object] | None
    check: bool
