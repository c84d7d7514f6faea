"""What may be logged of a call: where to, what came back, how long it took. Nothing that could hold a secret. Pure."""

from urllib.parse import urlsplit

from tieline.protocols.http import HttpRequest


def for_log(request: HttpRequest, *, status: int | None = None, milliseconds: int | None = None) -> dict[str, object]:
    """Method, scheme, host, port, status and time. No path, query, header or body: each may hold a token."""
    try:
        parts = urlsplit(request.url)
        scheme, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError:
        scheme, host, port = None, None, None
    facts = {
        "method": request.method,
        "scheme": scheme,
        "host": host,
        "port": port,
        "status": status,
        "milliseconds": milliseconds,
    }
    return {name: value for name, value in facts.items() if value is not None}
