"""`tieline request`: a provider's API with the credential put on. The answer streams to standard output."""

import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from tieline.cli import options
from tieline.cli.documents import open_binary, pairs
from tieline.cli.failing import of_http, say
from tieline.cli.printing import one_line
from tieline.cli.references import read_reference
from tieline.cli.running import in_organization
from tieline.cli.target import Nouns
from tieline.errors import InvalidRequest

if TYPE_CHECKING:
    import httpx2

_CHUNK = 64 * 1024


def add_to(app: typer.Typer) -> None:
    in_organization(app)(request)


async def request(
    nouns: Nouns,
    connection: options.Connection,
    method: Annotated[str, typer.Argument(metavar="METHOD", help="GET, POST, ...")],
    path: Annotated[str, typer.Argument(metavar="PATH", help="Under the provider's base URL, with any query.")],
    field: Annotated[
        list[str] | None,
        typer.Option(
            "--field", "-f", metavar="NAME=VALUE", help="A member of a JSON body; true, 12, null and [..] are JSON."
        ),
    ] = None,
    header: Annotated[list[str] | None, typer.Option("--header", "-H", metavar="NAME:VALUE", help="A header.")] = None,
    input_: Annotated[
        str | None, typer.Option("--input", metavar="FILE", help="The body; - streams standard input.")
    ] = None,
    include: Annotated[bool, typer.Option("--include", "-i", help="Show the status and the headers, too.")] = False,
    account: options.Account = None,
) -> None:
    """Call a provider's API as a user. Exit status: 0, or by HTTP status 2, 3, 4, 5, 6."""
    if field and input_:
        raise InvalidRequest("Give --field or --input, not both.")
    headers = _headers(header or ())
    content: bytes | AsyncIterator[bytes] | None = None
    if field:
        content = json.dumps(_body(pairs(field, option="--field"))).encode()
        headers.setdefault("content-type", "application/json")
    elif input_:
        content = _chunks(open_binary(input_))
    named = read_reference(connection, account)
    whose = {"end_user": named.end_user, "provider": named.provider, "account": named.account}
    async with (
        nouns.http(named.id, **whose) as http,
        http.stream(method.upper(), path, headers=headers, content=content) as answer,
    ):
        await _show(answer, include=include)
    if status := of_http(answer.status_code):
        say(f"error: the provider answered {answer.status_code} {answer.reason_phrase}".rstrip())
        raise typer.Exit(status)


async def _show(answer: "httpx2.Response", *, include: bool) -> None:
    if include:
        print(f"HTTP {answer.status_code} {answer.reason_phrase}".rstrip())
        for name, value in answer.headers.multi_items():
            print(f"{one_line(name)}: {one_line(value)}")
        print(flush=True)
    sys.stdout.flush()
    out = sys.stdout.buffer
    async for chunk in answer.aiter_bytes():
        out.write(chunk)
        out.flush()


def _headers(given: Sequence[str]) -> dict[str, str]:
    if wrong := [text for text in given if ":" not in text]:
        raise InvalidRequest(f"--header takes NAME:VALUE; {wrong[0][:60]!r} is not.")
    return {name.strip().lower(): value.strip() for name, _, value in (text.partition(":") for text in given)}


def _body(given: Mapping[str, str]) -> dict[str, object]:
    return {name: _value(text) for name, text in given.items()}


def _value(text: str) -> object:
    """JSON where it is a number, true, false, null, a list or an object; else the text itself."""
    if text.startswith('"'):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


async def _chunks(stream: BinaryIO) -> AsyncIterator[bytes]:
    import asyncio

    with stream:
        # What is there is sent: a pipe that is slow to fill must not be waited for.
        read = getattr(stream, "read1", stream.read)
        while chunk := await asyncio.to_thread(read, _CHUNK):
            yield chunk
