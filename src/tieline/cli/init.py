"""`tieline init`: a data folder with its key file, the organization `default`, and a first API key, shown once."""

from typing import TYPE_CHECKING

import typer

from tieline.cli import options
from tieline.cli.failing import say
from tieline.cli.printing import print_json
from tieline.cli.running import command
from tieline.cli.target import DEFAULT, chosen_settings, open_hub

if TYPE_CHECKING:
    from tieline.hub import Hub
    from tieline.secret import Secret


def add_to(app: typer.Typer) -> None:
    command(app)(init)


async def init(data: options.Data = None, database: options.Database = None, as_json: options.AsJson = False) -> None:
    """Make the database, its key file and a first API key. Does nothing where they are."""
    settings = chosen_settings(data, database)
    async with open_hub(settings) as hub:
        key = await first_key(hub)
    where = "The database" if settings.database_url else str(settings.data_folder)
    if as_json:
        shown = None if key is None else key.reveal()
        print_json({"data": settings.data, "organization": DEFAULT, "apiKey": shown})
    elif key is not None:
        print(key.reveal())
    if key is None:
        say(f"{where} is initialised already. `tieline api-keys create NAME` makes another API key.")
    elif not as_json:
        say(f"{where} is ready. This is the first API key: keep it, it is not shown again.")


async def first_key(hub: "Hub") -> "Secret | None":
    """The owner's key of a fresh install; None where there are keys already."""
    made = await hub.create_first_key()
    return None if made is None else made.key
