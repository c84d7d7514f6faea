"""The audit over HTTP: list, verify, and export as JSON lines that anybody can verify offline."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime
from starlette.responses import Response, StreamingResponse

from tieline.api.asking import Cursor, Limit, TheActor, TheHub
from tieline.api.bodies import StrictRoute
from tieline.api.described import answers
from tieline.api.examples import NOW, page
from tieline.audit import AuditEvent, Verification
from tieline.shapes import Page

router = APIRouter(tags=["audit"], route_class=StrictRoute)

_EVENT = {
    "id": "evt_01k0example",
    "organization": "org_01k0example",
    "at": NOW,
    "actor": "apiKey:key_01k0example",
    "action": "connection.called",
    "target": "conn_01k0example",
    "outcome": "ok",
    "facts": {"method": "GET", "host": "api.custom.example", "path": "/v1/me"},
    "seq": 7,
    "hash": "9f86d081...",
}
_VERIFIED = {
    "ok": True,
    "events": 7,
    "heads": 3,
    "unsealed": 0,
    "hash": "9f86d081...",
    "broken": None,
    "reason": None,
}


@router.get("/v1/audit", summary="List audit events", responses=answers(page(_EVENT)))
async def list_events(
    hub: TheHub,
    actor: TheActor,
    target: Annotated[str | None, Query(description="Such as the id of a connection.")] = None,
    action: Annotated[str | None, Query(description="Such as `connection.called`.")] = None,
    since: Annotated[AwareDatetime | None, Query(description="RFC 3339.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AuditEvent]:
    """The organization's events, newest first."""
    return await hub.audit.list(actor, target=target, action=action, since=since, limit=limit, cursor=cursor)


@router.get(
    "/v1/audit/verify",
    summary="Verify the audit",
    responses=answers(_VERIFIED),
)
async def verify(
    hub: TheHub,
    actor: TheActor,
    noted: Annotated[
        str | None, Query(description="`events` and `hash` of an earlier answer, `7:9f86d081...`, to be there still.")
    ] = None,
) -> Verification:
    """Walks the whole chain, and tells the first event that was changed, removed or added."""
    return await hub.audit.verify(actor, noted=noted)


@router.get(
    "/v1/audit/export",
    summary="Export the audit",
    response_class=Response,
    responses=answers('{"type":"audit","version":1,...}\n{"type":"end",...}\n', media="application/jsonl"),
)
async def export(hub: TheHub, actor: TheActor) -> Response:
    """JSON lines, to be verified offline with `tieline audit verify-export`. The last line has the type `end`."""
    return StreamingResponse(_with_newlines(hub.audit.export(actor)), media_type="application/jsonl")


async def _with_newlines(lines: AsyncIterator[str]) -> AsyncIterator[bytes]:
    async for line in lines:
        yield line.encode() + b"\n"
