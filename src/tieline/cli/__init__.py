"""The command line: `tieline ...`. A face of the Hub, here or behind HTTP; it only translates."""

from tieline.cli.program import main

__all__ = ["main"]
