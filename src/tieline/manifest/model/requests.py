"""One HTTP call, the tests on its answer, and how a credential is put on a call."""

from typing import Literal

from pydantic import ConfigDict, Field, JsonValue

from tieline.manifest.model.shapes import (
    Alt,
    Capture,
    Captured,
    Many,
    Map,
    MapValue,
    Model,
    Name,
    Scalar,
    Status,
    StatusRange,
    Template,
    Tree,
    camel,
)

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


def no_map() -> dict[str, MapValue]:
    return {}


def no_capture() -> dict[str, Captured]:
    return {}


class Test(Model):
    """`equals` may be null, so whether it is asked for is a question to `model_fields_set`."""

    __test__ = False  # pytest: this is a model, not a class of tests

    value: Template
    equals: Scalar | None = None
    in_: Many[JsonValue] | None = None
    matches: str | None = Field(default=None, max_length=200, description="RE2 regular expression")
    contains: str | None = None
    exists: bool | None = None


class Expect(Model):
    status: Many[Status | StatusRange] = ()
    fail_if: Many[Test] = ()
    require: Many[Test] = ()
    message: Alt | None = Field(default=None, description="where the provider puts its error text")


class Basic(Model):
    username: Template = "{{username}}"
    password: Template = "{{password}}"  # noqa: S105  a template, not a password


class Sign(Model):
    """Every member beside `type` is a template for the signer; see `model_extra`."""

    model_config = ConfigDict(
        alias_generator=camel, populate_by_name=True, frozen=True, strict=True, extra="allow", protected_namespaces=()
    )
    __pydantic_extra__: dict[str, Alt]  # pyright: ignore[reportIncompatibleVariableOverride]  how pydantic types the rest

    type: str = Field(examples=["aws-sigv4", "oauth1", "digest", "hawk", "azure-shared-key"])


class Tls(Model):
    cert: Template | None = None
    key: Template | None = None
    passphrase: Template | None = None


class ApplyBasic(Model):
    username: Template | None = None
    password: Template | None = None


class Apply(Model):
    to: Many[str] = Field(default=(), description="hosts (globs) this rule is for; default api.allowedHosts")
    headers: Map = Field(default_factory=no_map)
    query: Map = Field(default_factory=no_map)
    body: Tree = None
    cookies: Map = Field(default_factory=no_map)
    path: Template | None = Field(default=None, description="path prefix that carries the secret, e.g. /bot{{apiKey}}")
    basic: ApplyBasic | None = None
    sign: Sign | None = Field(
        default=None, description="a signer registered in the engine; every other member is a template"
    )
    tls: Tls | None = None


class RequestKeys(Model):
    id: Name | None = None
    description: str | None = None
    method: Method | None = None
    url: Alt | None = Field(default=None, description="absolute, or a path under api.baseUrl")
    query: Map = Field(default_factory=no_map)
    headers: Map = Field(default_factory=no_map)
    format: Literal["form", "json", "query", "xml", "text", "multipart", "none"] | None = Field(
        default=None, description="how body is sent; query = in the query string"
    )
    body: Tree = None
    use: Literal["none", "credential"] | Apply | None = Field(
        default=None, description="what authenticates this call; default: credential after acquisition, none during it"
    )
    expect: Expect = Field(default_factory=Expect)
    capture: Capture = Field(default_factory=no_capture)
    optional: bool = Field(default=False, description="failure does not fail the flow")
    allowed_hosts: Many[str] = Field(
        default=(), description="required when the host of url comes from a response or a webhook"
    )

    @property
    def verb(self) -> Method:
        """The method to use: as given, else POST when there is a body."""
        return self.method or ("GET" if self.body is None else "POST")


class Request(RequestKeys):
    """One HTTP call."""


class TokenRequest(RequestKeys):
    """The standard token call with changes; params are the body (or query) fields."""

    params: Map = Field(default_factory=no_map)


class Refresh(RequestKeys):
    """When and how a credential is renewed."""

    via: Literal["refresh_token", "reacquire", "request", "none"] | None = Field(
        default=None, description="default refresh_token for oauth2 code, reacquire for the rest"
    )
    params: Map = Field(default_factory=no_map)
    before: int | None = Field(
        default=None, ge=0, description="seconds before expiry; default, and at most, a fifth to a quarter of the life"
    )
    min_age: int = Field(default=0, ge=0, description="seconds a token must have lived before it may be refreshed")
    every: int | None = Field(
        default=None, gt=0, description="refresh at least this often even if not expired (idle refresh tokens)"
    )
    on_status: Many[Status] = (401,)
    introspect: bool | Request = Field(default=False, description="ask the provider whether the token still lives")
    keep_refresh_token: Literal["ifMissing", "always", "never"] = "ifMissing"  # noqa: S105  a rule, not a password
    rotation: Literal["none", "grace", "until_used", "strict"] = Field(
        default="strict",
        description="what happens to the old refresh token after a refresh: decides recovery when an answer was lost",
    )
    grace: int | None = Field(
        default=None, ge=0, description="rotation grace: seconds the old refresh token still works"
    )
    dead_if: Many[Test] = Field(default=(), description="answers that mean: reconnect; default error in invalid_grant")
    then: bool | Many[Request] = True
    tokens: dict[Name, Request] = Field(
        default_factory=dict[str, Request], description="renewal of additional named tokens"
    )


class Check(Model):
    """Proves a credential and answers "who am I"."""

    requests: Many[Request] = ()
    mode: Literal["all", "any"] = "all"
    identity: dict[
        Literal["id", "label", "email", "username", "name", "avatarUrl", "tenantId", "tenantName", "url"], Alt
    ] = Field(default_factory=dict)
    scopes: Alt | None = Field(default=None, description="scopes actually granted")
    every: int | None = Field(default=None, gt=0, description="seconds between background checks")
