"""Who acts now. The first parameter of every Hub method; every query starts from what it may see."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from tieline.errors import Forbidden

Kind = Literal["operator", "library", "apiKey", "endUser", "system"]

PERMISSIONS = {
    "organizations:read": "read the organization and its customers",
    "organizations:write": "create and change customers",
    "api-keys:write": "list, create and revoke API keys",
    "providers:read": "see providers, versions and templates",
    "providers:write": "register, publish and retire providers",
    "integrations:read": "see integrations, without their secrets",
    "integrations:write": "set clients, scopes and admin inputs",
    "connect": "start and complete connect sessions",
    "connections:read": "list and read connections, without their credentials",
    "connections:write": "import, check, refresh, suspend, label and delete connections",
    "proxy": "call a provider's API with the credential put on",
    "credentials:read": "read credentials in the clear",
    "audit:read": "read, verify and export the audit",
}
"""Every scope that an API key can have, and what it allows."""

DEFAULT_PERMISSIONS = frozenset(PERMISSIONS) - {"credentials:read", "api-keys:write", "organizations:write"}
"""What a new key may do unless asked: proxy yes, read credentials no."""


_NARROWABLE = frozenset(
    {"providers:read", "connect", "connections:read", "connections:write", "proxy", "credentials:read"}
)
"""What a restricted key may do at all: only here is there something that a restriction narrows."""


@dataclass(frozen=True)
class Restriction:
    """What a key is narrowed to; None means not narrowed. `path` is a prefix of proxied paths."""

    end_user: str | None = None
    provider: str | None = None
    connection: str | None = None
    methods: frozenset[str] | None = None
    path: str | None = None


@dataclass(frozen=True)
class Actor:
    """`organization` is the one acted for, `platform` the root of its tree (the same one for a platform)."""

    kind: Kind
    id: str
    organization: str
    platform: str
    permissions: frozenset[str] = frozenset(PERMISSIONS)
    restriction: Restriction = field(default_factory=Restriction)
    expires_at: datetime | None = None
    """When the key does; None for whoever does not."""

    def require(self, permission: str) -> None:
        """Raises Forbidden, naming the scope that is missing, or that a restricted key cannot use."""
        if permission not in self.permissions:
            raise Forbidden(f"This needs the scope {permission}. Use a key that has it.", scope=permission)
        narrowed = self.restriction
        if narrowed != Restriction() and permission not in _NARROWABLE:
            raise Forbidden(f"A restricted key cannot use the scope {permission}.", scope=permission)
        if permission == "credentials:read" and (narrowed.methods is not None or narrowed.path is not None):
            # In the clear, the credential would work for every method and path.
            raise Forbidden("A key restricted to methods or paths cannot read credentials.", scope=permission)

    @property
    def lineage(self) -> tuple[str, ...]:
        """The organizations whose rows it may use, its own first, then its platform's."""
        return (self.organization,) if self.organization == self.platform else (self.organization, self.platform)
