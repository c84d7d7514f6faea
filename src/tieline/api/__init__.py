"""The HTTP face: the same nouns as the hub, as one ASGI application."""

from tieline.api.application import Application, app, unopened

__all__ = ["Application", "app", "unopened"]
