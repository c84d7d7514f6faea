"""Tieline: let the users of your application connect their accounts at other services, and use them.

`Hub.open(...)` is the whole of it in this process; `tieline.client` has the same nouns over HTTP.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from tieline.secret import Secret

if TYPE_CHECKING:
    from tieline.connections.types import Reference
    from tieline.hub import Hub

__all__ = ["Hub", "Reference", "Secret"]

_LATE = {"Hub": "tieline.hub", "Reference": "tieline.connections.types"}


def __getattr__(name: str) -> object:
    # These bring the database and the HTTP client with them: only who asks for them waits.
    if name in _LATE:
        return getattr(import_module(_LATE[name]), name)
    raise AttributeError(f"module 'tieline' has no attribute {name!r}")
