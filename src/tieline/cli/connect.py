"""`tieline connect`: a user connects, in the browser, or by typing a key here. The command line is its own backend."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tieline.cli import options
from tieline.cli.browsing import open_browser
from tieline.cli.connections import show_connection
from tieline.cli.documents import pairs
from tieline.cli.failing import OURS, PROVIDER, say
from tieline.cli.printing import one_line
from tieline.cli.running import in_organization
from tieline.cli.target import Nouns
from tieline.cli.typed import is_typed, type_inputs
from tieline.errors import Misconfigured

if TYPE_CHECKING:
    import asyncio

_WAIT_SECONDS = 30


def add_to(app: typer.Typer) -> None:
    in_organization(app)(connect)


async def connect(
    nouns: Nouns,
    provider: options.Provider,
    user: Annotated[str | None, typer.Option(help="For whom; without it, for the organization itself.")] = None,
    method: Annotated[str | None, typer.Option(help="Which auth method, where the provider has several.")] = None,
    variant: Annotated[str | None, typer.Option(help="Which variant of the provider.")] = None,
    scope: Annotated[list[str] | None, typer.Option(help="What to ask for, once per scope.")] = None,
    renew: Annotated[str | None, typer.Option("--connection", help="Renew this connection (conn_...).")] = None,
    input_: Annotated[
        list[str] | None,
        typer.Option("--input", metavar="NAME=VALUE", help="An input that is no secret; others are asked for."),
    ] = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open a browser, or print the address.")
    ] = True,
    elsewhere: Annotated[
        bool, typer.Option("--elsewhere", help="The browser is on another machine: the user confirms there.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Connect an account at a provider, and show the connection."""
    given = pairs(input_ or (), option="--input")
    found = await nouns.providers.get(provider)
    if is_typed(found, method):
        made = await type_inputs(nouns, found, given, user=user, method=method, variant=variant)
        show_connection(made, as_json=as_json)
        return
    wanted = {
        "provider": provider,
        "end_user": user,
        "auth_method": method,
        "variant": variant,
        "scopes": scope,
        "connection": renew,
        "inputs": given or None,
    }
    async with _pages(nouns):
        connection = await (_confirmed if elsewhere else _returned)(nouns, wanted, user, browser)
    show_connection(connection, as_json=as_json)


async def _returned(nouns: Nouns, wanted: dict[str, Any], user: str | None, browser: bool) -> Any:
    """The browser comes back here, with the nonce that completes the session for the same user."""
    from tieline.cli.loopback import loopback

    async with loopback() as page:
        new = await nouns.connect.start(**wanted, return_to=page.url)
        _visit(new.url.reveal(), browser=browser)
        nonce = await _nonce(nouns, new.session.id, page.nonce)
        if nonce is None:
            return await _ended(nouns, new.session.id)
        done = await nouns.connect.complete(nonce=nonce, end_user=user)
    if done.connection is None:
        say(f"error: {done.result}" + (f": {one_line(done.problem.detail)}" if done.problem else ""))
        raise typer.Exit(PROVIDER if done.problem else OURS)
    return done.connection


async def _confirmed(nouns: Nouns, wanted: dict[str, Any], user: str | None, browser: bool) -> Any:
    """The user says on a page of the service that it is really for him; here is nothing to do but wait."""
    new = await nouns.connect.start(**wanted)
    _visit(new.url.reveal(), browser=False)
    return await _ended(nouns, new.session.id)


async def _nonce(nouns: Nouns, session: str, nonce: "asyncio.Future[str]") -> str | None:
    """None when the session ended in another way: it was cancelled, or ran out."""
    import asyncio

    ended = asyncio.ensure_future(_wait_for_end(nouns, session))
    await asyncio.wait({nonce, ended}, return_when=asyncio.FIRST_COMPLETED)
    if nonce.done():
        ended.cancel()
        return nonce.result()
    await ended
    return None


async def _wait_for_end(nouns: Nouns, session: str) -> Any:
    while True:
        seen = await nouns.connect.get(session, wait=_WAIT_SECONDS)
        if seen.status in ("completed", "failed", "expired"):
            return seen


async def _ended(nouns: Nouns, session: str) -> Any:
    seen = await _wait_for_end(nouns, session)
    if seen.connection is None:
        say(f"error: The session has {seen.status}" + (f": {one_line(seen.reason)}" if seen.reason else ""))
        raise typer.Exit(OURS if seen.status == "expired" else PROVIDER)
    return seen.connection


def _visit(url: str, *, browser: bool) -> None:
    if browser and open_browser(url):
        say("Go on in the browser that opened; or open this address:")
    else:
        say("Open this address in a browser:")
    say(url)


@asynccontextmanager
async def _pages(nouns: Nouns) -> AsyncGenerator[None]:
    """The connect pages: of the service over HTTP; served here for the time being when it works in this process."""
    if nouns.hub is None:
        yield
        return
    from tieline.api.serving import served

    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(served(nouns.hub))
        except Misconfigured:
            # On this port, with this data: most likely a `tieline serve` in another terminal.
            if not await _is_served(nouns.hub.settings.url):
                raise
        yield


async def _is_served(url: str) -> bool:
    import httpx2

    try:
        async with httpx2.AsyncClient(timeout=5, trust_env=False) as http:
            return (await http.get(f"{url}/readyz")).status_code == 200
    except httpx2.TransportError:
        return False
