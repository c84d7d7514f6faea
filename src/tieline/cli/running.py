"""Makes a command of a function: runs it, says errors in one line, and adds the options that say where it works."""

import inspect
import os
import sys
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

import typer

from tieline.cli import options
from tieline.cli.failing import OURS, USAGE, exit_status, say, show_error
from tieline.cli.printing import one_line
from tieline.cli.target import Nouns, Target, opened
from tieline.errors import TielineError

Command = Callable[..., Any]

_WHERE = {
    "organization": options.Organization,
    "url": options.Url,
    "api_key": options.ApiKey,
    "data": options.Data,
    "database": options.Database,
}


def command(group: typer.Typer, name: str | None = None) -> Callable[[Command], Command]:
    """A command that works nowhere in particular. It may be asynchronous."""

    def register(function: Command) -> Command:
        @wraps(function)
        def run(*args: object, **kwargs: object) -> None:
            _run(lambda: function(*args, **kwargs))

        run.__signature__ = inspect.signature(function, eval_str=True)  # pyright: ignore[reportAttributeAccessIssue]
        group.command(name)(run)
        return function

    return register


def in_organization(group: typer.Typer, name: str | None = None) -> Callable[[Command], Command]:
    """A command on an organization's nouns, which are its first argument: in this process, or over HTTP."""

    def register(function: Callable[..., Coroutine[Any, Any, None]]) -> Command:
        @wraps(function)
        def run(**kwargs: Any) -> None:
            target = Target(**{key: kwargs.pop(key) for key in _WHERE})

            async def work() -> None:
                async with opened(target) as nouns:
                    await function(nouns, **kwargs)

            _run(work)

        run.__signature__ = _signature(function)  # pyright: ignore[reportAttributeAccessIssue]  # typer reads it
        group.command(name)(run)
        return function

    return register


def _signature(function: Command) -> inspect.Signature:
    """The function's, without the nouns, and with the options that say where to find them."""
    signature = inspect.signature(function, eval_str=True)
    first, *own = signature.parameters.values()
    if first.annotation is not Nouns:
        raise TypeError(f"{function.__name__} must take Nouns first")
    keyword = inspect.Parameter.KEYWORD_ONLY
    where = [
        inspect.Parameter(name, keyword, default=None, annotation=annotation) for name, annotation in _WHERE.items()
    ]
    return signature.replace(parameters=[*(each.replace(kind=keyword) for each in own), *where], return_annotation=None)


def _run(work: Callable[[], object]) -> None:
    try:
        result = work()
        if inspect.iscoroutine(result):
            import asyncio

            asyncio.run(result)
    except TielineError as error:
        show_error(error)
        raise typer.Exit(exit_status(error)) from error
    except BrokenPipeError:
        # Whoever read the output has seen enough; nor shall the interpreter try to write the rest at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(OURS) from None
    except OSError as error:
        where = f"{one_line(error.filename)}: " if error.filename else ""
        say(f"error: {where}{one_line(error.strerror or error)}")
        named_wrong = isinstance(error, FileNotFoundError | IsADirectoryError)
        raise typer.Exit(USAGE if named_wrong else OURS) from error
