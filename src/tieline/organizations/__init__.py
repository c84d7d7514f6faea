"""Tenants and their API keys."""

from tieline.organizations.api_keys import ApiKeys
from tieline.organizations.organizations import Organizations
from tieline.organizations.types import ApiKey, NewApiKey, Organization, Restrictions

__all__ = ["ApiKey", "ApiKeys", "NewApiKey", "Organization", "Organizations", "Restrictions"]
