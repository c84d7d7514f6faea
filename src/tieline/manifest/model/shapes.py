"""What every part of a provider document is made of: the strict frozen model and the few value shapes.

Documents are untrusted, so nothing is coerced ("60" is not 60) and unknown keys are faults. Attribute names are the
snake case of the document's keys; a Python keyword gets a trailing underscore (`from_`).
"""

from collections.abc import Callable
from typing import Annotated, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Discriminator, Field, JsonValue, Strict, Tag

T = TypeVar("T")


def camel(name: str) -> str:
    """`base_url` -> `baseUrl`, `from_` -> `from`."""
    first, *rest = name.rstrip("_").split("_")
    return first + "".join(word.capitalize() for word in rest)


class Model(BaseModel):
    model_config = ConfigDict(
        alias_generator=camel, populate_by_name=True, frozen=True, extra="forbid", strict=True, protected_namespaces=()
    )


def one_or_many(value: object) -> str:
    return "many" if isinstance(value, list | tuple) else "one"


def listed(value: object) -> object:
    """Lets one object stand for a list of it."""
    return cast(object, value) if isinstance(value, list | tuple) else [value]


def standing_for(key: str) -> Callable[[object], object]:
    """Lets the scalar `x` stand for `{key: x}`."""

    def wrap(value: object) -> object:
        return {key: value} if isinstance(value, str | int | float) else value

    return wrap


# A JSON array; a tuple here, because models are values.
Many = Annotated[tuple[T, ...], Strict(False)]

Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,99}$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
DocRef = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*(@[0-9A-Za-z.^~*-]+)?$")]
CaptureTarget = Annotated[str, Field(pattern=r"^(tokens\.[A-Za-z_][A-Za-z0-9_]*\.)?[A-Za-z_][A-Za-z0-9_]*$")]
Scalar = str | bool | int | float
Status = Annotated[int, Field(ge=100, le=599)]
StatusRange = Annotated[str, Field(pattern=r"^([1-5]xx|\d{3}-\d{3})$")]

Template = Annotated[str, Field(description="text with {{ expression }}; see the expression grammar")]
Alternatives = Annotated[Many[Template], Field(min_length=1)]
Alt = Annotated[
    Annotated[Template, Tag("one")] | Annotated[Alternatives, Tag("many")],
    Discriminator(one_or_many),
    Field(description="a template, or several: the first whose variables all have values is used"),
]
Tree = Annotated[
    JsonValue,
    Field(description="any JSON; every string in it is a template; a member that comes out empty is left out"),
]
MapValue = Annotated[
    Annotated[Template | bool | int | float | dict[str, JsonValue] | None, Tag("one")]
    | Annotated[Alternatives, Tag("many")],
    Discriminator(one_or_many),
]
Map = Annotated[
    dict[str, MapValue],
    Field(
        description="name -> template; null removes an inherited default; "
        "an entry with a missing optional variable is left out"
    ),
]
Captured = Annotated[
    Annotated[Template | bool | int | float, Tag("one")] | Annotated[Alternatives, Tag("many")],
    Discriminator(one_or_many),
]
Capture = Annotated[
    dict[CaptureTarget, Captured],
    Field(
        description="target -> template over body, headers, cookies, callback and status. Targets accessToken, "
        "refreshToken, idToken, tokenType, scope, expiresIn (seconds), expiresAt (epoch s, epoch ms or ISO 8601) and "
        "refreshExpiresIn go to the credential (or to its `tokens.<name>`); every other target is an input. "
        "A captured value never overwrites what a person entered"
    ),
]
