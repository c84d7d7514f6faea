"""An organization's registration at a provider."""

from tieline.integrations.integrations import ClientSettings, Integrations
from tieline.integrations.types import Client, Integration, Setup

__all__ = ["Client", "ClientSettings", "Integration", "Integrations", "Setup"]
