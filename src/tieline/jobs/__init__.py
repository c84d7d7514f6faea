"""Work that is due at a time: rows with a lease are the truth, one loop in the process obeys them."""

from tieline.jobs.rows import Job, cancel, schedule
from tieline.jobs.worker import Handler, Worker

__all__ = ["Handler", "Job", "Worker", "cancel", "schedule"]
