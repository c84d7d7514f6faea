"""Rate limits, in this process."""

from tieline.limits.limiter import Limiter
from tieline.limits.window import Bucket

__all__ = ["Bucket", "Limiter"]
