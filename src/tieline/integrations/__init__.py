"""An organization's registration at a provider."""

from importlib import import_module
from typing import TYPE_CHECKING

from tieline.integrations.types import Client, ClientSettings, Integration, Setup

if TYPE_CHECKING:
    from tieline.integrations.integrations import Integrations

__all__ = ["Client", "ClientSettings", "Integration", "Integrations", "Setup"]

_LATE = {"Integrations": "tieline.integrations.integrations"}


def __getattr__(name: str) -> object:
    # Only who asks for these waits for the database: the HTTP client needs nothing but the types.
    if name not in _LATE:
        raise AttributeError(f"module 'tieline.integrations' has no attribute {name!r}")
    value = getattr(import_module(_LATE[name]), name)
    globals()[name] = value
    return value
