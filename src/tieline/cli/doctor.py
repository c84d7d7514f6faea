"""`tieline doctor`: is this installation in order, and what to do where it is not."""

from dataclasses import asdict

import typer

from tieline.cli import options
from tieline.cli.failing import OURS
from tieline.cli.printing import one_line, print_json
from tieline.cli.running import command
from tieline.cli.target import chosen_settings


def add_to(app: typer.Typer) -> None:
    command(app)(doctor)


async def doctor(data: options.Data = None, database: options.Database = None, as_json: options.AsJson = False) -> None:
    """Look at settings, keys, database, clock and packages; exit status 1 when something fails."""
    from tieline.cli.checks import examine

    found = await examine(chosen_settings(data, database))
    failed = any(check.status == "fail" for check in found)
    if as_json:
        print_json({"ok": not failed, "checks": [asdict(check) for check in found]})
    else:
        width = max(len(check.name) for check in found)
        for check in found:
            print(f"{check.status.ljust(4)}  {check.name.ljust(width)}  {one_line(check.message)}")
            if check.hint:
                print(f"{'':{width + 6}}  {one_line(check.hint)}")
    if failed:
        raise typer.Exit(OURS)
