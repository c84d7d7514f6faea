"""`tieline keys`: the keys that seal what is stored, and how one takes over from another."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tieline.cli import options
from tieline.cli.failing import OURS, say
from tieline.cli.paging import Listed, show_list
from tieline.cli.running import command
from tieline.cli.target import chosen_settings, open_hub, require_data

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from tieline.hub import Hub

group = typer.Typer(no_args_is_help=True, help="The keys that seal: list, add, rotate, drop. In this process only.")


@command(group, "list")
async def list_(data: options.Data = None, database: options.Database = None, as_json: options.AsJson = False) -> None:
    """Which keys there are, what each is for, and how much is sealed with it; never the keys themselves."""
    async with _here(data, database) as hub:
        keys = await hub.keys.list()

    def row(key: Any) -> tuple[object, ...]:
        return key.id, key.state, key.values, key.here, f"{key.created_at:%Y-%m-%d}"

    show_list(Listed(keys, None), ("ID", "STATE", "SEALED", "IN THE RING", "SINCE"), row, as_json=as_json)


@command(group)
async def add(data: options.Data = None, database: options.Database = None) -> None:
    """Make a new key in the key file, which opens and does not seal yet. Running servers know it within two seconds."""
    async with _here(data, database) as hub:
        made = await hub.keys.add()
    say(f"{made} is in the key file. Make a copy of that; then run: tieline keys rotate")


@command(group)
async def rotate(data: options.Data = None, database: options.Database = None) -> None:
    """Let the newest key seal, and seal everything anew with it, while servers run. If it stops, run it again."""
    async with _here(data, database) as hub:
        done = await hub.keys.rotate()
        sealing = hub.vault.ring.primary
    say(f"{done.values} values were sealed anew; {sealing} seals now.")
    if done.broken:
        say(f"{done.broken} values do not open, and stayed as they are: see `tieline audit show --action seal.broken`.")
        raise typer.Exit(OURS)


@command(group)
async def drop(
    key: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `list` shows it.")],
    data: options.Data = None,
    database: options.Database = None,
) -> None:
    """Let a key go. Refused while it seals, or anything is sealed with it."""
    async with _here(data, database) as hub:
        await hub.keys.drop(key)
    say(f"{key} is dropped: no process needs it any more. Backups from before the rotation still do.")


def _here(data: str | None, database: str | None) -> "AbstractAsyncContextManager[Hub]":
    settings = chosen_settings(data, database)
    require_data(settings)
    return open_hub(settings)
