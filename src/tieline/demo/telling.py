"""How the story looks in a terminal: numbered steps, what was called, what came back, how long it took."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.text import Text

from tieline.demo.noting import Note


class Failed(Exception):
    """A step did not go as it should; the message says how."""


class Teller:
    """`step` frames each step; within it `say`, `called` and `got` tell what happens."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._number = 0

    @asynccontextmanager
    async def step(self, title: str) -> AsyncGenerator[None]:
        self._number += 1
        self._console.print(f"\n[bold cyan]{self._number:>2}[/]  [bold]{escape(title)}[/]", highlight=False)
        started = time.perf_counter()
        try:
            yield
        except Exception:
            self._console.print("    [bold red]This went wrong.[/]")
            raise
        self._console.print(f"    [green]✓[/] [dim]{time.perf_counter() - started:.2f} s[/]", highlight=False)

    def say(self, text: str) -> None:
        self._console.print(Padding.indent(Text(text), 4))

    def called(self, notes: list[Note]) -> None:
        for (method, path, status), same in _grouped(notes).items():
            times = "" if len(same) == 1 else f" ({len(same)} times)"
            line = f"    [dim]→[/] {method} {escape(path)}{times}  [dim]←[/] {status}"
            slowest = max(note.seconds for note in same) * 1000
            self._console.print(f"{line}  [dim]{slowest:.0f} ms[/]", highlight=False, soft_wrap=True)

    def got(self, text: str) -> None:
        self._console.print(f"    [dim]=[/] {escape(text)}", highlight=False, soft_wrap=True)

    def plain(self, text: str = "") -> None:
        """A line to copy: as it is, whatever the width."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def heading(self, text: str) -> None:
        self._console.print(f"\n[bold]{escape(text)}[/]", highlight=False, soft_wrap=True)

    def failed(self, text: str) -> None:
        self._console.print(f"\n[bold red]The story stopped:[/] {escape(text)}", soft_wrap=True)


def _grouped(notes: list[Note]) -> dict[tuple[str, str, int], list[Note]]:
    groups: dict[tuple[str, str, int], list[Note]] = {}
    for note in notes:
        groups.setdefault((note.method, note.path, note.status), []).append(note)
    return groups


def expect(holds: bool, otherwise: str) -> None:
    """Raises Failed."""
    if not holds:
        raise Failed(otherwise)
