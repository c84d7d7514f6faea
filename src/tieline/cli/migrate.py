"""`tieline migrate`: bring the schema up to date, and say from what to what."""

import typer

from tieline.cli import options
from tieline.cli.printing import print_json
from tieline.cli.running import command
from tieline.cli.target import chosen_settings, require_data


def add_to(app: typer.Typer) -> None:
    command(app)(migrate)


async def migrate(
    data: options.Data = None, database: options.Database = None, as_json: options.AsJson = False
) -> None:
    """Bring the database's schema up to date, as `serve` does when it starts."""
    from tieline.storage.database import Database
    from tieline.storage.migrate import migrate as bring_up
    from tieline.storage.migrate import stored_revision

    settings = chosen_settings(data, database)
    require_data(settings)
    db = await Database.open(settings.database)
    try:
        before = await stored_revision(db)
        await bring_up(db)
        after = await stored_revision(db)
    finally:
        await db.close()
    if as_json:
        print_json({"from": before or None, "to": after})
    elif before == after:
        print(f"The schema is up to date: {after}.")
    else:
        print(f"The schema was {before or 'empty'} and is {after} now.")
