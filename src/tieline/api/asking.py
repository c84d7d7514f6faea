"""What every route asks for: the hub, and who acts. The one way in, for management routes and for streams."""

from typing import Annotated, Any

from fastapi import Depends, Path, Query, Security
from fastapi.security import HTTPBearer
from starlette.requests import HTTPConnection, Request

from tieline.actor import Actor
from tieline.hub import Hub

_ACTOR = "tieline.actor"
HUB = "tieline.hub"

_scheme = HTTPBearer(
    scheme_name="apiKey",
    description="An API key, `tl_...`. A platform's key acts for a customer with the header Tieline-Organization.",
    auto_error=False,
)


def hub_of(connection: HTTPConnection) -> Hub:
    hub: Hub = connection.scope[HUB]
    return hub


async def authenticate(connection: HTTPConnection) -> Actor:
    """Asked once for each request. Raises Unauthorized, and Forbidden for a foreign organization."""
    scope: Any = connection.scope
    if _ACTOR not in scope:
        scope[_ACTOR] = await hub_of(connection).api_keys.authenticate(connection.headers)
    actor: Actor = scope[_ACTOR]
    return actor


async def _hub(request: Request) -> Hub:
    return hub_of(request)


async def _actor(request: Request, _: Annotated[object, Security(_scheme)]) -> Actor:
    return await authenticate(request)


TheHub = Annotated[Hub, Depends(_hub)]
TheActor = Annotated[Actor, Depends(_actor)]
Limit = Annotated[int, Query(ge=1, le=200, description="How many at most: 1 to 200.")]
Cursor = Annotated[str | None, Query(max_length=200, description="`nextCursor` of the page before.")]
ProviderId = Annotated[str, Path(alias="providerId", description="The provider's id.", examples=["my-custom-api"])]
