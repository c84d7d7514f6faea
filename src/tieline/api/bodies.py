"""Bodies of management calls: strict JSON into frozen models, and a route that tells every fault at once."""

import json
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, NoReturn

from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from starlette.requests import Request
from starlette.responses import Response

from tieline.api.validation import closest, invalid
from tieline.errors import Fault, InvalidRequest
from tieline.manifest.values import is_storable

_DEEPEST = 64
_LONGEST_NUMBER = 40


class Body(BaseModel):
    """The base of what is sent to us: camelCase, frozen, nothing unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)

    def given(self) -> dict[str, Any]:
        """What was said, by its name in Python; what was left out is not there."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class StrictRoute(APIRoute):
    """Reads JSON strictly, refuses unknown query parameters, and answers every fault at once."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        body, known = self.body_field, sorted(_parameters(self.dependant))

        async def strict(request: Request) -> Response:
            _check_query(request, known)
            if body is not None:
                check_json(await request.body(), request.headers.get("content-type"))
            try:
                return await handle(request)
            except RequestValidationError as error:
                wanted = body.field_info.annotation if body is not None else None
                raise invalid(error.errors(), error.body, wanted) from None

        return strict


def check_json(text: bytes, content_type: str | None) -> None:
    """Raises InvalidRequest for what is not JSON, or means different things to different readers (RFC 8259, 4)."""
    media = (content_type or "").partition(";")[0].strip().lower()
    if text and media != "application/json" and not media.endswith("+json"):
        _refuse(f"The body is sent as {media or 'nothing in particular'}.", "Set Content-Type: application/json.")
    try:
        document: object = json.loads(
            text or b"null", object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer
        )
    except RecursionError:
        _refuse(f"The body is nested more than {_DEEPEST} levels deep.")
    except UnicodeDecodeError:
        _refuse("The body is not UTF-8 text.")
    except json.JSONDecodeError as error:
        _refuse(f"The body is not JSON: {error.msg} (line {error.lineno}, column {error.colno}).")
    _check_tree(document)


def _refuse(message: str, hint: str = "", path: str = "") -> NoReturn:
    raise InvalidRequest(message, errors=[Fault(path, "unreadable", message, hint)])


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members: dict[str, object] = {}
    for key, value in pairs:
        if key in members:
            message = f"The key {key[:60]!r} stands twice in one object."
            raise InvalidRequest(message, errors=[Fault("", "duplicate_key", message, "Keep one of them.")])
        members[key] = value
    return members


def _constant(name: str) -> NoReturn:
    _refuse(f"{name} is not JSON.", "Write a number, or null.")


def _integer(text: str) -> int:
    if len(text) > _LONGEST_NUMBER:
        _refuse("The body holds a number that is too long.")
    return int(text)


def _check_tree(document: object) -> None:
    level: list[Any] = [document]
    for _ in range(_DEEPEST):
        if not all(is_storable(text) for text in level if isinstance(text, str)):
            _refuse("The body holds a character that is no text (NUL or half of a surrogate pair).")
        level = [inner for value in level for inner in _inner(value)]
        if not level:
            return
    _refuse(f"The body is nested more than {_DEEPEST} levels deep.")


def _inner(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value, *value.values()]  # pyright: ignore[reportUnknownVariableType]  # JSON of any shape
    return value if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType]  # the same


def _parameters(dependant: Dependant) -> Iterator[str]:
    """The query parameters of a route and of all that it depends on."""
    yield from (field.alias for field in dependant.query_params)
    for each in dependant.dependencies:
        yield from _parameters(each)


def _check_query(request: Request, known: list[str]) -> None:
    """A misspelt filter must not list everything."""
    unknown = sorted(set(request.query_params) - set(known))
    if unknown:
        faults = [
            Fault(name[:60], "unknown_parameter", "This is not known here.", closest(name, known)) for name in unknown
        ]
        raise InvalidRequest("The query has parameters that this route does not take.", errors=faults)
