"""One HTTP call and its answer, as values. Their repr shows no header value, no query and no body."""

from dataclasses import dataclass, replace
from urllib.parse import urlsplit

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, repr=False)
class HttpRequest:
    """`url` is absolute and final: nothing is decoded or joined after this."""

    method: str
    url: str
    headers: Headers = ()
    body: bytes = b""

    def with_header(self, name: str, value: str) -> "HttpRequest":
        """The same call with this header instead of any of that name."""
        kept = tuple(pair for pair in self.headers if pair[0].lower() != name.lower())
        return replace(self, headers=(*kept, (name, value)))

    def header(self, name: str) -> str | None:
        return _header(self.headers, name)

    def __repr__(self) -> str:
        parts = urlsplit(self.url)
        return f"HttpRequest({self.method} {parts.scheme}://{parts.hostname}{parts.path})"


@dataclass(frozen=True, repr=False)
class HttpResponse:
    """A whole answer, read into memory under a size limit."""

    status: int
    headers: Headers = ()
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The first header of that name, in any case."""
        return _header(self.headers, name)

    def __repr__(self) -> str:
        return f"HttpResponse({self.status}, {len(self.body)} bytes)"


def _header(headers: Headers, name: str) -> str | None:
    wanted = name.lower()
    return next((value for key, value in headers if key.lower() == wanted), None)
