from ..runner.conftest import egress, upstream

__all__ = ["egress", "upstream"]
