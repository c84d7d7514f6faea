"""What the values in templates are: JSON-like Python, bytes and moments; how each becomes text, and how big it may get.

Null and empty text are one thing here: no value. Messages never carry a value.
"""

import hmac
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeGuard

MAX_TEXT = 1024 * 1024
MAX_BYTES = 8 * 1024 * 1024
MAX_ITEMS = 10_000
BUDGET = 16 * 1024 * 1024
"""The work one rendering may do, in units of about 2.5 ns."""

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


class Missing(Exception):
    """A variable has no value: it is not there, null or empty. `name` is dotted."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} has no value")
        self.name = name


class Unrenderable(Exception):
    """A value does not fit its place or its filter. The message never carries the value."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def is_storable(text: str) -> bool:
    """Whether databases and encoders take it: without NUL and without half of a surrogate pair."""
    return _UNSTORABLE.search(text) is None


def read_json(text: str, *, constant: Callable[[str], object] | None = None) -> object:
    """JSON of a provider, mended; `constant` is asked for NaN and the like. Raises ValueError and RecursionError."""
    value: object = json.loads(text, parse_constant=constant)
    # Going through a large answer takes far longer than reading it, and only an escape makes what cannot be stored.
    return mended(value) if _ESCAPE.search(text) or not is_storable(text) else value


def mended(value: object) -> object:
    """JSON of a provider in which what cannot be stored stands as U+FFFD. Raises RecursionError."""
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if is_mapping(value):
        return {str(mended(name)): mended(member) for name, member in value.items()}
    return [mended(item) for item in value] if is_sequence(value) else value


def is_mapping(value: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(value, Mapping)


def is_sequence(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, list | tuple)


def is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def text_of(value: object) -> str:
    """Text as JSON would write it; bytes must be UTF-8, and a list or a map is no text. Raises Unrenderable."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, bytes):
        return _decoded(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    raise Unrenderable("A list or a map stands where text is needed: use json or join.")


def bytes_of(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        return text_of(value).encode()
    except UnicodeEncodeError:
        raise Unrenderable("The text holds half a character.") from None


def json_of(value: object) -> str:
    """Compact JSON, not escaped to ASCII, as JSON.stringify writes it. Raises Unrenderable when it is too large."""
    if weight_of(value, MAX_TEXT) > MAX_TEXT:
        raise Unrenderable("The value is too large.")
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_plain)
    except (ValueError, RecursionError):
        raise Unrenderable("The value cannot be written as JSON.") from None


def weight_of(value: object, limit: int) -> int:
    """About how many characters its JSON has; counting ends beyond the limit."""
    total, left = 0, [value]
    while left and total <= limit:
        each = left.pop()
        if isinstance(each, str | bytes):
            total += len(each) + 2
        elif is_mapping(each):
            total += 8 * len(each)
            if total <= limit:
                left.extend(each.keys())
                left.extend(each.values())
        elif is_sequence(each):
            total += 8 * len(each)
            if total <= limit:
                left.extend(each)
        else:
            total += 8
    return total


def joined(parts: Iterable[object]) -> str | bytes:
    """The parts as one text; one part of bytes makes the whole bytes, so that signed bytes stay exact.

    They are asked for one by one, so that it ends as soon as it is too large.
    """
    kept: list[str | bytes] = []
    size, exact = 0, False
    for part in parts:
        kept.append(part if isinstance(part, str | bytes) else text_of(part))
        size += len(kept[-1])
        exact = exact or isinstance(part, bytes)
        if size > (MAX_BYTES if exact else MAX_TEXT):
            raise Unrenderable("The text grows too large.")
    if exact:
        return b"".join(map(bytes_of, kept))
    return "".join(map(str, kept))


def same(left: object, right: object) -> bool:
    """Equal as JSON; text equals a number or boolean that is written like it. Texts compare in constant time."""
    if isinstance(left, bytes):
        left = left.decode(errors="surrogateescape")
    if isinstance(right, bytes):
        right = right.decode(errors="surrogateescape")
    if isinstance(left, str) and isinstance(right, str):
        return len(left) == len(right) and hmac.compare_digest(
            left.encode(errors="surrogatepass"), right.encode(errors="surrogatepass")
        )
    if isinstance(left, str) or isinstance(right, str):
        pair = (left, right)
        return all(isinstance(each, str | int | float) for each in pair) and text_of(left) == text_of(right)
    try:
        return isinstance(left, bool) == isinstance(right, bool) and left == right
    except RecursionError:
        return False


def member(value: object, key: object) -> object:
    """One step into a JSON-like value; null where there is no such member. Attributes are never read."""
    if is_mapping(value):
        return value.get(key if isinstance(key, str) else text_of(key))
    if is_sequence(value) and isinstance(key, int) and not isinstance(key, bool) and -len(value) <= key < len(value):
        return value[key]
    return None


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Unrenderable("Bytes stand where text is needed: use hex or base64.") from None


def _plain(value: object) -> str:
    if isinstance(value, bytes | datetime):
        return text_of(value)
    raise ValueError("not a plain value")
