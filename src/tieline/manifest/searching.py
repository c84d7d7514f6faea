"""Searching with the patterns of `match` and `matches`: RE2, bounded in pattern, in subject and in their product."""

from functools import lru_cache
from typing import Any

import re2

from tieline.manifest.values import Unrenderable, text_of

MAX_PATTERN = 200
MAX_SUBJECT = 64 * 1024

_MAX_STEPS = 3_000_000  # 30 ms

_RE2: Any = re2  # it has no types
_OPTIONS = _RE2.Options()
_OPTIONS.log_errors = False
_OPTIONS.max_mem = 1024 * 1024


def first_match(pattern: str, subject: str) -> str | None:
    """The first group if the pattern has one, else the whole match; None if there is none. Raises Unrenderable."""
    found = _search(pattern, subject)
    if found is None:
        return None
    return found[1] if found.re.groups else found[0]


def is_found(pattern: str, subject: str) -> bool:
    """Whether the pattern matches anywhere, if only with empty text. Raises Unrenderable."""
    return _search(pattern, subject) is not None


def steps(pattern: str, subject: str) -> int:
    """What a search costs at the very worst: instructions of the pattern times characters; 10 ns each."""
    return compiled(pattern).programsize * len(subject)


def _search(pattern: str, subject: str) -> Any:
    expression = compiled(pattern)
    if len(subject) > MAX_SUBJECT or steps(pattern, subject) > _MAX_STEPS:
        raise Unrenderable("The text is too long for this pattern.")
    try:
        return expression.search(subject)
    except UnicodeEncodeError:
        raise Unrenderable("The text holds half a character.") from None


@lru_cache(maxsize=256)
def compiled(pattern: object) -> Any:
    """Raises Unrenderable."""
    text = text_of(pattern)
    if len(text) > MAX_PATTERN:
        raise Unrenderable(f"A pattern has at most {MAX_PATTERN} characters.")
    try:
        return _RE2.compile(text, _OPTIONS)
    except (_RE2.error, UnicodeEncodeError):
        raise Unrenderable("The pattern is not valid in RE2 (no lookaround, no back references).") from None
