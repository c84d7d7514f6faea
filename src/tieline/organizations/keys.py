"""API keys as text: `tl_`, 256 random bits and a checksum, so that scanners recognise one and typos cost no query."""

import hashlib
import secrets
import string

from tieline.secret import Secret

PREFIX = "tl_"
_LETTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_BODY, _CHECK = 43, 6


def new_key() -> Secret:
    body = "".join(secrets.choice(_LETTERS) for _ in range(_BODY))
    return Secret(PREFIX + body + _checksum(body))


def is_key(text: str) -> bool:
    """Whether it has the form of a key and its checksum fits; says nothing about whether it is known."""
    body, check = text[len(PREFIX) : -_CHECK], text[-_CHECK:]
    return text.startswith(PREFIX) and len(body) == _BODY and check == _checksum(body)


def hash_key(text: str) -> str:
    """What is stored: 256 random bits need no slow hash."""
    return hashlib.sha256(text.encode()).hexdigest()


def _checksum(body: str) -> str:
    number = int.from_bytes(hashlib.sha256(body.encode()).digest()[:8])
    letters = ""
    for _ in range(_CHECK):
        number, digit = divmod(number, len(_LETTERS))
        letters += _LETTERS[digit]
    return letters
