"""`tieline connections`: what users have connected. No command shows a credential."""

import json
import sys
from collections.abc import Mapping
from typing import Annotated, Any, cast

import typer

from tieline.cli import options
from tieline.cli.documents import read_text
from tieline.cli.failing import PROVIDER, exit_status, say, show_error
from tieline.cli.paging import listed, show_list
from tieline.cli.printing import print_fields, print_json
from tieline.cli.references import read_reference
from tieline.cli.running import in_organization
from tieline.cli.target import Nouns
from tieline.errors import InvalidRequest, TielineError

group = typer.Typer(no_args_is_help=True, help="Connections: list, check, refresh, suspend, import, delete.")

_IMPORTED = {
    "provider": "provider",
    "endUser": "end_user",
    "inputs": "inputs",
    "credentials": "credentials",
    "authMethod": "auth_method",
    "variant": "variant",
    "accountId": "account_id",
    "label": "label",
    "metadata": "metadata",
    "check": "check",
}
"""The members of `POST /v1/connections`, by the names that the nouns have for them."""


@in_organization(group, "list")
async def list_(
    nouns: Nouns,
    user: Annotated[str | None, typer.Option(help="Of this end user only; - for shared ones.")] = None,
    provider: Annotated[str | None, typer.Option(help="At this provider only.")] = None,
    status: Annotated[str | None, typer.Option(help="active, error, reconnect or suspended.")] = None,
    limit: options.Limit = 100,
    cursor: options.Cursor = None,
    as_json: options.AsJson = False,
) -> None:
    """What is connected, oldest first."""

    def row(each: Any) -> tuple[object, ...]:
        account = each.label or each.account.label or each.account_id
        used = "never" if each.last_used_at is None else f"{each.last_used_at:%Y-%m-%d %H:%M}"
        return each.id, each.provider, each.end_user, account, each.attention or each.status, used

    filters = {"end_user": "" if user == "-" else user, "provider": provider, "status": status}
    found = await listed(nouns.connections.list, limit=limit, cursor=cursor, **filters)
    show_list(found, ("ID", "PROVIDER", "USER", "ACCOUNT", "STATUS", "USED"), row, as_json=as_json)


@in_organization(group)
async def show(
    nouns: Nouns, connection: options.Connection, account: options.Account = None, as_json: options.AsJson = False
) -> None:
    """One connection."""
    show_connection(await nouns.connections.get(read_reference(connection, account)), as_json=as_json)


@in_organization(group)
async def check(
    nouns: Nouns, connection: options.Connection, account: options.Account = None, as_json: options.AsJson = False
) -> None:
    """Ask the provider whether the credential works, and who it is; exit status 6 when it does not."""
    result = await nouns.connections.check(read_reference(connection, account))
    show_connection(result, as_json=as_json)
    if not result.ok:
        raise typer.Exit(PROVIDER)


@in_organization(group)
async def refresh(
    nouns: Nouns, connection: options.Connection, account: options.Account = None, as_json: options.AsJson = False
) -> None:
    """Renew the credential now."""
    show_connection(await nouns.connections.refresh(read_reference(connection, account)), as_json=as_json)


@in_organization(group)
async def suspend(
    nouns: Nouns, connection: options.Connection, account: options.Account = None, as_json: options.AsJson = False
) -> None:
    """No traffic from now on, until `resume`."""
    show_connection(await nouns.connections.suspend(read_reference(connection, account)), as_json=as_json)


@in_organization(group)
async def resume(
    nouns: Nouns, connection: options.Connection, account: options.Account = None, as_json: options.AsJson = False
) -> None:
    """Let traffic through again."""
    show_connection(await nouns.connections.resume(read_reference(connection, account)), as_json=as_json)


@in_organization(group)
async def explain(
    nouns: Nouns, connection: options.Connection, account: options.Account = None, as_json: options.AsJson = False
) -> None:
    """Would a request work, as whom, under which version, and why not."""
    show_connection(await nouns.connections.explain(read_reference(connection, account)), as_json=as_json)


@in_organization(group)
async def delete(
    nouns: Nouns, connection: options.Connection, account: options.Account = None, yes: options.Yes = False
) -> None:
    """Revoke at the provider where that can be done, and forget the credential."""
    reference = read_reference(connection, account)
    if not yes:
        found = await nouns.connections.get(reference)
        if not sys.stdin.isatty():
            raise InvalidRequest("Deleting without being asked needs --yes.")
        typer.confirm(f"Delete {found.id}, {found.end_user or 'shared'} at {found.provider}?", abort=True, err=True)
    await nouns.connections.delete(reference)
    say(f"{connection} is deleted.")


@in_organization(group, "import")
async def import_(nouns: Nouns, file: options.Document, as_json: options.AsJson = False) -> None:
    """Import credentials you have: what POST /v1/connections takes, one or a list, in JSON. Each is checked first.

    All are tried; the exit status is that of the first that failed.
    """
    made: list[Any] = []
    failed: TielineError | None = None
    for number, given in enumerate(_bodies(file)):
        try:
            made.append(await nouns.connections.create(**_arguments(given)))
        except TielineError as error:
            failed = failed or error
            say(f"number {number}:")
            show_error(error)
    if as_json:
        print_json({"items": [connection.dump() for connection in made]})
    else:
        for connection in made:
            print(f"{connection.id}  {connection.end_user or '-'}  {connection.provider}  {connection.status}")
    if failed is not None:
        raise typer.Exit(exit_status(failed))


def show_connection(value: Any, *, as_json: bool) -> None:
    """A connection, or what a check or an explanation says of one."""
    if as_json:
        print_json(value.dump())
    else:
        print_fields(value.dump())


def _bodies(file: str) -> list[Mapping[str, object]]:
    try:
        content: object = json.loads(read_text(file))
    except ValueError as error:
        raise InvalidRequest(f"{file} is not JSON: {error}") from error
    items = cast("list[object]", content) if isinstance(content, list) else [content]
    if not all(isinstance(item, dict) for item in items):
        raise InvalidRequest(f"{file} must hold an object, or a list of them.")
    return cast("list[Mapping[str, object]]", items)


def _arguments(given: Mapping[str, object]) -> dict[str, object]:
    if unknown := sorted(set(given) - set(_IMPORTED)):
        raise InvalidRequest(f"An import has no {', '.join(unknown)}. Known: {', '.join(_IMPORTED)}.")
    if "provider" not in given:
        raise InvalidRequest("An import names its `provider`.")
    arguments = {_IMPORTED[name]: value for name, value in given.items()}
    if isinstance(arguments.get("end_user"), dict):
        from tieline.connections import EndUser

        arguments["end_user"] = EndUser.model_validate(arguments["end_user"])
    return arguments
