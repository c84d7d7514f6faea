"""The database, what is sealed in it, and how a change reaches every process."""

from tieline.storage.database import Database
from tieline.storage.migrate import migrate

__all__ = ["Database", "migrate"]
