"""Who did what, when, to what: durable before it takes effect, chained and signed so that it cannot be changed."""

from tieline.audit.record import record

__all__ = ["record"]
