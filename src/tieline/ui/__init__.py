"""The pages on which people connect their accounts."""

from tieline.ui.routes import routes

__all__ = ["routes"]
