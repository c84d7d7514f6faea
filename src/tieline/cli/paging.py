"""Lists: as many pages as it takes to show what was asked for."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tieline.cli.failing import say
from tieline.cli.printing import print_json, print_table

_PAGE = 200


@dataclass(frozen=True)
class Listed:
    """`items` are outward values; `next_cursor` goes on behind them."""

    items: Sequence[Any]
    next_cursor: str | None


async def listed(
    list_page: Callable[..., Awaitable[Any]], *, limit: int, cursor: str | None = None, **filters: object
) -> Listed:
    """Pages of a noun's `list` until there are `limit` items, or no more."""
    items: list[Any] = []
    while True:
        page = await list_page(limit=min(_PAGE, limit - len(items)), cursor=cursor, **filters)
        items += page.items
        cursor = page.next_cursor
        if cursor is None or len(items) >= limit:
            return Listed(items, cursor)


def show_list(
    found: Listed, columns: Sequence[str], row: Callable[[Any], Sequence[object]], *, as_json: bool, **more: object
) -> None:
    """`row` gives the cells of an item, in the order of the columns."""
    if as_json:
        print_json({"items": [item.dump() for item in found.items], "nextCursor": found.next_cursor, **more})
        return
    print_table(columns, [row(item) for item in found.items])
    if found.next_cursor is not None:
        say(f"There are more: --limit, or --cursor {found.next_cursor}")
