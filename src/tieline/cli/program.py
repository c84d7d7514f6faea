"""The tree of commands. Modules that are heavy to import stand behind the command that needs them."""

import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from tieline.cli import (
    api_keys,
    audit,
    connect,
    connections,
    demonstrate,
    doctor,
    init,
    integrations,
    keys,
    migrate,
    organizations,
    providers,
    request,
    serve,
    work,
)

app = typer.Typer(
    name="tieline",
    no_args_is_help=True,
    add_completion=False,
    # Plain tracebacks: those of a prettier kind show local variables, which may hold secrets.
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"tieline {version('tieline')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Let the users of your application connect their accounts at other services, and use them.

    Commands work in this process on TIELINE_DATA or TIELINE_DATABASE_URL, or over HTTP where TIELINE_URL and
    TIELINE_API_KEY are set. Exit status: 1 our trouble, 2 usage, 3 not found, 4 refused, 5 conflict, 6 the provider.
    """


for each in (init, serve, work, demonstrate, connect, request, doctor, migrate):
    each.add_to(app)
for name, group in (
    ("providers", providers.group),
    ("integrations", integrations.group),
    ("connections", connections.group),
    ("organizations", organizations.group),
    ("api-keys", api_keys.group),
    ("audit", audit.group),
    ("keys", keys.group),
):
    app.add_typer(group, name=name)


def main() -> None:
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a letter shows another one, rather than a traceback.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    app()
