"""API keys over HTTP. A key is shown once, when it is made."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import AwareDatetime

from tieline.api.asking import Cursor, Limit, TheActor, TheHub
from tieline.api.bodies import Body, StrictRoute
from tieline.api.described import answers, body
from tieline.api.examples import NOW, page
from tieline.errors import NotFound
from tieline.organizations import ApiKey, Restrictions
from tieline.shapes import Page

router = APIRouter(tags=["api-keys"], route_class=StrictRoute)


class RestrictionsBody(Body):
    """What the key is narrowed to. `path` is a prefix of proxied paths."""

    end_user: str | None = None
    provider: str | None = None
    connection: str | None = None
    methods: tuple[str, ...] | None = None
    path: str | None = None


class NewKey(Body):
    """Without `scopes` it may do what its maker may, except to read credentials and to administer."""

    name: str
    scopes: tuple[str, ...] | None = None
    restrictions: RestrictionsBody | None = None
    expires_at: AwareDatetime | None = None


class CreatedKey(ApiKey):
    """The one time that the key is shown."""

    key: str


_KEY: dict[str, Any] = {
    "id": "key_01k0example",
    "name": "backend",
    "hint": "x7Yz",
    "organization": "default",
    "scopes": ["connect", "proxy"],
    "restrictions": {"endUser": None, "provider": None, "connection": None, "methods": None, "path": None},
    "createdAt": NOW,
    "createdBy": "init",
    "expiresAt": None,
    "lastUsedAt": None,
    "revokedAt": None,
}


@router.get("/v1/api-keys", summary="List API keys", responses=answers(page(_KEY)))
async def list_keys(hub: TheHub, actor: TheActor, limit: Limit = 50, cursor: Cursor = None) -> Page[ApiKey]:
    """Newest first, revoked ones too; never the keys themselves."""
    return await hub.api_keys.list(actor, limit=limit, cursor=cursor)


@router.post(
    "/v1/api-keys",
    status_code=201,
    summary="Make an API key",
    openapi_extra=body({"name": "backend", "scopes": ["proxy"], "restrictions": {"connection": "conn_01k0example"}}),
    responses=answers({**_KEY, "key": "tl_..."}, status=201),
)
async def create(hub: TheHub, actor: TheActor, wanted: NewKey) -> CreatedKey:
    """A key may do no more than the one that makes it. With restrictions it is bound, and can do less."""
    narrowed = None if wanted.restrictions is None else Restrictions(**dict(wanted.restrictions))
    expires_at: datetime | None = wanted.expires_at
    new = await hub.api_keys.create(
        actor, wanted.name, scopes=wanted.scopes, restrictions=narrowed, expires_at=expires_at
    )
    return CreatedKey(**dict(new.api_key), key=new.key.reveal())


@router.delete(
    "/v1/api-keys/{keyId}", summary="Revoke an API key", responses=answers({**_KEY, "revokedAt": NOW}, NotFound)
)
async def revoke(
    hub: TheHub,
    actor: TheActor,
    key: Annotated[str, Path(alias="keyId", description="The key's id.", examples=["key_01k0example"])],
) -> ApiKey:
    """From the next request on, the key is refused."""
    return await hub.api_keys.revoke(actor, key)
