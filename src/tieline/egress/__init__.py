"""The only package that opens sockets to addresses which come from documents or callers."""

from tieline.egress.client import Egress, Reach
from tieline.egress.policy import AddressPolicy
from tieline.egress.resolver import Lookup
from tieline.egress.streams import StreamedResponse

__all__ = ["AddressPolicy", "Egress", "Lookup", "Reach", "StreamedResponse"]
