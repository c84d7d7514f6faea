"""How the story looks in a terminal: numbered steps, what was called, what came back, how long it took."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from rich.console import Console
from rich.markup import escape

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
        self._console.print(f"\n[bold cyan]{self._number:>2}[/]  [bold]{escape(title)}[/]")
        started = time.perf_counter()
        try:
            yield
        except Exception:
            self._console.print("    [bold red]This went wrong.[/]")
            raise
        self._console.print(f"    [green]✓[/] [dim]{time.perf_counter() - started:.2f} s[/]")

    def say(self, text: str) -> None:
        self._console.print(f"    {escape(text)}", highlight=False)

    def called(self, notes: list[Note]) -> None:
        for note in notes:
            line = f"    [dim]→[/] {note.method} {escape(note.path)}  [dim]←[/] {note.status}"
            self._console.print(f"{line}  [dim]{note.seconds * 1000:.0f} ms[/]", highlight=False, soft_wrap=True)

    def got(self, text: str) -> None:
        self._console.print(f"    [dim]=[/] {escape(text)}", highlight=False, soft_wrap=True)

    def plain(self, text: str = "") -> None:
        """A line to copy: as it is, whatever the width."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def heading(self, text: str) -> None:
        self._console.print(f"\n[bold]{escape(text)}[/]")

    def failed(self, text: str) -> None:
        self._console.print(f"\n[bold red]The story stopped:[/] {escape(text)}", soft_wrap=True)


def expect(holds: bool, otherwise: str) -> None:
    """Raises Failed."""
    if not holds:
        raise Failed(otherwise)
