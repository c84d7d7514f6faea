"""What every outward value is: frozen, snake_case in Python, camelCase in JSON, with no field that holds a secret."""

from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

T = TypeVar("T")


class Shape(BaseModel):
    """The base of outward values; `dump()` is what JSON shows."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    def dump(self) -> dict[str, object]:
        return self.model_dump(mode="json", by_alias=True)


class Page(Shape, Generic[T]):
    """A part of a list; `next_cursor` asks for the next one, null at the end."""

    items: tuple[T, ...]
    next_cursor: str | None = None
