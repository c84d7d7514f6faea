"""What an organization and an API key look like from outside."""

from dataclasses import dataclass
from datetime import datetime

from tieline.secret import Secret
from tieline.shapes import Shape


class Organization(Shape):
    """A tenant; `parent` is the slug of its platform, null for a platform."""

    id: str
    slug: str
    name: str
    parent: str | None
    return_urls: tuple[str, ...]
    embed_origins: tuple[str, ...]
    created_at: datetime


class Restrictions(Shape):
    """What a key is narrowed to; null means not narrowed. `path` is a prefix of proxied paths."""

    end_user: str | None = None
    provider: str | None = None
    connection: str | None = None
    methods: tuple[str, ...] | None = None
    path: str | None = None


class ApiKey(Shape):
    """An API key, without the key; `hint` is its last four characters."""

    id: str
    name: str
    hint: str
    organization: str
    scopes: tuple[str, ...]
    restrictions: Restrictions
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True)
class NewApiKey:
    """The one time that a key is shown."""

    api_key: ApiKey
    key: Secret
