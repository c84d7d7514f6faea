"""The types an input may have: each reads what was given and answers the value, or says what it must look like.

Nothing here repeats the given value, which may be a secret in the wrong box.
"""

import json
import math
import re
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

from tieline.manifest.hosts import is_host, read_authority
from tieline.manifest.model import InputType
from tieline.manifest.values import is_storable

LONGEST = 64 * 1024
MOST_BLOCKS = 20

_EMAIL = re.compile(r"[^\s@\"<>(),;:\\]{1,64}@(?P<host>[^\s@]{1,253})")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PEM = re.compile(r"(-----BEGIN ([A-Z0-9 ]+)-----)\s*(.+?)\s*(-----END \2-----)", re.DOTALL)
_UNFIT_IN_URL = re.compile(r"[\s\x00-\x20\x7f\\<>\"^`{|}]")


class Unfit(ValueError):
    """The value is not of its type; the message is a sentence for the person who typed it."""


def read_typed(kind: InputType, value: object) -> object:
    """The value as its type has it. Raises Unfit."""
    return _READERS[kind](value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Unfit("This must be text.")
    if len(value) > LONGEST:
        raise Unfit("This is too long.")
    if not is_storable(value):
        raise Unfit("This holds a character that is no text.")
    return value


def _line(value: object) -> str:
    text = _text(value).strip("\r\n")
    if "\n" in text or "\r" in text:
        raise Unfit("This must be one line.")
    return text


def _number(value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Unfit("This must be a number.")
    if isinstance(value, str):
        text = value.strip()
        try:
            value = int(text) if re.fullmatch(r"[-+]?[0-9]{1,30}", text) else float(text)
        except ValueError:
            raise Unfit("This must be a number.") from None
    if not math.isfinite(value):
        raise Unfit("This must be a finite number.")
    return value


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return value == "true"
    raise Unfit("This must be true or false.")


def _choice(value: object) -> str | bool | int | float:
    if not isinstance(value, str | bool | int | float):
        raise Unfit("This must be one of the options.")
    return value


def _url(value: object) -> str:
    text = _line(value).strip()
    try:
        parts = urlsplit(text)
    except ValueError:
        raise Unfit("This must be an address such as https://api.acme.example.") from None
    if parts.scheme not in ("http", "https") or not parts.netloc or _UNFIT_IN_URL.search(text):
        raise Unfit("This must be an address such as https://api.acme.example.")
    if "@" in parts.netloc:
        raise Unfit("This must be an address without user name or password.")
    if read_authority(parts.netloc) is None:
        raise Unfit("The host of this address is no host name; write non-ASCII names in their xn-- form.")
    if parts.fragment:
        raise Unfit("This must be an address without a fragment (#).")
    return text[:-1] if parts.path == "/" and not parts.query else text


def _hostname(value: object) -> str:
    text = _line(value).strip().lower()
    authority = read_authority(text)
    if authority is None:
        raise Unfit("This must be a host name such as acme.example, without https:// and without a path.")
    return authority


def _email(value: object) -> str:
    text = _line(value).strip()
    found = _EMAIL.fullmatch(text)
    if not found or not is_host(found["host"].lower()):
        raise Unfit("This must be an e-mail address.")
    return text


def _uuid(value: object) -> str:
    text = _line(value).strip()
    if not _UUID.fullmatch(text):
        raise Unfit("This must be a UUID, as 123e4567-e89b-12d3-a456-426614174000.")
    return text


def _pem(value: object) -> str:
    text = _text(value)
    if text.count("-----BEGIN") > MOST_BLOCKS:
        raise Unfit(f"This may hold at most {MOST_BLOCKS} keys or certificates.")
    text = mended_pem(text)
    if not _PEM.search(text):
        raise Unfit("This must be a key or certificate that starts with -----BEGIN.")
    return text


def mended_pem(text: str) -> str:
    """A PEM text with its lines restored: pasted with `\\n` spelled out, or on one line."""
    if text.count("-----BEGIN") > MOST_BLOCKS:
        return text
    text = text.replace("\\n", "\n").replace("\r\n", "\n").strip()
    blocks: list[str] = []
    for begin, _, body, end in cast(list[tuple[str, str, str, str]], _PEM.findall(text)):
        lines = body.split("\n") if ":" in body else re.findall(r".{1,64}", re.sub(r"\s+", "", body))
        blocks.append("\n".join((begin, *lines, end)) + "\n")
    return "".join(blocks) or text


def _json(value: object) -> object:
    if isinstance(value, dict | list):
        return cast(object, value)
    try:
        found: object = json.loads(_text(value))
    except (ValueError, RecursionError):
        raise Unfit("This must be JSON.") from None
    if not isinstance(found, dict | list):
        raise Unfit("This must be a JSON object or list.")
    return cast(object, found)


def _list(value: object) -> list[str]:
    if isinstance(value, str):
        value = _json(value) if value.lstrip().startswith("[") else re.split(r"[,\n]", _text(value))
    if not isinstance(value, list):
        raise Unfit("This must be a list.")
    items = [_text(item).strip() for item in cast(list[object], value)]
    return [item for item in items if item]


_READERS: dict[InputType, Callable[[object], object]] = {
    "string": _line,
    "text": _text,
    "number": _number,
    "boolean": _boolean,
    "choice": _choice,
    "url": _url,
    "hostname": _hostname,
    "email": _email,
    "uuid": _uuid,
    "pem": _pem,
    "json": _json,
    "list": _list,
}
