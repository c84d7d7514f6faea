"""The provider manifest: read, resolve, validate, render. Pure: nothing here touches the network or a database."""

from tieline.manifest.model import AuthMethod, Check, Input, OAuth2, Provider, RateLimits, Request
from tieline.manifest.read import read_document
from tieline.manifest.resolve import load, resolve

__all__ = [
    "AuthMethod",
    "Check",
    "Input",
    "OAuth2",
    "Provider",
    "RateLimits",
    "Request",
    "load",
    "read_document",
    "resolve",
]
