"""The application's side of the connect flow over HTTP: start, ask, cancel, complete."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BeforeValidator

from tieline.api.asking import TheActor, TheHub
from tieline.api.bodies import Body, StrictRoute
from tieline.api.described import answers, body
from tieline.api.examples import CONNECTION, SESSION
from tieline.connections.types import Completion, ConnectSession
from tieline.errors import (
    AccountMismatch,
    CheckFailed,
    CodeExpired,
    Conflict,
    EndUserMismatch,
    NotConfigured,
    NotConnectable,
    NotFound,
    ProviderUnavailable,
    ScopesMissing,
    SessionEnded,
)

router = APIRouter(tags=["connect"], route_class=StrictRoute)


class EndUserBody(Body):
    """The application's user, by the application's own id."""

    id: str
    name: str = ""
    email: str | None = None


def _as_user(value: object) -> object:
    return {"id": value} if isinstance(value, str) else value


EndUserField = Annotated[EndUserBody, BeforeValidator(_as_user, json_schema_input_type=str | EndUserBody)]


class StartSession(Body):
    """`endUser` is an id, or an object with id, name and email. `connection` is the one to renew."""

    provider: str
    end_user: EndUserField | None = None
    return_to: str | None = None
    embed_origin: str | None = None
    context: Mapping[str, object] | None = None
    scopes: tuple[str, ...] | None = None
    connection: str | None = None
    account_id: str | None = None
    auth_method: str | None = None
    variant: str | None = None
    inputs: Mapping[str, object] | None = None


class Complete(Body):
    """The nonce that the browser brought, and the user who is logged in at the application now."""

    nonce: str
    end_user: str | None = None


class StartedSession(ConnectSession):
    """The one time that the session's token is shown; the browser opens `url`."""

    token: str
    url: str


SessionId = Annotated[str, Path(alias="sessionId", description="The session's id.", examples=["ses_01k0example"])]

_STARTED: dict[str, Any] = {**SESSION, "token": "tlc_...", "url": "https://connect.example.com/connect/tlc_..."}


@router.post(
    "/v1/connect/sessions",
    status_code=201,
    summary="Start a connect session",
    openapi_extra=body(
        {
            "endUser": "ada",
            "provider": "my-custom-api",
            "returnTo": "https://app.example/connected",
            "context": {"next": "/"},
        }
    ),
    responses=answers(_STARTED, NotFound, NotConnectable, NotConfigured, status=201),
)
async def start(hub: TheHub, actor: TheActor, wanted: StartSession) -> StartedSession:
    """A permission of ten minutes for one end user to connect one provider. Send the browser to `url`."""
    new = await hub.connect.start(actor, **wanted.given())
    return StartedSession(**dict(new.session), token=new.token.reveal(), url=new.url.reveal())


@router.get("/v1/connect/sessions/{sessionId}", summary="Ask how a session goes", responses=answers(SESSION, NotFound))
async def get(
    hub: TheHub,
    actor: TheActor,
    session: SessionId,
    wait: Annotated[float, Query(ge=0, le=60, description="Seconds to wait for a change.")] = 0,
) -> ConnectSession:
    """Its status: open, awaitingCompletion, completed, failed or expired; `reason` says why."""
    return await hub.connect.get(actor, session, wait=wait)


@router.delete(
    "/v1/connect/sessions/{sessionId}",
    status_code=204,
    summary="Cancel a session",
    responses=answers(None, NotFound, status=204),
)
async def cancel(hub: TheHub, actor: TheActor, session: SessionId) -> None:
    """From now on nothing can be connected with it."""
    await hub.connect.cancel(actor, session)


@router.post(
    "/v1/connect/complete",
    summary="Complete a session",
    openapi_extra=body({"nonce": "...", "endUser": "ada"}),
    responses=answers(
        {"result": "connected", "connection": CONNECTION, "context": {"next": "/"}, "problem": None, "restart": None},
        EndUserMismatch,
        AccountMismatch,
        Conflict,
        ScopesMissing,
        CheckFailed,
        CodeExpired,
        SessionEnded,
        ProviderUnavailable,
    ),
)
async def complete(hub: TheHub, actor: TheActor, wanted: Complete) -> Completion:
    """Exchanges, checks and saves what the browser brought, for the user who is logged in at the application.

    The same nonce and user again within ten minutes gives the same answer; another user burns the session.
    """
    return await hub.connect.complete(actor, nonce=wanted.nonce, end_user=wanted.end_user)
