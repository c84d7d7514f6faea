"""Identifiers: a prefix and lowercase Crockford base32 of a UUIDv7 (RFC 9562, section 5.7), so they sort by time."""

import hashlib
import os
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]


def new_id(prefix: str) -> str:
    """`conn_01jd...`: 26 characters behind the prefix, ascending within a millisecond's resolution."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10))
    value = (milliseconds << 80) | random
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return prefix + "_" + _base32(value)


def made_id(prefix: str, *parts: str) -> str:
    """The same id for the same parts, so that it is known before its row is stored. Says nothing about time."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return prefix + "_" + _base32(int.from_bytes(digest[:16]))


def _base32(value: int) -> str:
    # Two letters at a time: ids are made on the hot path.
    return "".join([_PAIRS[(value >> shift) & 1023] for shift in range(120, -1, -10)])
