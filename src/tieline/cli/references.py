"""How a connection is named on the command line."""

from typing import TYPE_CHECKING

from tieline.errors import InvalidRequest

if TYPE_CHECKING:
    from tieline.connections import Reference


def read_reference(text: str, account: str | None = None) -> "Reference":
    """`conn_...`, or `ada/acme`; `-/acme` is the organization's own. Raises InvalidRequest."""
    from tieline.connections import Reference

    end_user, slash, provider = text.rpartition("/")
    if not slash:
        return Reference(id=text)
    if not end_user or not provider:
        raise InvalidRequest(f"{text[:60]!r} names no connection: give an id (conn_...), or USER/PROVIDER.")
    return Reference(end_user="" if end_user == "-" else end_user, provider=provider, account=account)
