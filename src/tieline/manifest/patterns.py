"""Patterns in documents: RE2, which takes linear time whatever their authors write, anchored at both ends."""

from functools import lru_cache
from typing import Any

import re2

LONGEST = 500

_RE2: Any = re2  # it has no types
_OPTIONS = _RE2.Options()
_OPTIONS.log_errors = False
_OPTIONS.max_mem = 1024 * 1024


def pattern_fault(pattern: str, *, longest: int = LONGEST) -> str:
    """What is wrong with a pattern, as a sentence; empty when nothing is."""
    if len(pattern) > longest:
        return f"A pattern here has at most {longest} characters."
    try:
        _compiled(pattern)
    except (_RE2.error, UnicodeEncodeError):
        return "This is no RE2 regular expression (there are no lookarounds and no back references)."
    return ""


def fits(pattern: str, text: str) -> bool:
    """Whether the whole text matches. The pattern must be without fault."""
    try:
        return _compiled(pattern).fullmatch(text) is not None
    except UnicodeEncodeError:
        return False


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    return _RE2.compile(pattern, _OPTIONS)
