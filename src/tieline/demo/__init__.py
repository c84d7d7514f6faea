"""`tieline demo`: the whole story on this machine, with a practice provider, told step by step."""

from tieline.demo.demo import tell

__all__ = ["tell"]
