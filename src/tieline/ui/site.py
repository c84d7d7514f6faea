"""Where the pages live, by the public address alone: what a request says about its host is never believed."""

import secrets
import string
from dataclasses import dataclass
from urllib.parse import urlsplit

_LETTERS = frozenset(string.ascii_letters + string.digits + "-_")
_LENGTH = 43


@dataclass(frozen=True)
class Site:
    """`origin` is as the Origin header has it, without the scheme's own port; `path` begins all our paths, and has no
    slash at its end."""

    origin: str
    path: str
    cookie: str
    secure: bool

    @classmethod
    def at(cls, public_url: str) -> "Site":
        parts = urlsplit(public_url)
        secure = parts.scheme == "https"
        # Browsers refuse the prefix, and Secure, on http.
        cookie = "__Host-tieline_browser" if secure else "tieline_browser"
        origin = f"{parts.scheme}://{parts.netloc.removesuffix(':443' if secure else ':80')}".lower()
        return cls(origin, parts.path.rstrip("/"), cookie, secure)


def new_browser() -> str:
    """256 random bits, which name one browser."""
    return secrets.token_urlsafe(32)


def is_browser(value: str | None) -> bool:
    """Whether it may be one that was made here."""
    return value is not None and len(value) == _LENGTH and _LETTERS.issuperset(value)
