"""Tenants and their API keys."""

from importlib import import_module
from typing import TYPE_CHECKING

from tieline.organizations.types import ApiKey, NewApiKey, Organization, Restrictions

if TYPE_CHECKING:
    from tieline.organizations.api_keys import ApiKeys
    from tieline.organizations.organizations import Organizations

__all__ = ["ApiKey", "ApiKeys", "NewApiKey", "Organization", "Organizations", "Restrictions"]

_LATE = {"ApiKeys": "tieline.organizations.api_keys", "Organizations": "tieline.organizations.organizations"}


def __getattr__(name: str) -> object:
    # Only who asks for these waits for the database: the HTTP client needs nothing but the types.
    if name not in _LATE:
        raise AttributeError(f"module 'tieline.organizations' has no attribute {name!r}")
    value = getattr(import_module(_LATE[name]), name)
    globals()[name] = value
    return value
