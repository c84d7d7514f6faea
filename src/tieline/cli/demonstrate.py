"""`tieline demo`: the whole story on this machine."""

import importlib
from typing import Annotated

import typer

from tieline.cli.running import command


def add_to(app: typer.Typer) -> None:
    command(app)(demo)


async def demo(
    once: Annotated[
        bool, typer.Option("--once", help="End after the story; exit status 1 when a step failed.")
    ] = False,
    port: Annotated[
        int | None, typer.Option(help="Where the service listens. Without it 8400, or a free one when that is taken.")
    ] = None,
) -> None:
    """The whole story on this machine, with a practice provider: connect, call, refresh, audit."""
    # The demo stands above the command line in the order of packages, so it is found by its name.
    tell = importlib.import_module("tieline.demo").tell
    if not await tell(once=once, port=port):
        raise typer.Exit(1)
