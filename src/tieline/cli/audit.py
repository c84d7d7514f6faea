"""`tieline audit`: who did what, and the proof that nobody changed it afterwards."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from tieline.cli import options
from tieline.cli.failing import OURS
from tieline.cli.paging import listed, show_list
from tieline.cli.printing import print_fields, print_json
from tieline.cli.running import command, in_organization
from tieline.cli.target import Nouns

group = typer.Typer(no_args_is_help=True, help="The audit: show, verify, export.")

Noted = Annotated[
    str | None,
    typer.Option(metavar="EVENTS:HASH", help="Where an earlier `verify` ended: what is shorter now was cut off."),
]


@in_organization(group)
async def show(
    nouns: Nouns,
    target: Annotated[str | None, typer.Option(help="Of this connection, provider, key, ... only.")] = None,
    action: Annotated[str | None, typer.Option(help="Of this kind only, like credential.read.")] = None,
    since: Annotated[datetime | None, typer.Option(help="From this time on; without a zone it is local time.")] = None,
    limit: options.Limit = 50,
    cursor: options.Cursor = None,
    as_json: options.AsJson = False,
) -> None:
    """Events, newest first."""

    def row(event: Any) -> tuple[object, ...]:
        return f"{event.at:%Y-%m-%d %H:%M:%S}", event.action, event.target, event.outcome, event.actor

    aware = None if since is None else since.astimezone()
    found = await listed(nouns.audit.list, limit=limit, cursor=cursor, target=target, action=action, since=aware)
    show_list(found, ("AT (UTC)", "ACTION", "TARGET", "OUTCOME", "ACTOR"), row, as_json=as_json)


@in_organization(group)
async def verify(nouns: Nouns, noted: Noted = None, as_json: options.AsJson = False) -> None:
    """Walk the whole chain; exit status 1 when it does not hold."""
    _judge(await nouns.audit.verify(noted=noted), as_json=as_json)


@command(group)
def verify_export(
    file: Annotated[str, typer.Argument(metavar="FILE", help="What `export` printed; - reads standard input.")],
    public_key: Annotated[str | None, typer.Option(help="The key you noted earlier, to trust nothing in it.")] = None,
    noted: Noted = None,
    as_json: options.AsJson = False,
) -> None:
    """Verify an export offline, without the database; exit status 1 when it does not hold."""
    from tieline.audit.chain import read_mark
    from tieline.audit.export import verify_export as verified

    marks = [] if noted is None else [read_mark(noted)]
    with sys.stdin if file == "-" else Path(file).open(encoding="utf-8") as lines:
        _judge(verified(lines, public_key=public_key, noted=marks), as_json=as_json)


@in_organization(group)
async def export(nouns: Nouns) -> None:
    """The whole chain as JSON lines, which anybody can verify."""
    async for line in await nouns.audit.export():
        print(line)


def _judge(verification: Any, *, as_json: bool) -> None:
    if as_json:
        print_json(verification.dump())
    else:
        print_fields(verification.dump())
    if not verification.ok:
        raise typer.Exit(OURS)
