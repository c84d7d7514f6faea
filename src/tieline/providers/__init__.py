"""The registry of providers: documents, their versions, and what they extend."""

from importlib import import_module
from typing import TYPE_CHECKING

from tieline.providers.types import AuthMethodSummary, Provider, ProviderPage, ProviderSummary, ProviderVersion

if TYPE_CHECKING:
    from tieline.providers.documents import Documents
    from tieline.providers.providers import Providers

__all__ = [
    "AuthMethodSummary",
    "Documents",
    "Provider",
    "ProviderPage",
    "ProviderSummary",
    "ProviderVersion",
    "Providers",
]

_LATE = {"Documents": "tieline.providers.documents", "Providers": "tieline.providers.providers"}


def __getattr__(name: str) -> object:
    # Only who asks for these waits for the database: the HTTP client needs nothing but the types.
    if name not in _LATE:
        raise AttributeError(f"module 'tieline.providers' has no attribute {name!r}")
    value = getattr(import_module(_LATE[name]), name)
    globals()[name] = value
    return value
