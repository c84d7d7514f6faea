"""What a provider, its versions and its auth methods look like from outside."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from tieline.shapes import Page, Shape

Status = Literal["draft", "beta", "stable", "deprecated"]


class AuthMethodSummary(Shape):
    """One way to authenticate; `not_yet` lists what this version of Tieline cannot do of it, empty if it connects."""

    name: str
    type: str
    label: str
    not_yet: tuple[str, ...] = ()


class ProviderSummary(Shape):
    """A provider as a list shows it. `id` is its slug; `provider_id` is the same, under the name of the seed."""

    id: str
    provider_id: str
    name: str
    description: str
    category: str
    auth_type: str
    version: str
    status: Status
    is_custom: bool
    is_public: bool
    is_template: bool
    source: Literal["builtin", "instance", "custom"]
    created_by: str | None
    replaced_by: str | None
    logo_url: str | None
    documentation: str | None
    created_at: datetime
    updated_at: datetime


class Provider(ProviderSummary):
    """A provider with the document its author wrote; `connectable` says whether any method can be connected."""

    auth_methods: tuple[AuthMethodSummary, ...]
    connectable: bool
    document: Mapping[str, object]


class ProviderVersion(Shape):
    """`change` classes the step from the version before: none, cosmetic, behaviour, security."""

    version: str
    channel: str
    change: str
    digest: str
    security_digest: str
    published_at: datetime


class ProviderPage(Page[ProviderSummary]):
    """A page of the catalogue with the number of visible providers in each category."""

    categories: Mapping[str, int]
