"""How a credential is acquired, renewed, applied and checked: one auth method."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from tieline.manifest.model.inputs import Input
from tieline.manifest.model.requests import (
    Apply,
    Basic,
    Check,
    Refresh,
    Request,
    TokenRequest,
    no_capture,
    no_map,
)
from tieline.manifest.model.shapes import Alt, Capture, Many, Map, Model, Name, Template, listed

AuthType = Literal["none", "webhook", "api_key", "basic", "oauth2", "oauth1", "session", "signature", "app"]
ClientAuth = Literal[
    "client_secret_post",
    "client_secret_basic",
    "client_secret_jwt",
    "private_key_jwt",
    "tls_client_auth",
    "none",
]


class ApiKey(Model):
    """Shorthand for one secret input + apply + check."""

    location: Literal["header", "query", "body", "cookie", "path"] = "header"
    key_name: str = "Authorization"
    key_prefix: str = Field(
        default="", description="put before the key; one space is inserted when it ends in a letter or digit"
    )
    input: Name = "apiKey"
    test_endpoint: str | None = None
    test_method: str = "GET"
    test_expected_status: Many[int] = (200,)


class Callback(Model):
    source: Literal["redirect", "webhook"] = Field(
        default="redirect", description="webhook: the provider starts the install and posts the code"
    )
    code_param: str | None = "code"
    state_param: str | None = "state"
    error_param: str = "error"
    require_issuer: bool = Field(
        default=False,
        description="the provider always says who answers (RFC 9207, authorization_response_iss_parameter_supported): "
        "an answer without iss is refused",
    )
    code: Template | None = Field(default=None, description="where the code is when source is webhook")
    match: dict[str, Template] = Field(
        default_factory=dict[str, str], description="webhook only: event field that names the pending connection"
    )
    capture: Capture = Field(default_factory=no_capture)


class Authorize(Model):
    params: Map = Field(
        default_factory=no_map,
        description="over the defaults response_type, client_id, redirect_uri, scope, state, code_challenge…; "
        "null removes",
    )
    raw_params: Many[str] = Field(default=(), description="sent without percent-encoding")
    fragment: str | None = Field(default=None, description="authorize page is a hash route")


class OAuth2(Model):
    grant: str = Field(
        default="authorization_code",
        description="short name or full grant_type",
        examples=[
            "authorization_code",
            "client_credentials",
            "password",
            "device_code",
            "jwt_bearer",
            "saml2_bearer",
            "token_exchange",
            "refresh_token",
        ],
    )
    issuer: Alt | None = Field(
        default=None, description="endpoints not given are read from its metadata (RFC 8414 / OIDC discovery)"
    )
    resource: Alt | None = Field(
        default=None,
        description="protected resource (RFC 9728 discovery, RFC 8707 indicator); MCP servers give only this",
    )
    auth_url: Alt | None = None
    token_url: Alt | None = None
    refresh_url: Alt | None = None
    revoke_url: Alt | None = Field(default=None, description="RFC 7009")
    introspect_url: Alt | None = Field(default=None, description="RFC 7662")
    userinfo_url: Alt | None = None
    device_url: Alt | None = Field(default=None, description="RFC 8628")
    par_url: Alt | None = Field(default=None, description="RFC 9126")
    registration_url: Alt | None = Field(default=None, description="RFC 7591")
    registration: Literal["manual", "dynamic", "metadata-document", "none"] = "manual"
    registration_params: Map = Field(default_factory=no_map)
    client_from: Literal["admin", "user", "either"] = Field(
        default="admin", description="default user for client_credentials"
    )
    client_auth: ClientAuth = "client_secret_post"
    client_auth_encoding: Literal["form", "raw"] = Field(
        default="form",
        description="client_secret_basic: form-encode id and secret first (RFC 6749 2.3.1), or send them as they are",
    )
    scopes: Many[str] = Field(default=(), description="asked for by default")
    scope_separator: str = " "
    pkce: Literal["S256", "plain", False] = "S256"
    authorize: Authorize = Field(default_factory=Authorize)
    callback: Callback = Field(default_factory=Callback)
    token: TokenRequest = Field(default_factory=TokenRequest)
    then: Many[Request] = Field(
        default=(),
        description="further exchanges after the token call (long-lived token, session); "
        "also run after refresh unless refresh.then is false",
    )


class OAuth1(Model):
    request_url: Alt
    auth_url: Alt
    token_url: Alt
    signature_method: Literal["HMAC-SHA1", "HMAC-SHA256", "RSA-SHA1", "PLAINTEXT"] = "HMAC-SHA1"
    realm: Template | None = None
    scopes: Many[str] = ()
    scope_separator: str = " "
    request_params: Map = Field(default_factory=no_map)
    auth_params: Map = Field(default_factory=no_map)
    capture: Capture = Field(default_factory=no_capture)


class App(Model):
    """Send the user to an install page; what comes back is captured."""

    install_url: Alt
    params: Map = Field(default_factory=no_map)
    callback: Callback = Field(default_factory=Callback)


class Mint(Model):
    type: Literal["jwt", "saml2"]
    key: Template | None = None
    key_format: Literal["pem", "jwk", "secret", "secret-hex", "secret-base64"] = "pem"
    header: Map = Field(default_factory=no_map)
    claims: Map = Field(default_factory=no_map, description="jwt claims (iat and exp are added), or saml2 attributes")
    saml: dict[
        Literal[
            "issuer",
            "audience",
            "recipient",
            "nameId",
            "nameIdFormat",
            "sessionIndex",
            "authnContext",
            "inResponseTo",
        ],
        Alt,
    ] = Field(default_factory=dict)
    lifetime: int = Field(default=300, gt=0, description="seconds")
    keep: bool = Field(
        default=False,
        description="store the minted token with the credential (needed when its key is not stored)",
    )


class AuthMethodKeys(Model):
    auth_type: AuthType | None = Field(default=None, description="label and defaults only; the blocks do the work")
    inputs: dict[Name, Input] = Field(default_factory=dict[str, Input])
    api_key: ApiKey | None = None
    basic: Basic | None = None
    oauth2: OAuth2 | None = None
    oauth1: OAuth1 | None = None
    app: App | None = None
    mint: dict[Name, Mint] = Field(
        default_factory=dict[str, Mint],
        description="tokens the engine signs itself; "
        "{{mint.<name>}} is minted on first use and reused until it expires",
    )
    steps: Many[Request] = Field(
        default=(), description="calls that turn inputs into a credential, in order; {{steps.<id>.body…}}"
    )
    lifetime: int | None = Field(
        default=None,
        ge=0,
        description="seconds a credential lives when the provider does not say; 0 = it does not expire",
    )
    refresh: Refresh = Field(default_factory=Refresh)
    apply: Annotated[Many[Apply], BeforeValidator(listed, json_schema_input_type=Apply | list[Apply])] = ()
    on_connect: Many[Request] = Field(
        default=(),
        description="calls after the credential exists: discover accounts, mark installed, register",
    )
    revoke: Many[Request] = Field(default=(), description="calls before a connection is deleted")
    check: Check | None = None


class AuthMethod(AuthMethodKeys):
    type: AuthType | None = Field(default=None, description="label and defaults only; the blocks do the work")
    label: str | None = None
    description: str | None = None
    status: Literal["beta", "stable", "deprecated"] | None = None
    documentation: str | None = None

    @property
    def renewal(self) -> Literal["refresh_token", "reacquire", "request", "none"]:
        """How a credential of this method is renewed, with the default by what acquires it."""
        if self.refresh.via:
            return self.refresh.via
        if self.oauth2:
            return "refresh_token" if self.oauth2.grant in ("authorization_code", "device_code") else "reacquire"
        return "reacquire" if self.steps else "none"
