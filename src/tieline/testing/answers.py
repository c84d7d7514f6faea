"""The answers of a token endpoint that misbehaves."""

import asyncio
from urllib.parse import urlencode

from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from tieline.testing.ledger import TokenFault
from tieline.testing.serving import ABORT
from tieline.testing.switches import Switches

_UNCACHED = {"Cache-Control": "no-store"}


class Dropped(Response):
    """No answer at all: the connection is closed. Where no socket can be reached, ConnectionResetError is raised."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        extension = scope.get("extensions", {}).get(ABORT)
        if extension is None:
            raise ConnectionResetError("the practice provider drops this answer")
        extension["call"]()
        # The server learns of the closed connection in the next turns of the loop.
        await asyncio.sleep(0.01)


def token_response(answer: dict[str, object], switches: Switches) -> Response:
    """A good token answer, as JSON or in the older form encoding."""
    if switches.token_answer == "form":  # noqa: S105  # not a password
        body = urlencode([(name, str(value)) for name, value in answer.items()])
        return Response(body, media_type="application/x-www-form-urlencoded", headers=_UNCACHED)
    return JSONResponse(answer, headers=_UNCACHED)


def fault_response(fault: TokenFault) -> Response:
    headers = dict(_UNCACHED)
    if fault.status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="practice"'
    body = {"error": fault.error, "error_description": fault.description}
    return JSONResponse(body, status_code=fault.status, headers=headers)


def broken_response(switches: Switches) -> Response | None:
    """The answer to give instead of doing the work; None when the token endpoint is to behave."""
    retry = {"Retry-After": str(switches.retry_after)}
    match switches.token_answer:
        case "json" | "form":
            return None
        case "html":
            return HTMLResponse("<!doctype html><title>Maintenance</title><h1>We will be back soon</h1>")
        case "error_200":
            return JSONResponse({"error": switches.token_error, "error_description": "Told with status 200."})
        case "error_400":
            return fault_response(TokenFault(switches.token_error, "Switched on by the practice provider."))
        case "empty_400":
            return Response(status_code=400)
        case "500":
            return PlainTextResponse("Internal Server Error", status_code=500)
        case "429":
            return JSONResponse({"error": "rate_limited"}, status_code=429, headers=retry)
