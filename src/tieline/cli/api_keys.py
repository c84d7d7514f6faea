"""`tieline api-keys`: who may call. A key is shown once, when it is made."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from tieline.actor import PERMISSIONS
from tieline.cli import options
from tieline.cli.failing import say
from tieline.cli.paging import listed, show_list
from tieline.cli.printing import print_json
from tieline.cli.running import in_organization
from tieline.cli.target import Nouns

group = typer.Typer(no_args_is_help=True, help="API keys: list, create, revoke.")


@in_organization(group, "list")
async def list_(
    nouns: Nouns, limit: options.Limit = 100, cursor: options.Cursor = None, as_json: options.AsJson = False
) -> None:
    """The organization's keys, newest first; never the keys themselves."""

    def row(key: Any) -> tuple[object, ...]:
        used = "never" if key.last_used_at is None else f"{key.last_used_at:%Y-%m-%d %H:%M}"
        return key.id, key.name, f"...{key.hint}", _state(key), used, key.scopes

    found = await listed(nouns.api_keys.list, limit=limit, cursor=cursor)
    show_list(found, ("ID", "NAME", "KEY", "STATE", "USED", "SCOPES"), row, as_json=as_json)


@in_organization(group)
async def create(
    nouns: Nouns,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help="What it may do, once per scope; `all` for everything. Unless asked: no credentials."),
    ] = None,
    user: Annotated[str | None, typer.Option(help="Only this end user's connections.")] = None,
    provider: Annotated[str | None, typer.Option(help="Only this provider.")] = None,
    connection: Annotated[
        str | None, typer.Option(help="Only this connection; then SDKs can use it at /proxy.")
    ] = None,
    method: Annotated[list[str] | None, typer.Option(help="Only calls by this HTTP method; once per method.")] = None,
    path: Annotated[str | None, typer.Option(help="Only calls of paths that begin so.")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="It ends after so many days.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Make a key, and show it once."""
    from tieline.organizations.types import Restrictions

    methods = None if method is None else tuple(each.upper() for each in method)
    narrowed = Restrictions(end_user=user, provider=provider, connection=connection, methods=methods, path=path)
    scopes = list(PERMISSIONS) if scope == ["all"] else scope
    until = None if days is None else datetime.now(UTC) + timedelta(days=days)
    made = await nouns.api_keys.create(name, scopes=scopes, restrictions=narrowed, expires_at=until)
    if as_json:
        print_json({**made.api_key.dump(), "key": made.key.reveal()})
        return
    print(made.key.reveal())
    say(f"{made.api_key.id}: keep the key now, it is not shown again.")


@in_organization(group)
async def revoke(
    nouns: Nouns, key: Annotated[str, typer.Argument(metavar="ID", help="The key's id, key_...; not the key.")]
) -> None:
    """Refuse a key from its next request on."""
    revoked = await nouns.api_keys.revoke(key)
    say(f"{revoked.id} is revoked.")


def _state(key: Any) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= datetime.now(UTC) else "live"
