"""What a provider sends us: how a delivery is proved genuine, read, routed and answered."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from tieline.manifest.model.requests import Request, Test, no_capture, no_map
from tieline.manifest.model.shapes import (
    Alt,
    Capture,
    Many,
    Map,
    Model,
    Name,
    Status,
    Template,
    Tree,
    camel,
    listed,
)

Algorithm = Literal[
    "md5",
    "sha1",
    "sha256",
    "sha384",
    "sha512",
    "ed25519",
    "rsa-sha1",
    "rsa-sha256",
    "rsa-pss-sha256",
    "ecdsa-p256-sha256",
    "ecdsa-p384-sha384",
    "HS256",
    "HS384",
    "HS512",
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "ES256",
    "ES384",
    "EdDSA",
]


class WebhookSecret(Model):
    from_: Literal["admin", "user", "generated", "client", "captured", "none"] = Field(
        default="admin",
        description="who owns the secret: typed by admin/user; made by us; the OAuth client secret; "
        "learned in a handshake or subscribe call",
    )
    value: Template | None = Field(default=None, description="when it is made of other variables")
    required: bool = Field(default=True, description="false: an endpoint without a secret accepts unsigned deliveries")
    strip_prefix: str | None = None
    encoding: Literal["utf8", "hex", "base64"] = "utf8"
    prehash: Literal["sha1", "sha256"] | None = None


class BodyHash(Model):
    claim: str | None = None
    algorithm: Literal["sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64", "base64url"] = "hex"


class Verify(Model):
    scheme: Literal["hmac", "hash", "asymmetric", "jwt", "token", "basic", "ip", "mtls", "request", "none"] = "hmac"
    algorithm: Algorithm | None = None
    signature: Template | None = Field(
        default=None,
        description="where it is: {{headers['x-sig']}}, {{query.signature}}, {{body.signature}}, {{form.signature}}",
    )
    items: str | None = Field(
        default=None, description="the value is a list with this separator; any element may match"
    )
    pair: str | None = Field(default=None, description="elements are key<pair>value")
    field: Template | None = Field(default=None, description="key of the element(s) that carry the signature")
    prefix: str | None = None
    encoding: Literal["hex", "base64", "base64url"] = "hex"
    payload: Alt = Field(
        default="{{rawBody}}",
        description="the bytes that are signed; sig.<key> reads other elements of the signature header",
    )
    digest: Literal["sha256"] | None = Field(default=None, description="the payload is hashed before it is signed")
    secret: Template | None = Field(default=None, description="default the webhook secret")
    timestamp: Template | None = None
    timestamp_format: Literal["epoch", "epochMs", "iso8601", "date"] = "epoch"
    tolerance: int = Field(default=300, ge=0)
    public_key: Alt | None = None
    public_key_format: Literal["pem", "x509", "jwk", "jwks", "raw-hex", "raw-base64", "spki-base64"] = "pem"
    key_request: Request | None = Field(default=None, description="fetch the key (cached); capture publicKey or secret")
    claims: Map = Field(default_factory=no_map, description="jwt: required claim values")
    body_hash: BodyHash | None = None
    username: Template | None = None
    password: Template | None = None
    ranges: Many[str] = Field(default=(), description="ip: CIDR blocks")
    request: Request | None = Field(default=None, description="ask the provider whether the delivery is genuine")
    when: Many[Test] = ()


class Answer(Model):
    status: Status = 200
    content_type: str | None = None
    headers: Map = Field(default_factory=no_map)
    body: Tree = None


class Handshake(Model):
    id: Name | None = None
    method: Literal["GET", "POST", "PUT", "HEAD", "OPTIONS"] | None = None
    when: Many[Test] = ()
    verified: bool = Field(default=False, description="signature must also be valid")
    require: Many[Test] = ()
    capture: Capture = Field(default_factory=no_capture)
    request: Request | None = None
    respond: Answer = Field(default_factory=Answer)
    else_status: Status = 403
    deliver: bool = Field(default=False, description="also hand the request on as an event")


class Decrypt(Model):
    """Every member beside `type` is a template for the cipher; see `model_extra`."""

    model_config = ConfigDict(
        alias_generator=camel, populate_by_name=True, frozen=True, strict=True, extra="allow", protected_namespaces=()
    )
    __pydantic_extra__: dict[str, Alt]  # pyright: ignore[reportIncompatibleVariableOverride]  how pydantic types the rest

    type: Literal["aes-256-cbc", "aes-256-gcm"]


class Payload(Model):
    format: Literal["json", "form", "xml", "jwt", "text", "none"] = "json"
    field: str | None = Field(default=None, description="form field that holds the JSON")
    decode: Literal["base64json"] | None = Field(default=None, description="applied to `at`")
    at: str | None = None
    decrypt: Decrypt | None = None
    items: str | None = Field(default=None, description="path of the list when one delivery carries many events")


class Event(Model):
    type: Alt | None = None
    id: Alt | None = Field(default=None, description="delivery or event id, for de-duplication")
    time: Alt | None = None
    account: Alt | None = Field(default=None, description="provider-side account the event is about")
    drop: Many[Test] = ()


class Route(Model):
    event: Alt
    connection: Template = Field(description="a variable of the connection, or metadata.<key>, or connection.id")


class Respond(Model):
    when: Many[Test] = ()
    status: Status = 200
    headers: Map = Field(default_factory=no_map)
    body: Tree = None
    rejected_status: Status | None = None


class EventKind(Model):
    type: str
    description: str | None = None
    scopes: Many[str] = ()


class Webhooks(Model):
    supports_webhooks: bool = True
    signature_header: str | None = Field(default=None, description="shorthand for verify: {signature: header}")
    signature_algorithm: str | None = Field(
        default=None,
        description="shorthand for verify.algorithm (hex, whole header, raw body)",
        examples=[
            "hmac-sha256",
            "hmac-sha1",
            "hmac-sha512",
            "ed25519",
            "rsa-sha256",
            "ecdsa-p256-sha256",
            "token",
            "none",
        ],
    )
    secret: WebhookSecret = Field(default_factory=WebhookSecret)
    verify: Annotated[Many[Verify], BeforeValidator(listed, json_schema_input_type=Verify | list[Verify])] = Field(
        default=(), description="any one suffices"
    )
    handshakes: Many[Handshake] = ()
    payload: Payload = Field(default_factory=Payload)
    event: Event = Field(default_factory=Event)
    route: Many[Route] = Field(
        default=(),
        description="how an event finds its connection(s): rules are tried in order until one matches",
    )
    respond: Many[Respond] = ()
    query: Many[str] = Field(default=(), description="query parameters that may be put on the webhook URL and are read")
    url: Template | None = Field(
        default=None,
        description="what to add to our endpoint URL when giving it to the provider, "
        "e.g. ?connection={{connection.id}}",
    )
    events: Many[EventKind] = ()
    subscribe: Request | None = None
    renew: Request | None = None
    unsubscribe: Request | None = None
    subscription_lifetime: int | None = Field(default=None, gt=0, description="seconds")
    retries: str | None = Field(default=None, description="free text: what the provider does on failure")
