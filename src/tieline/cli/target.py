"""Where a command works: on the settings' database in this process, or over HTTP. The nouns are the same."""

import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tieline.errors import InvalidRequest, Misconfigured, StorageUnavailable, TielineError

if TYPE_CHECKING:
    from tieline.hub import Hub
    from tieline.settings import Settings

DEFAULT = "default"
URL, API_KEY = "TIELINE_URL", "TIELINE_API_KEY"
"""The variables that make commands work over HTTP; the key may stand in a file, too."""


class Nouns:
    """`nouns.connections.list(...)` and so on: what `hub.organization(slug)` gives, and `tieline.client` over HTTP.

    `hub` is there when it works in this process.
    """

    def __init__(self, organization: object, *, hub: "Hub | None" = None) -> None:
        self._organization = organization
        self.hub = hub

    def __getattr__(self, noun: str) -> Any:
        return getattr(self._organization, noun)


@dataclass(frozen=True)
class Target:
    """The options as they were given; the environment fills in what is None."""

    organization: str | None = None
    url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    data: str | None = None
    database: str | None = None


@asynccontextmanager
async def opened(target: Target, environment: Mapping[str, str] = os.environ) -> AsyncGenerator[Nouns]:
    """Raises InvalidRequest, and Misconfigured where there is no data: only `init`, `serve` and `demo` make some."""
    url = target.url or (None if target.data or target.database else environment.get(URL))
    if url is not None:
        key = target.api_key or _variable(environment, API_KEY)
        async with _over_http(url, key, target.organization) as nouns:
            yield nouns
        return
    if target.api_key is not None:
        raise InvalidRequest("An API key needs an address: give --url, or set TIELINE_URL.")
    settings = chosen_settings(target.data, target.database)
    require_data(settings)
    async with _in_process(settings, target.organization) as nouns:
        yield nouns


def chosen_settings(
    data: str | None = None, database: str | None = None, *, host: str | None = None, port: str | None = None
) -> "Settings":
    from tieline.settings import load_settings

    # A folder that was named is meant, whatever database the environment names.
    database = "" if data and database is None else database
    return load_settings(data=data, database_url=database, host=host, port=port)


def require_data(settings: "Settings") -> None:
    """Raises Misconfigured for a data folder without a database: nobody wants a new one for asking."""
    if settings.database_url or (settings.data_folder / "tieline.db").exists():
        return
    folder: Path = settings.data_folder
    raise Misconfigured(
        f"There is no data in {folder}. Run `tieline init`, name another folder with --data, "
        "or set TIELINE_URL and TIELINE_API_KEY to work over HTTP."
    )


@asynccontextmanager
async def open_hub(settings: "Settings", *, log_level: str = "warning") -> "AsyncGenerator[Hub]":
    """Raises Misconfigured, and StorageUnavailable that says which database it is."""
    from tieline.cli.logs import log_to_stderr
    from tieline.hub import Hub

    log_to_stderr(log_level)
    async with AsyncExitStack() as stack:
        try:
            hub = await stack.enter_async_context(Hub.open(settings=settings))
        except StorageUnavailable as error:
            where = "the database server" if settings.database_url else str(settings.data_folder / "tieline.db")
            raise StorageUnavailable(
                f"Tieline cannot open {where}. Is it running, reachable, and not held by another program?"
            ) from error
        yield hub


@asynccontextmanager
async def _in_process(settings: "Settings", organization: str | None) -> AsyncGenerator[Nouns]:
    async with open_hub(settings) as hub:
        yield Nouns(hub.organization(organization or DEFAULT), hub=hub)


@asynccontextmanager
async def _over_http(url: str, key: str | None, organization: str | None) -> AsyncGenerator[Nouns]:
    if key is None:
        raise InvalidRequest("Working over HTTP needs an API key: set TIELINE_API_KEY.")
    import httpx2

    from tieline.client import AsyncClient

    try:
        async with AsyncClient(url, key) as client:
            yield Nouns(client if organization is None else client.organization(organization))
    except httpx2.TransportError as error:
        raise TielineError(f"{url} cannot be reached. Is Tieline running there?") from error


def _variable(environment: Mapping[str, str], name: str) -> str | None:
    if name in environment:
        return environment[name]
    return Path(environment[f"{name}_FILE"]).read_text().strip() if f"{name}_FILE" in environment else None
