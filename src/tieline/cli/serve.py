"""`tieline serve`: HTTP, pages and background work in one process. On an empty folder it does `init` by itself."""

from typing import TYPE_CHECKING, Annotated

import typer

from tieline.cli import options
from tieline.cli.failing import say
from tieline.cli.init import first_key
from tieline.cli.running import command
from tieline.cli.target import chosen_settings, open_hub

if TYPE_CHECKING:
    from tieline.secret import Secret
    from tieline.settings import Settings


def add_to(app: typer.Typer) -> None:
    command(app)(serve)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; TIELINE_HOST.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="TIELINE_PORT; 0 takes a free one.")] = None,
    data: options.Data = None,
    database: options.Database = None,
) -> None:
    """Run the server, with its pages and its background work, until SIGTERM."""
    import asyncio

    from tieline.api.serving import new_event_loop

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_serve(host, port, data, database))


async def _serve(host: str | None, port: int | None, data: str | None, database: str | None) -> None:
    from tieline.api.serving import served
    from tieline.worker import until_told

    if port == 0:
        port = await _free_port(host)
    settings = chosen_settings(data, database, host=host, port=None if port is None else str(port))
    async with (
        until_told() as told,
        open_hub(settings, log_level=settings.log_level) as hub,
        served(hub) as url,
    ):
        # Made only now: on a port that is taken, it would have been made and never shown.
        _welcome(settings, url, await first_key(hub))
        await told.wait()
        say("Ending: what is under way is finished first.")


def _welcome(settings: "Settings", url: str, key: "Secret | None") -> None:
    where = "its database server" if settings.database_url else f"{settings.data_folder}"
    print(f"Tieline is at {url}, with its data in {where}. Control-C ends it.", flush=True)
    if key is None:
        return
    print(f"\nThis is the first API key. Keep it, it is not shown again:\n\n  export KEY={key.reveal()}\n")
    print("What to do next:\n")
    print(f'  curl -sS {url}/v1/providers -H "Authorization: Bearer $KEY"')
    print(f"  {url}/docs shows the whole API")
    print(f"  TIELINE_URL={url} TIELINE_API_KEY=$KEY tieline connect PROVIDER --user ada\n", flush=True)


async def _free_port(host: str | None) -> int:
    """Asked for first, since the port is part of the public address."""
    import asyncio

    server = await asyncio.start_server(lambda reader, writer: writer.close(), host or "127.0.0.1", 0)
    async with server:
        return server.sockets[0].getsockname()[1]
