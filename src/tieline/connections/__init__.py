"""The heart: connect sessions, connections, their credentials, and the authorised request."""

from importlib import import_module
from typing import TYPE_CHECKING

from tieline.connections.types import (
    Account,
    CheckResult,
    Completion,
    Connection,
    ConnectSession,
    Credential,
    EndUser,
    Explanation,
    NewConnectSession,
    Problem,
    Reference,
    SessionRequest,
)

if TYPE_CHECKING:
    from tieline.connections.connect import Connect
    from tieline.connections.connections import Connections
    from tieline.connections.credentials import Credentials
    from tieline.connections.hot import Hot
    from tieline.connections.loading import Loader
    from tieline.connections.proxy import Answer, Call, Proxy

__all__ = [
    "Account",
    "Answer",
    "Call",
    "CheckResult",
    "Completion",
    "Connect",
    "ConnectSession",
    "Connection",
    "Connections",
    "Credential",
    "Credentials",
    "EndUser",
    "Explanation",
    "Hot",
    "Loader",
    "NewConnectSession",
    "Problem",
    "Proxy",
    "Reference",
    "SessionRequest",
]

_LATE = {
    "Connect": "tieline.connections.connect",
    "Connections": "tieline.connections.connections",
    "Credentials": "tieline.connections.credentials",
    "Hot": "tieline.connections.hot",
    "Loader": "tieline.connections.loading",
    "Answer": "tieline.connections.proxy",
    "Call": "tieline.connections.proxy",
    "Proxy": "tieline.connections.proxy",
}


def __getattr__(name: str) -> object:
    # Only who asks for these waits for the database: the HTTP client needs nothing but the types.
    if name not in _LATE:
        raise AttributeError(f"module 'tieline.connections' has no attribute {name!r}")
    value = getattr(import_module(_LATE[name]), name)
    globals()[name] = value
    return value
