"""The registry of providers: documents, their versions, and what they extend."""

from tieline.providers.documents import Documents
from tieline.providers.providers import Providers
from tieline.providers.types import AuthMethodSummary, Provider, ProviderPage, ProviderSummary, ProviderVersion

__all__ = [
    "AuthMethodSummary",
    "Documents",
    "Provider",
    "ProviderPage",
    "ProviderSummary",
    "ProviderVersion",
    "Providers",
]
