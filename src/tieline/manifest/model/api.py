"""How the provider's API behaves once connected: addresses, retries, errors, pages, rate limits, scopes."""

from typing import Literal

from pydantic import Field, JsonValue

from tieline.manifest.model.requests import Test, no_map
from tieline.manifest.model.shapes import Alt, Many, Map, Model, Name, Template

LimitScope = Literal["connection", "endUser", "integration", "global"]


class Wait(Model):
    value: Template = Field(
        description="e.g. {{headers['retry-after']}} or {{body.error.message | match('after (.+)')}}"
    )
    as_: Literal["auto", "seconds", "milliseconds", "epoch", "epochMs", "date", "iso8601", "duration"] = Field(
        default="auto", description="auto: seconds or HTTP date"
    )


class Retry(Model):
    statuses: Many[int | str] = (429, "5xx")
    max_attempts: int = Field(default=3, ge=1)
    wait: Many[Wait] = Field(default=(), description="where the provider says how long; the longest found wins")
    exhausted_if: Many[Test] = Field(default=(), description="e.g. remaining header is 0 on a 403")


class ApiError(Model):
    status: Many[JsonValue] = ()
    if_: Many[Test] = ()
    means: Literal[
        "auth_invalid",
        "auth_expired",
        "scope_missing",
        "rate_limited",
        "not_found",
        "invalid",
        "transient",
        "account_disabled",
    ]
    message: Alt | None = None


class Pagination(Model):
    type: Literal["cursor", "page", "offset", "link"]
    items: str | None = Field(default=None, description="path of the list in the body")
    limit_param: str | None = None
    limit: int | None = None
    max_limit: int | None = None
    cursor_param: str | None = None
    next: str | None = Field(default=None, description="path of the next cursor, or of the next link, in the body")
    link_rel: str | None = Field(default=None, description="rel in the Link header (RFC 8288)")
    offset_param: str | None = None
    start: int | None = None
    step: Literal["byPage", "byItems"] = "byItems"
    in_: Literal["query", "body"] = "query"


class Api(Model):
    base_url: Alt | None = None
    servers: dict[Name, Alt] = Field(default_factory=dict, description="further base URLs, by name")
    allowed_hosts: Many[str] = Field(
        default=(),
        description="hosts that may ever receive the credential; default: the hosts of baseUrl and servers",
    )
    headers: Map = Field(default_factory=no_map, description="sent with every call")
    query: Map = Field(default_factory=no_map)
    format: Literal["json", "xml", "form", "graphql", "soap", "odata", "jsonrpc"] = "json"
    auth_on_redirect: bool = Field(default=False, description="keep the auth headers when a redirect leaves the host")
    retry: Retry = Field(default_factory=Retry)
    errors: Many[ApiError] = ()
    pagination: Pagination | None = None


class Bucket(Model):
    limit: float = Field(gt=0)
    per: int = Field(gt=0, description="seconds")
    path: str | None = None
    methods: Many[str] = ()
    cost: float = Field(default=1, ge=0)
    scope: LimitScope | None = None


class RateLimits(Model):
    requests_per_second: float | None = Field(default=None, gt=0)
    requests_per_minute: float | None = Field(default=None, gt=0)
    requests_per_hour: float | None = Field(default=None, gt=0)
    requests_per_day: float | None = Field(default=None, gt=0)
    concurrent: int | None = Field(default=None, gt=0)
    scope: LimitScope = "connection"
    buckets: Many[Bucket] = ()


class Scope(Model):
    value: str
    label: str | None = None
    description: str | None = None
    group: str | None = None
    required: bool = False
    default: bool = False
    sensitive: bool = False
    implies: Many[str] = ()
    token: str | None = Field(default=None, description="named token this scope is for (user scopes beside bot scopes)")
