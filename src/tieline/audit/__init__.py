"""Who did what, when, to what: durable before it takes effect, chained and signed so that it cannot be changed."""

from importlib import import_module
from typing import TYPE_CHECKING

from tieline.audit.types import AuditEvent, Verification

if TYPE_CHECKING:
    from tieline.audit.committer import Also
    from tieline.audit.export import verify_export
    from tieline.audit.log import Audit
    from tieline.audit.recording import record

__all__ = ["Also", "Audit", "AuditEvent", "Verification", "record", "verify_export"]

_LATE = {
    "Also": "tieline.audit.committer",
    "verify_export": "tieline.audit.export",
    "Audit": "tieline.audit.log",
    "record": "tieline.audit.recording",
}


def __getattr__(name: str) -> object:
    # Only who asks for these waits for the database: the HTTP client needs nothing but the types.
    if name not in _LATE:
        raise AttributeError(f"module 'tieline.audit' has no attribute {name!r}")
    value = getattr(import_module(_LATE[name]), name)
    globals()[name] = value
    return value
