"""PURE. One call of the HTTP API as a value: what to send, and how to read the answer."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar, cast
from urllib.parse import quote

from pydantic.alias_generators import to_camel

from tieline.connections.types import Reference
from tieline.integrations.types import ClientSettings
from tieline.secret import Secret
from tieline.shapes import Shape

T = TypeVar("T")
S = TypeVar("S", bound=Shape)

Read = Callable[[int, Any], T]
"""From the status and the JSON of a good answer."""

_DOTS = re.compile(r"\.{1,2}")


@dataclass(frozen=True)
class Call(Generic[T]):
    """`query` and `body` as `members` makes them; `wait` is how many seconds more than usual the answer may take."""

    method: str
    path: str
    read: Read[T]
    query: Mapping[str, Any] = field(default_factory=dict[str, Any])
    body: Any = field(default=None, repr=False)
    wait: float = 0.0

    @property
    def safe(self) -> bool:
        """RFC 9110, section 9.2.1: may be sent again without a second thought."""
        return self.method == "GET"


def segment(text: str) -> str:
    """One segment of a path, whatever is in it: `..` names a user too, and not the folder above."""
    return "".join("%2E" for _ in text) if _DOTS.fullmatch(text) else quote(text, safe="")


def path_of(reference: Reference | str) -> str:
    """The address of a connection, by its id or by whose it is; `-` is the organization itself."""
    if isinstance(reference, str):
        reference = Reference(id=reference)
    if reference.id is not None:
        return f"/v1/connections/{segment(reference.id)}"
    user, provider = segment(reference.end_user or "-"), segment(reference.provider or "")
    return f"/v1/end-users/{user}/connections/{provider}"


def account_of(reference: Reference | str) -> dict[str, Any]:
    """The query that chooses among several accounts."""
    return {} if isinstance(reference, str) else members(account=reference.account)


def members(**values: object) -> dict[str, Any]:
    """Names in camelCase; None is left out. What stands deeper keeps its names, which are the caller's."""
    return {to_camel(name): plain(value) for name, value in values.items() if value is not None}


def plain(value: object) -> Any:
    """As JSON has it. Secrets are revealed: here they go on the wire."""
    match value:
        case Secret():
            return value.reveal()
        case Shape():
            return value.dump()
        case ClientSettings():
            return members(client_id=value.client_id, client_secret=value.client_secret)
        case datetime():
            return value.isoformat()
        case Mapping():
            return {str(name): plain(each) for name, each in cast("Mapping[object, object]", value).items()}
        case list() | tuple() | set() | frozenset():
            return [plain(each) for each in cast("Iterable[object]", value)]
        case _:
            return value


def shape(model: type[S]) -> Read[S]:
    """Reads an outward value. A newer server may say more: that is left aside."""
    return lambda _status, data: model.model_validate(data, extra="ignore")


def nothing(_status: int, _data: Any) -> None:
    """Reads an answer without a body."""
