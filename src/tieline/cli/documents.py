"""Files that commands read: provider documents, patches, bodies. `-` is standard input."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from tieline.errors import Fault, InvalidRequest

_MOST = 8 * 1024 * 1024


def read_text(file: str) -> str:
    """Raises InvalidRequest for what is no text, OSError for what cannot be read."""
    with open_binary(file) as stream:
        content = stream.read(_MOST + 1)
    if len(content) > _MOST:
        raise InvalidRequest(f"{file} is larger than 8 MiB.")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{file} is no text in UTF-8.") from error


def open_binary(file: str) -> BinaryIO:
    return sys.stdin.buffer if file == "-" else Path(file).expanduser().open("rb")


def read_document(file: str) -> Mapping[str, object]:
    """JSON or YAML: an object in braces is JSON. Raises InvalidProvider."""
    from tieline.manifest.read import read_document as read

    text = read_text(file)
    return read(text, media="json" if text.lstrip()[:1] in ("{", "[") else "yaml")


def pairs(given: Sequence[str], *, option: str) -> dict[str, str]:
    """`name=value`, each from an option given several times. Raises InvalidRequest."""
    faults = [Fault(option, "pair", f"{text[:60]!r} is no name=value.") for text in given if "=" not in text]
    if faults:
        raise InvalidRequest(f"{option} takes name=value.", errors=faults)
    return {name: value for name, _, value in (text.partition("=") for text in given)}
