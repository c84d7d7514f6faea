"""Organizations over HTTP: a platform and its customers."""

from typing import Annotated, Any

from fastapi import APIRouter, Path

from tieline.api.asking import Cursor, Limit, TheActor, TheHub
from tieline.api.bodies import Body, StrictRoute
from tieline.api.described import answers, body
from tieline.api.examples import NOW, page
from tieline.errors import NotFound
from tieline.organizations import Organization
from tieline.shapes import Page

router = APIRouter(tags=["organizations"], route_class=StrictRoute)


class OrganizationBody(Body):
    """What is left out stays as it is. Where there are `returnUrls`, a connect session returns to no other."""

    name: str | None = None
    return_urls: tuple[str, ...] | None = None
    embed_origins: tuple[str, ...] | None = None


Slug = Annotated[str, Path(description="The organization's name in addresses.", examples=["acme"])]

_ORGANIZATION: dict[str, Any] = {
    "id": "org_01k0example",
    "slug": "acme",
    "name": "Acme",
    "parent": "default",
    "returnUrls": [],
    "embedOrigins": [],
    "createdAt": NOW,
}


@router.get("/v1/organizations", summary="List organizations", responses=answers(page(_ORGANIZATION)))
async def list_organizations(
    hub: TheHub, actor: TheActor, limit: Limit = 50, cursor: Cursor = None
) -> Page[Organization]:
    """The key's own organization and its customers, oldest first."""
    return await hub.organizations.list(actor, limit=limit, cursor=cursor)


@router.get("/v1/organizations/{slug}", summary="Read an organization", responses=answers(_ORGANIZATION, NotFound))
async def get(hub: TheHub, actor: TheActor, slug: Slug) -> Organization:
    """The key's own organization, or a customer of it."""
    return await hub.organizations.get(actor, slug)


@router.put(
    "/v1/organizations/{slug}",
    summary="Make or change an organization",
    openapi_extra=body({"name": "Acme", "returnUrls": ["https://app.example/connected"]}),
    responses=answers(_ORGANIZATION),
)
async def put(hub: TheHub, actor: TheActor, slug: Slug, wanted: OrganizationBody) -> Organization:
    """Get or create: a platform names its customers as it meets them, and acts for one with Tieline-Organization."""
    return await hub.organizations.put(actor, slug, **wanted.given())
