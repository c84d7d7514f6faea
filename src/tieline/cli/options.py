"""The options and arguments that several commands share, each with its words."""

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Limit = Annotated[int, typer.Option(min=1, help="How many to list at most.")]
Cursor = Annotated[str | None, typer.Option(help="Go on behind an earlier list.")]
Provider = Annotated[str, typer.Argument(metavar="PROVIDER", help="The provider's id.")]
Connection = Annotated[
    str, typer.Argument(metavar="CONNECTION", help="An id (conn_...), or USER/PROVIDER; -/PROVIDER is a shared one.")
]
Account = Annotated[str | None, typer.Option(help="Which account, where USER/PROVIDER has several.")]
Document = Annotated[str, typer.Argument(metavar="FILE", help="A file with JSON or YAML; - reads standard input.")]

# Where a command works; `in_organization` adds these to it.
Organization = Annotated[str | None, typer.Option("--organization", "-o", help="Whom to act for.", show_default=False)]
Url = Annotated[str | None, typer.Option("--url", help="Work over HTTP at this address; TIELINE_URL.")]
ApiKey = Annotated[
    str | None,
    typer.Option("--api-key", help="Its API key. Others on this machine can see it: rather set TIELINE_API_KEY."),
]
Data = Annotated[str | None, typer.Option("--data", help="Work in this process, on this data folder; TIELINE_DATA.")]
Database = Annotated[
    str | None, typer.Option("--database", help="Work in this process, on this database; TIELINE_DATABASE_URL.")
]
