"""The whole document: `Document` as an author may write it, `Provider` as the engine reads it (the normal form).

In the normal form every auth method stands under `auth` and every shorthand has been spelled out (see `resolve`).
"""

from typing import Annotated, Literal, cast

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue, model_validator

from tieline.manifest.model.api import Api, RateLimits, Scope
from tieline.manifest.model.auth import AuthMethod, AuthMethodKeys
from tieline.manifest.model.inputs import Input
from tieline.manifest.model.shapes import DocRef, Id, Many, Model, Name, Scalar, camel, standing_for
from tieline.manifest.model.webhooks import Webhooks

Link = Literal[
    "homepage",
    "apiReference",
    "appRegistration",
    "setupGuide",
    "connectGuide",
    "signup",
    "status",
    "support",
    "pricing",
    "terms",
    "privacy",
    "changelog",
]


class Branding(Model):
    display_name: str | None = None
    logo_url: str | None = None
    logo_dark_url: str | None = None
    color: str | None = None


class Variant(Model):
    id: Name
    label: str | None = None
    status: Literal["beta", "stable", "deprecated"] | None = None
    set: dict[str, Scalar] = Field(default_factory=dict[str, Scalar])
    override: dict[str, JsonValue] = Field(
        default_factory=dict[str, JsonValue], description="JSON merge patch over the document"
    )


class Member(Model):
    provider: DocRef
    as_: Name | None = None
    required: bool = True
    scopes: Many[str] = ()
    params: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])


class ProviderKeys(Model):
    manifest: Literal["1"] = Field(default="1", description="language version")
    id: Id | None = None
    name: str | None = Field(default=None, min_length=1)
    description: str | None = None
    version: str = Field(
        default="1.0.0", description="semver of this document; (id, version) is immutable once published"
    )
    category: str | None = Field(default=None, description="same as categories: [x]")
    categories: Many[str] = ()
    tags: Many[str] = ()
    status: Literal["draft", "beta", "stable", "deprecated"] = "stable"
    replaced_by: Id | None = None
    is_public: bool = Field(default=True, description="shown in the catalogue; false = only by direct id or allow-list")
    is_custom: bool = Field(default=False, description="set by the store for user-defined documents")
    logo_url: str | None = None
    documentation: str | None = None
    links: dict[Link, str] = Field(default_factory=dict)
    branding: Branding | None = Field(default=None, description="white-label overrides of what the end user sees")
    i18n: dict[str, dict[str, str]] = Field(
        default_factory=dict[str, dict[str, str]], description="language tag -> {JSON pointer: text}"
    )
    sources: Many[str] = Field(default=(), description="provenance of the facts")
    is_template: bool = Field(default=False, description="abstract: may not be connected, only extended")
    variants: Many[Variant] = Field(
        default=(), description="regions, sandboxes, editions: each sets variables and/or patches the document"
    )
    variant_chosen_by: Literal["admin", "user"] = Field(
        default="admin",
        description="admin: one OAuth client per integration; user: the admin may give one OAuth client per variant",
    )
    members: Many[Member] = Field(default=(), description="meta-provider")
    member_mode: Literal["shared", "separate", "oneOf"] = Field(
        default="separate",
        description="shared: one grant serves all members (scopes are united); "
        "separate: one child connection each; oneOf: user picks",
    )
    auth: Annotated[dict[Name, AuthMethod], Field(min_length=1)] = Field(default_factory=dict[str, AuthMethod])
    scope_catalog: Many[
        Annotated[Scope, BeforeValidator(standing_for("value"), json_schema_input_type=str | Scope)]
    ] = ()
    api: Api = Field(default_factory=Api)
    rate_limits: RateLimits | None = None
    webhooks: Webhooks | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_extensions(cls, value: object) -> object:
        """`x-...` keys are kept by the store and ignored here."""
        if not isinstance(value, dict):
            return value
        document = cast(dict[str, object], value)
        return {key: member for key, member in document.items() if not key.startswith("x-")}


class Provider(ProviderKeys):
    """The normal form: what the engine works with."""

    inputs: dict[Name, Input] = Field(
        default_factory=dict[str, Input], description="inputs that all auth methods share"
    )


class Document(ProviderKeys, AuthMethodKeys):
    """One provider = one document.

    A document with a single auth method may write that method's keys at the top level (`authType` is the method's
    `type`); a document with several writes them under `auth`.
    """

    model_config = ConfigDict(
        alias_generator=camel,
        populate_by_name=True,
        frozen=True,
        extra="forbid",
        strict=True,
        protected_namespaces=(),
        title="Provider manifest, v1",
        json_schema_extra={
            "anyOf": [{"required": ["name"]}, {"required": ["extends"]}],
            "patternProperties": {"^x-": {"description": "extension, ignored by the engine, kept by the store"}},
        },
    )

    extends: DocRef | Many[DocRef] | None = Field(
        default=None,
        description="base document(s); this one is applied as a JSON merge patch (RFC 7396: null removes)",
    )
    params: dict[str, JsonValue] = Field(
        default_factory=dict[str, JsonValue], description="values for the template inputs marked from: template"
    )
