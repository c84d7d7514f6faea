"""`tieline providers`: the registry of provider documents, and what can be made from templates."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from tieline.cli import options
from tieline.cli.documents import pairs, read_document
from tieline.cli.failing import USAGE, say, show_fault
from tieline.cli.paging import Listed, listed, show_list
from tieline.cli.printing import print_fields, print_json
from tieline.cli.running import in_organization
from tieline.cli.target import Nouns
from tieline.errors import InvalidProvider

group = typer.Typer(no_args_is_help=True, help="Provider documents: find, register, publish, retire.")

_COLUMNS = ("ID", "NAME", "CATEGORY", "AUTH", "VERSION", "STATUS", "SOURCE")


def _row(provider: Any) -> tuple[object, ...]:
    kind = provider.auth_type
    return provider.id, provider.name, provider.category, kind, provider.version, provider.status, provider.source


@in_organization(group, "list")
async def list_(
    nouns: Nouns,
    search: Annotated[str | None, typer.Option(help="Words in name, id, category or description.")] = None,
    category: Annotated[str | None, typer.Option(help="Of this category only.")] = None,
    auth_type: Annotated[str | None, typer.Option(help="oauth2, api_key, basic, ...")] = None,
    status: Annotated[str | None, typer.Option(help="draft, beta, stable or deprecated.")] = None,
    custom: Annotated[bool | None, typer.Option("--custom/--builtin", help="Only those.")] = None,
    limit: options.Limit = 100,
    cursor: options.Cursor = None,
    as_json: options.AsJson = False,
) -> None:
    """What there is to connect."""
    filters = {"search": search, "category": category, "auth_type": auth_type, "status": status, "custom": custom}
    found = await listed(nouns.providers.list, limit=limit, cursor=cursor, **filters)
    show_list(found, _COLUMNS, _row, as_json=as_json)


@in_organization(group)
async def show(
    nouns: Nouns,
    provider: options.Provider,
    version: Annotated[str | None, typer.Option(help="Not the newest, but this version.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """One provider, with its auth methods."""
    found = await nouns.providers.get(provider, version=version)
    if as_json:
        print_json(found.dump())
        return
    print_fields({name: value for name, value in found.dump().items() if name not in ("document", "providerId")})


@in_organization(group)
async def add(nouns: Nouns, file: options.Document, as_json: options.AsJson = False) -> None:
    """Register a provider of your own from its document."""
    _show_saved(await nouns.providers.register(read_document(file)), "is registered", as_json=as_json)


@in_organization(group)
async def publish(
    nouns: Nouns, provider: options.Provider, file: options.Document, as_json: options.AsJson = False
) -> None:
    """Publish a new version; without one in the document, it is counted by what changed."""
    _show_saved(await nouns.providers.publish(provider, read_document(file)), "is published", as_json=as_json)


@in_organization(group)
async def edit(
    nouns: Nouns, provider: options.Provider, file: options.Document, as_json: options.AsJson = False
) -> None:
    """Change looks (name, logo, texts) by a JSON merge patch."""
    _show_saved(await nouns.providers.edit(provider, read_document(file)), "is published", as_json=as_json)


@in_organization(group)
async def validate(nouns: Nouns, file: options.Document, as_json: options.AsJson = False) -> None:
    """Every fault of a document at once; nothing is stored. Exit status 2 when there are errors."""
    try:
        faults = await nouns.providers.validate(read_document(file))
    except InvalidProvider as error:
        faults = error.errors
        if not faults:
            raise
    errors = sum(fault.severity == "error" for fault in faults)
    if as_json:
        names = ("path", "code", "message", "hint", "severity")
        print_json(
            {"valid": not errors, "errors": [{name: getattr(fault, name) for name in names} for fault in faults]}
        )
    else:
        say(f"{file}: {_counted(errors, 'fault')}, {_counted(len(faults) - errors, 'warning')}")
        for fault in faults:
            show_fault(fault)
    if errors:
        raise typer.Exit(USAGE)


@in_organization(group)
async def export(
    nouns: Nouns,
    provider: options.Provider,
    version: Annotated[str | None, typer.Option(help="Not the newest, but this version.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """The document as its author wrote it, in YAML."""
    document = (await nouns.providers.get(provider, version=version)).document
    if as_json:
        print_json(document)
        return
    import yaml

    print(yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True), end="")


@in_organization(group)
async def versions(nouns: Nouns, provider: options.Provider, as_json: options.AsJson = False) -> None:
    """All versions, newest first, each with what kind of change it was."""
    page = await nouns.providers.versions(provider)
    columns = ("VERSION", "CHANNEL", "CHANGE", "PUBLISHED", "SECURITY DIGEST")

    def row(each: Any) -> tuple[object, ...]:
        return each.version, each.channel, each.change, f"{each.published_at:%Y-%m-%d %H:%M}", each.security_digest[:12]

    show_list(Listed(page.items, page.next_cursor), columns, row, as_json=as_json)


@in_organization(group)
async def retire(
    nouns: Nouns,
    provider: options.Provider,
    force: Annotated[bool, typer.Option("--force", help="Also while connections use it: those keep working.")] = False,
) -> None:
    """Take it out of the catalogue."""
    await nouns.providers.retire(provider, force=force)
    say(f"{provider} is retired.")


@in_organization(group)
async def templates(
    nouns: Nouns, limit: options.Limit = 100, cursor: options.Cursor = None, as_json: options.AsJson = False
) -> None:
    """What a provider can be made from."""
    show_list(await listed(nouns.providers.templates, limit=limit, cursor=cursor), _COLUMNS, _row, as_json=as_json)


@in_organization(group)
async def instantiate(
    nouns: Nouns,
    template: Annotated[str, typer.Argument(metavar="TEMPLATE", help="The template's id.")],
    param: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A parameter of it.")] = None,
    name: Annotated[str | None, typer.Option(help="The new provider's name.")] = None,
    id: Annotated[str | None, typer.Option(help="Its id; without one it is made of the name.")] = None,  # noqa: A002
    changes: Annotated[str | None, typer.Option(metavar="FILE", help="A document that is merged over it.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Make a provider from a template."""
    over: Mapping[str, object] | None = None if changes is None else read_document(changes)
    params = pairs(param or (), option="--param")
    made = await nouns.providers.instantiate(template, params=params, name=name, id=id, changes=over)
    _show_saved(made, "is registered", as_json=as_json)


def _show_saved(provider: Any, done: str, *, as_json: bool) -> None:
    if as_json:
        print_json(provider.dump())
        return
    print_fields({"id": provider.id, "name": provider.name, "version": provider.version, "status": provider.status})
    say(f"{provider.id} {done}." + ("" if provider.connectable else " This version of Tieline cannot connect it yet."))


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")
