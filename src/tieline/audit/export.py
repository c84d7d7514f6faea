"""PURE. The export: JSON lines that anybody can verify offline, with nothing but this module or the words here.

The first line names the organization and its public key (base64 of the raw Ed25519 key); then events and heads in
the order of the chain, then unsealed events. The last line, `{"type":"end",...}`, is signed as heads are, and covers
them all: a file that lost its end, whatever was written behind the cut, does not verify.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tieline.audit.chain import End, Entry, Head, Mark, Walk, canonical
from tieline.audit.types import Verification
from tieline.errors import InvalidRequest


def first_line(org: str, key: Ed25519PublicKey | None) -> str:
    encoded = b64encode(key.public_bytes_raw()).decode() if key else None
    return canonical({"type": "audit", "version": 1, "organization": org, "publicKey": encoded})


def line(item: Entry | Head) -> str:
    if isinstance(item, Head):
        kind = "end" if isinstance(item, End) else "head"
        return canonical({"type": kind, **item.members(), "signature": item.signature})
    place = {"seq": item.seq, "prevHash": item.prev_hash, "hash": item.hash}
    return canonical({"type": "event", **item.members(), **place})


def verify_export(lines: Iterable[str], *, public_key: str | None = None, noted: Iterable[Mark] = ()) -> Verification:
    """Whoever made the file also wrote the key in it: give the `public_key` you noted earlier to trust nothing in it,
    and the places of the chain that you `noted`, to see that it was not set back to before them.

    Raises InvalidRequest when it is not an export, or not a whole one.
    """
    given = (_members(number, text) for number, text in enumerate(lines, start=1) if text.strip())
    first = next(given, None)
    if first is None or first.get("type") != "audit" or first.get("version") != 1:
        raise InvalidRequest("This is not an export of the audit: its first line must have the type audit.")
    walk = Walk(str(first.get("organization")), _key(public_key or first.get("publicKey")), noted=noted)
    for members in given:
        walk.show(_item(members))
        if members["type"] == "end":
            return walk.end()
    raise InvalidRequest("The export ends too early: its last line is missing.")


def _members(number: int, text: str) -> dict[str, Any]:
    try:
        members: object = json.loads(text)
    except ValueError as error:
        raise InvalidRequest(f"Line {number} of the export is not JSON.") from error
    if not isinstance(members, dict):
        raise InvalidRequest(f"Line {number} of the export is not an object.")
    return members  # pyright: ignore[reportUnknownVariableType]  # an object's members are what JSON has


def _item(members: dict[str, Any]) -> Entry | Head:
    try:
        org, at = members["organization"], datetime.fromisoformat(members["at"])
        if members["type"] in ("head", "end"):
            kind = Head if members["type"] == "head" else End
            return kind(org, members["seq"], members["hash"], at, members["signature"])
        return Entry(
            members["id"],
            org,
            at,
            members["actor"],
            members["action"],
            members["target"],
            members["outcome"],
            canonical(members["facts"]),
            members["seq"],
            members["prevHash"],
            members["hash"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidRequest("A line of the export lacks what every event and head has.") from error


def _key(encoded: str | None) -> Ed25519PublicKey | None:
    try:
        return Ed25519PublicKey.from_public_bytes(b64decode(encoded, validate=True)) if encoded else None
    except ValueError as error:
        raise InvalidRequest("The public key must be base64 of 32 bytes.") from error
