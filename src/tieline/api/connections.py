"""Connections over HTTP, each by its id and by whose it is: the same routes under two addresses."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from tieline.api.asking import Cursor, Limit, TheActor, TheHub
from tieline.api.bodies import Body, StrictRoute
from tieline.api.connect import EndUserField
from tieline.api.described import answers, body
from tieline.api.examples import ACCOUNT, CONNECTION, NOW, page
from tieline.api.streaming import owner
from tieline.connections import Reference
from tieline.connections.types import CheckResult, Connection, EndUser, Explanation
from tieline.errors import (
    AmbiguousConnection,
    CheckFailed,
    InvalidInputs,
    NotConfigured,
    NotConnectable,
    NotConnected,
    NotFound,
    ProviderUnavailable,
    ReconnectRequired,
    Suspended,
)
from tieline.shapes import Page

router = APIRouter(tags=["connections"], route_class=StrictRoute)


class Import(Body):
    """An existing credential: the `inputs` of an auth method, or `credentials` with tokens."""

    provider: str
    end_user: EndUserField | None = None
    inputs: Mapping[str, object] | None = None
    credentials: Mapping[str, object] | None = None
    auth_method: str | None = None
    variant: str | None = None
    account_id: str | None = None
    label: str | None = None
    metadata: Mapping[str, object] | None = None
    check: bool = True


class Change(Body):
    """`metadata` is merged member by member; null removes one."""

    label: str | None = None
    metadata: Mapping[str, object] | None = None


async def _by_id(
    request: Request, connection: Annotated[str, Path(description="Its id.", examples=["conn_01k0example"])]
) -> None:
    request.state.reference = Reference(id=connection)


async def _by_owner(
    request: Request,
    end_user: Annotated[str, Path(alias="endUser", description="`-` is the organization itself.", examples=["ada"])],
    provider: Annotated[str, Path(description="The provider's id.", examples=["my-custom-api"])],
) -> None:
    # Taken as it came, so that a slash in a user's id stays in it.
    request.state.reference = owner({"endUser": end_user, "provider": provider}, None)


async def _reference(
    request: Request,
    account: Annotated[
        str | None, Query(description="`accountId`, where a user has several. An id needs none.")
    ] = None,
) -> Reference:
    return replace(request.state.reference, account=account)


TheReference = Annotated[Reference, Depends(_reference)]


_IMPORTING = (InvalidInputs, CheckFailed, NotConnectable, NotConfigured, ProviderUnavailable)


@router.get("/v1/connections", summary="List connections", responses=answers(page(CONNECTION)))
async def list_connections(
    hub: TheHub,
    actor: TheActor,
    end_user: Annotated[str | None, Query(alias="endUser", description="Empty: the organization's own.")] = None,
    provider: Annotated[str | None, Query(description="The provider's id.")] = None,
    status: Annotated[str | None, Query(description="active, error, reconnect or suspended.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Connection]:
    """Oldest first, without any credential."""
    return await hub.connections.list(
        actor, end_user=end_user, provider=provider, status=status, limit=limit, cursor=cursor
    )


@router.post(
    "/v1/connections",
    status_code=201,
    summary="Import a connection",
    openapi_extra=body({"provider": "my-custom-api", "endUser": "ada", "inputs": {"apiKey": "..."}}),
    responses={
        **answers(
            CONNECTION,
            NotFound,
            InvalidInputs,
            CheckFailed,
            NotConnectable,
            NotConfigured,
            ProviderUnavailable,
            status=201,
        ),
        200: {"description": "It existed, and was renewed.", "content": {"application/json": {"example": CONNECTION}}},
    },
)
async def upsert(hub: TheHub, actor: TheActor, wanted: Import, response: Response) -> Connection:
    """From an existing credential, checked at the provider first. The same user, provider and account is renewed."""
    given = wanted.given()
    if wanted.end_user is not None:
        given["end_user"] = EndUser(**dict(wanted.end_user))
    connection, new = await hub.connections.upsert(actor, **given)
    response.status_code = 201 if new else 200
    return connection


of_one = APIRouter(route_class=StrictRoute)
"""What can be done with one connection."""

_NOT_FOUND = (NotFound, NotConnected, AmbiguousConnection)

_EXPLANATION: dict[str, Any] = {
    "usable": True,
    "reasons": [],
    "account": ACCOUNT,
    "providerVersion": "1.0.0",
    "latestVersion": "1.0.0",
    "authMethod": "default",
    "baseUrl": "https://api.custom.example/v1",
    "origins": {"api": ["https://api.custom.example"]},
    "rateLimits": [],
    "placements": ["header X-Api-Key"],
}


@of_one.get("", summary="Read a connection", responses=answers(CONNECTION, *_NOT_FOUND))
async def get(hub: TheHub, actor: TheActor, reference: TheReference) -> Connection:
    """Its status, account and scopes; never its credential."""
    return await hub.connections.get(actor, reference)


@of_one.patch(
    "",
    summary="Label a connection",
    openapi_extra=body({"label": "Work", "metadata": {"team": "sales"}}),
    responses=answers({**CONNECTION, "label": "Work", "metadata": {"team": "sales"}}, *_NOT_FOUND),
)
async def update(hub: TheHub, actor: TheActor, reference: TheReference, wanted: Change) -> Connection:
    """Label and metadata; an empty label removes it."""
    return await hub.connections.update(actor, reference, **wanted.given())


@of_one.delete(
    "",
    status_code=204,
    summary="Delete a connection",
    responses=answers(None, *_NOT_FOUND, status=204),
)
async def delete(hub: TheHub, actor: TheActor, reference: TheReference) -> None:
    """Revokes at the provider where that can be done, then shreds the credential, whatever the provider says."""
    await hub.connections.delete(actor, reference)


@of_one.post(
    "/refresh",
    summary="Renew the credential now",
    responses=answers(CONNECTION, *_NOT_FOUND, ReconnectRequired, Suspended, NotConfigured, ProviderUnavailable),
)
async def refresh(hub: TheHub, actor: TheActor, reference: TheReference) -> Connection:
    """Whether or not it is due. Callers at once share one refresh."""
    return await hub.connections.refresh(actor, reference)


@of_one.post(
    "/check",
    summary="Prove that a connection works",
    responses=answers(
        {"ok": True, "account": ACCOUNT, "problem": None, "checkedAt": NOW},
        *_NOT_FOUND,
        ReconnectRequired,
        Suspended,
        ProviderUnavailable,
    ),
)
async def check(hub: TheHub, actor: TheActor, reference: TheReference) -> CheckResult:
    """Asks the provider whether the credential works and who it is."""
    return await hub.connections.check(actor, reference)


@of_one.post(
    "/suspend",
    summary="Suspend a connection",
    responses=answers({**CONNECTION, "status": "suspended", "usable": False}, *_NOT_FOUND),
)
async def suspend(hub: TheHub, actor: TheActor, reference: TheReference) -> Connection:
    """No traffic from now on, until it is resumed. The credential stays."""
    return await hub.connections.suspend(actor, reference)


@of_one.post("/resume", summary="Resume a connection", responses=answers(CONNECTION, *_NOT_FOUND))
async def resume(hub: TheHub, actor: TheActor, reference: TheReference) -> Connection:
    """Traffic again after a suspension."""
    return await hub.connections.resume(actor, reference)


@of_one.get(
    "/explain",
    summary="Explain a connection",
    responses=answers(_EXPLANATION, *_NOT_FOUND),
)
async def explain(hub: TheHub, actor: TheActor, reference: TheReference) -> Explanation:
    """Would a request work, as whom, under which version, to which hosts, and why not."""
    return await hub.connections.explain(actor, reference)


router.include_router(of_one, prefix="/v1/connections/{connection}", dependencies=[Depends(_by_id)])
router.include_router(
    of_one, prefix="/v1/end-users/{endUser}/connections/{provider}", dependencies=[Depends(_by_owner)]
)
