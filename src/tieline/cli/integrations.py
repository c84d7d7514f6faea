"""`tieline integrations`: an organization's registration at providers. Secrets are asked for, never arguments."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from tieline.cli import options
from tieline.cli.documents import pairs
from tieline.cli.failing import say
from tieline.cli.paging import Listed, show_list
from tieline.cli.printing import print_fields, print_json
from tieline.cli.running import in_organization
from tieline.cli.target import Nouns
from tieline.errors import InvalidRequest
from tieline.secret import Secret

group = typer.Typer(no_args_is_help=True, help="Registrations at providers: clients, scopes, admin inputs.")

SECRET_VARIABLE = "TIELINE_CLIENT_SECRET"  # noqa: S105  # the variable's name


@in_organization(group, "list")
async def list_(nouns: Nouns, as_json: options.AsJson = False) -> None:
    """Those that are set, the organization's own and the inherited ones."""

    def row(each: Any) -> tuple[object, ...]:
        return each.provider, each.configured, each.enabled, each.source, each.client_id

    page = await nouns.integrations.list()
    columns = ("PROVIDER", "CONFIGURED", "ENABLED", "SOURCE", "CLIENT ID")
    show_list(Listed(page.items, page.next_cursor), columns, row, as_json=as_json)


@in_organization(group)
async def show(nouns: Nouns, provider: options.Provider, as_json: options.AsJson = False) -> None:
    """One, also before it is set: `redirectUri` is to be entered at the provider."""
    _show(await nouns.integrations.get(provider), as_json=as_json)


@in_organization(group, "set")
async def set_(
    nouns: Nouns,
    provider: options.Provider,
    client_id: Annotated[str | None, typer.Option(help="From the provider. Its secret is asked for.")] = None,
    client_secret_stdin: Annotated[
        bool, typer.Option("--client-secret-stdin", help="Read the secret from standard input.")
    ] = False,
    client_secret_file: Annotated[Path | None, typer.Option(help="Read the secret from a file.")] = None,
    client: Annotated[
        str | None, typer.Option(metavar="METHOD[/VARIANT]", help="Which client, where one is not enough.")
    ] = None,
    scope: Annotated[list[str] | None, typer.Option(help="What to ask users for; once per scope.")] = None,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable", help="Whether users can connect.")] = None,
    input_: Annotated[
        list[str] | None, typer.Option("--input", metavar="NAME=VALUE", help="An admin input that is no secret.")
    ] = None,
    secret_input: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="An admin input to ask for without showing it.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Set the client and what else the provider needs of an admin; what is not given stays."""
    from tieline.integrations import ClientSettings

    secret = _client_secret(client_id, from_stdin=client_secret_stdin, file=client_secret_file)
    inputs: dict[str, object] = dict(pairs(input_ or (), option="--input"))
    for name in secret_input or ():
        inputs[name] = typer.prompt(name, hide_input=True)
    given: dict[str, Any] = {"scopes": scope, "enabled": enabled, "admin_inputs": inputs or None}
    if client is None:
        given |= {"client_id": client_id, "client_secret": secret}
    else:
        given["clients"] = {client: ClientSettings(client_id, secret)}
    saved = await nouns.integrations.put(
        provider, **{name: value for name, value in given.items() if value is not None}
    )
    _show(saved, as_json=as_json)


@in_organization(group)
async def delete(nouns: Nouns, provider: options.Provider) -> None:
    """Remove the organization's own, with its secrets; an inherited one then applies."""
    await nouns.integrations.delete(provider)
    say(f"The integration for {provider} is removed.")


def _client_secret(client_id: str | None, *, from_stdin: bool, file: Path | None) -> Secret | None:
    """Never an argument: every user of the machine can see those."""
    if from_stdin and file is not None:
        raise InvalidRequest("Give --client-secret-stdin or --client-secret-file, not both.")
    if from_stdin:
        text = sys.stdin.read().strip()
    elif file is not None:
        text = file.expanduser().read_text().strip()
    elif SECRET_VARIABLE in os.environ:
        text = os.environ[SECRET_VARIABLE]
    elif client_id is not None and sys.stdin.isatty():
        text = str(typer.prompt("Client secret (empty for none)", default="", hide_input=True, show_default=False))
    else:
        return None
    return Secret(text) if text else None


def _show(integration: Any, *, as_json: bool) -> None:
    if as_json:
        print_json(integration.dump())
        return
    print_fields({name: value for name, value in integration.dump().items() if name != "fields"})
