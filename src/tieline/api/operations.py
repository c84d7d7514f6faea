"""For whoever operates it: is it alive, can it serve, and what can it do."""

import asyncio
from typing import Any

from fastapi import APIRouter
from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from tieline.api.asking import TheHub
from tieline.api.described import Responses, problems_of
from tieline.api.reference import POLICY, reference
from tieline.errors import StorageUnavailable

router = APIRouter(tags=["operations"])

_DEADLINE = 2.0


def _answers(example: object, media: str = "application/json", **more: Any) -> Responses:
    return {200: {"description": "Done.", "content": {media: {"example": example}}}, **more}


@router.get("/healthz", summary="Is the process alive", responses=_answers({"status": "ok"}))
async def healthz() -> dict[str, str]:
    """Asks nothing of anybody else: restart the process when this does not answer."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    summary="Can it serve",
    responses={**_answers({"status": "ok"}), **problems_of(StorageUnavailable)},
)
async def readyz(hub: TheHub) -> dict[str, str]:
    """Asks the database, for at most two seconds: send no traffic while this is not 200."""
    try:
        async with asyncio.timeout(_DEADLINE):
            await hub.db.read(lambda connection: connection.execute(text("SELECT 1")).scalar_one())
    except TimeoutError:
        raise StorageUnavailable("The database does not answer in time.", retry_after=1) from None
    return {"status": "ok"}


@router.get("/openapi.json", summary="The OpenAPI document", responses=_answers({"openapi": "3.1.0"}))
async def openapi(request: Request) -> Response:
    """Every route of this server, as OpenAPI 3.1."""
    return JSONResponse(request.app.openapi())


@router.get(
    "/", summary="The front door", response_class=HTMLResponse, responses=_answers("<!doctype html>", "text/html")
)
@router.get(
    "/docs", summary="The reference", response_class=HTMLResponse, responses=_answers("<!doctype html>", "text/html")
)
async def docs(request: Request) -> Response:
    """The reference as a page, which loads nothing from elsewhere."""
    return HTMLResponse(reference(request.app.openapi()), headers={"Content-Security-Policy": POLICY})
