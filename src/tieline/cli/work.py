"""`tieline worker`: the background parts in a process of their own."""

import typer

from tieline.cli import options
from tieline.cli.failing import say
from tieline.cli.running import command
from tieline.cli.target import chosen_settings, open_hub, require_data


def add_to(app: typer.Typer) -> None:
    command(app, "worker")(worker)


async def worker(data: options.Data = None, database: options.Database = None) -> None:
    """Run what is due in the background, without HTTP, until SIGTERM."""
    from tieline.worker import until_told

    settings = chosen_settings(data, database)
    require_data(settings)
    async with until_told() as told, open_hub(settings, log_level=settings.log_level):
        say("The worker runs. Control-C ends it.")
        await told.wait()
    say("The worker has ended.")
