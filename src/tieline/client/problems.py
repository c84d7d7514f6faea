"""PURE. Problems (RFC 9457) as the errors that the hub raises in process."""

import json
from collections.abc import Mapping
from typing import Any, cast

from pydantic.alias_generators import to_snake

from tieline.errors import Fault, TielineError

ERROR_HEADER = "tieline-error"
"""Marks a proxied answer as Tieline's own failure, not the provider's answer."""

_BY_CODE = {error.code: error for error in TielineError.__subclasses__()}
_STANDARD = {"type", "title", "status", "detail", "instance", "code", "errors", "retryAfter"}
_FAULT = ("path", "code", "message", "hint", "severity")


def read_problem(status: int, headers: Mapping[str, str], body: bytes) -> TielineError:
    """The error of an answer that is none of the good ones; header names in lower case."""
    problem = _members(body)
    code = str(problem.get("code") or str(problem.get("type")).rpartition("/")[2])
    error = _BY_CODE.get(code)
    retry_after = problem.get("retryAfter") or _seconds(headers.get("retry-after"))
    if error is None:
        # A server in between, or a newer Tieline.
        detail = str(problem.get("detail") or f"The server answered {status}, and not as Tieline does.")
        return TielineError(detail, retry_after=retry_after, status=status)
    facts = {to_snake(name): value for name, value in problem.items() if name not in _STANDARD}
    return error(str(problem.get("detail", "")), errors=read_faults(problem), retry_after=retry_after, **facts)


def read_faults(data: Mapping[str, Any]) -> tuple[Fault, ...]:
    """The member `errors`, each with path, code, message, hint and severity."""
    found: list[Mapping[str, Any]] = data.get("errors") or []
    return tuple(Fault(**{name: str(each[name]) for name in _FAULT if name in each}) for each in found)


def _members(body: bytes) -> Mapping[str, Any]:
    try:
        read = json.loads(body)
    except ValueError:
        return {}
    return cast("Mapping[str, Any]", read) if isinstance(read, dict) else {}


def _seconds(header: str | None) -> float | None:
    return float(header) if header is not None and header.isdigit() else None
