"""`tieline organizations`: the organization itself and its customers."""

from typing import Annotated, Any

import typer

from tieline.cli import options
from tieline.cli.paging import listed, show_list
from tieline.cli.printing import print_fields, print_json
from tieline.cli.running import in_organization
from tieline.cli.target import Nouns

group = typer.Typer(no_args_is_help=True, help="Organizations: this one and its customers.")


@in_organization(group, "list")
async def list_(
    nouns: Nouns, limit: options.Limit = 100, cursor: options.Cursor = None, as_json: options.AsJson = False
) -> None:
    """The organization and its customers."""

    def row(each: Any) -> tuple[object, ...]:
        return each.slug, each.name, each.parent, f"{each.created_at:%Y-%m-%d %H:%M}"

    found = await listed(nouns.organizations.list, limit=limit, cursor=cursor)
    show_list(found, ("SLUG", "NAME", "CUSTOMER OF", "CREATED"), row, as_json=as_json)


@in_organization(group)
async def put(
    nouns: Nouns,
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="Lower-case letters, digits, - and _.")],
    name: Annotated[str | None, typer.Option(help="As users read it.")] = None,
    return_url: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="Where browsers may come back to; once per address.")
    ] = None,
    embed_origin: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="Pages that may show the connect page; once per origin.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Make a customer, or change it; what is not given stays."""
    saved = await nouns.organizations.put(slug, name=name, return_urls=return_url, embed_origins=embed_origin)
    if as_json:
        print_json(saved.dump())
    else:
        print_fields(saved.dump())
