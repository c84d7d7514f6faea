"""Errors as RFC 9457 problems: the one place where an error becomes an answer. Facts become its members."""

import math
from collections.abc import Mapping

import structlog
from pydantic.alias_generators import to_camel
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from tieline.errors import (
    Fault,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    TielineError,
    Unauthorized,
)
from tieline.trace import kind_and_steps

TYPE = "https://tieline.dev/problems/"
MEDIA = "application/problem+json"
ERROR_HEADER = "Tieline-Error"
"""On routes that pass a provider's answers on, tells our own failures from the provider's."""

_log = structlog.get_logger("tieline.api")


def problem(error: TielineError, headers: Mapping[str, str] | None = None) -> Response:
    """The answer for this error."""
    given = dict(headers or {})
    if isinstance(error, Unauthorized):
        given["WWW-Authenticate"] = 'Bearer realm="Tieline"'
    if error.retry_after is not None:
        given["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    return Response(to_json(members(error), fallback=repr), error.status, given, MEDIA)


def members(error: TielineError) -> dict[str, object]:
    """What the problem says. A fact never replaces one of the standard members."""
    facts = {to_camel(name): value for name, value in error.facts.items() if value is not None}
    if error.retry_after is not None:
        facts["retryAfter"] = error.retry_after
    standard: dict[str, object] = {
        "type": TYPE + error.code,
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
    }
    if error.errors:
        standard["errors"] = [fault_members(fault) for fault in error.errors]
    return {**standard, **{name: value for name, value in facts.items() if name not in standard}}


def fault_members(fault: Fault) -> dict[str, str]:
    return {
        "path": fault.path,
        "code": fault.code,
        "message": fault.message,
        "hint": fault.hint,
        "severity": fault.severity,
    }


def as_tieline_error(error: Exception) -> TielineError:
    """The framework's own refusals in our words; an unknown exception says nothing about itself."""
    match error:
        case TielineError():
            return error
        case HTTPException(status_code=404):
            return NotFound("There is nothing at this address. GET /docs lists the routes.")
        case HTTPException(status_code=405):
            return MethodNotAllowed("This address does not take that method. See the header Allow.")
        case HTTPException(status_code=413):
            return PayloadTooLarge("The body is too large.")
        case HTTPException():
            return InvalidRequest(str(error.detail))
        case _:
            return TielineError("Something went wrong on our side. Try again; the log of the server says more.")


async def answer(_: Request, error: Exception) -> Response:
    """The exception handler of the management routes."""
    known = as_tieline_error(error)
    headers = error.headers if isinstance(error, HTTPException) else None
    return problem(known, headers)


def log_unexpected(error: Exception, *, method: str, route: str) -> None:
    """For the log, and for nobody else."""
    _log.error("request.failed", method=method, route=route, **kind_and_steps(error))
