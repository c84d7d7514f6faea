"""Who did what, when, to what: durable before it takes effect, chained and signed so that it cannot be changed."""

from tieline.audit.committer import Also
from tieline.audit.export import verify_export
from tieline.audit.log import Audit
from tieline.audit.record import record
from tieline.audit.types import AuditEvent, Verification

__all__ = ["Also", "Audit", "AuditEvent", "Verification", "record", "verify_export"]
