"""The command line as Markdown: a section per command, from what typer knows of it."""

from collections.abc import Iterator
from typing import Any

import typer.main

from pages import table
from tieline.cli.program import app

Path = tuple[str, ...]

WHERE = ("organization", "url", "api_key", "data", "database")
"""The options of every command that works on an organization; told once."""


def command_sections() -> list[str]:
    root: Any = typer.main.get_command(app)
    found = list(_commands(root))
    shared = next(command for path, command in found if path == ("providers", "list"))
    options = [each for each in shared.params if each.name in WHERE]
    return [
        " ".join(root.help.split()),
        "## Where a command works\n\nCommands marked with an asterisk take these, too:",
        table(("option", "meaning"), [(_option(each), str(each.help)) for each in options]),
        *(part for path, command in found for part in _section(path, command)),
    ]


def command_names() -> set[Path]:
    """Also those that only group others."""
    return {path[:length] for path, _ in _commands(typer.main.get_command(app)) for length in range(1, len(path) + 1)}


def _commands(command: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    below: dict[str, Any] = getattr(command, "commands", {})
    if not below:
        yield path, command
    for name in sorted(below):
        yield from _commands(below[name], (*path, name))


def _section(path: Path, command: Any) -> Iterator[str]:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    own = [each for each in options if each.name not in WHERE or not _is_shared(command)]
    name = " ".join(path)
    words = " ".join(str(each.metavar) for each in arguments)
    mark = " \\*" if _is_shared(command) else ""
    yield f"## {name}\n\n`{f'tieline {name} {words}'.strip()}`{mark}\n\n{' '.join(command.help.split())}"
    rows = [(f"`{each.metavar}`", str(each.help)) for each in arguments]
    rows += [(_option(each), str(each.help) + _default(each)) for each in own if each.name != "help"]
    if rows:
        yield table(("argument or option", "meaning"), rows)


def _is_shared(command: Any) -> bool:
    return {each.name for each in command.params} >= set(WHERE)


def _option(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
    return names + (f" `{option.metavar}`" if option.metavar else "")


def _default(option: Any) -> str:
    value = option.default
    return "" if value is None or isinstance(value, bool) else f" Default: `{value}`."
