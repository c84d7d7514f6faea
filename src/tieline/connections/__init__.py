"""The heart: connect sessions, connections, their credentials, and the authorised request."""

from tieline.connections.connect import Connect
from tieline.connections.connections import Connections
from tieline.connections.credentials import Credentials
from tieline.connections.loading import Loader
from tieline.connections.proxy import Answer, Call, Proxy
from tieline.connections.rows import Reference
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
    SessionRequest,
)

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
    "Loader",
    "NewConnectSession",
    "Problem",
    "Proxy",
    "Reference",
    "SessionRequest",
]
