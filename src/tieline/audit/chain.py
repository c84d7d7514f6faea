"""PURE. The hash chain of one organization's events, and the signed heads that fix it.

An event's hash covers the one before it; a head is an Ed25519 signature over the newest hash. So a changed, removed
or reordered event shows, and nobody can make the chain anew without the key. That its end was cut off shows against
what somebody noted elsewhere: a place and its hash, `12:9f86...`.
"""

import hashlib
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tieline.audit.types import Verification
from tieline.errors import InvalidRequest

GENESIS = "0" * 64
_HEAD = b"tieline audit head 1\n"
_END = b"tieline audit end 1\n"
Mark = tuple[int, str]
"""A sequence number, and the hash of the event that has it."""


@dataclass(frozen=True)
class Entry:
    """One event; `facts` is canonical JSON. The last three come with the seal."""

    id: str
    org: str
    at: datetime
    actor: str
    action: str
    target: str
    outcome: str
    facts: str
    seq: int | None = None
    prev_hash: str | None = None
    hash: str | None = None

    def hash_at(self, seq: int, prev_hash: str) -> str:
        """Hexadecimal SHA-256 over the canonical JSON of all members, of the place and of what stands before it.

        In it, `facts` is a string: their canonical JSON.
        """
        members = self._plain() | {"facts": self.facts, "seq": seq, "prevHash": prev_hash}
        return hashlib.sha256(canonical(members).encode()).hexdigest()

    def members(self) -> dict[str, object]:
        return self._plain() | {"facts": read_facts(self.facts)}

    def _plain(self) -> dict[str, object]:
        return {
            "id": self.id,
            "organization": self.org,
            "at": moment(self.at),
            "actor": self.actor,
            "action": self.action,
            "target": self.target,
            "outcome": self.outcome,
        }


@dataclass(frozen=True)
class Head:
    """`signature` is base64 of 64 bytes."""

    org: str
    seq: int
    hash: str
    at: datetime
    signature: str = ""

    def sign(self, key: Ed25519PrivateKey) -> str:
        return b64encode(key.sign(self._signed())).decode()

    def signed_by(self, key: Ed25519PublicKey) -> bool:
        try:
            key.verify(b64decode(self.signature, validate=True), self._signed())
        except (InvalidSignature, ValueError):
            return False
        return True

    def members(self) -> dict[str, object]:
        return {"organization": self.org, "seq": self.seq, "hash": self.hash, "at": moment(self.at)}

    def _signed(self) -> bytes:
        return self._purpose() + canonical(self.members()).encode()

    def _purpose(self) -> bytes:
        return _HEAD


@dataclass(frozen=True)
class End(Head):
    """Closes an export. It counts the unsealed events too, as if they were sealed where they stand."""

    def _purpose(self) -> bytes:
        return _END


class Walk:
    """Is shown all events of an organization in order, each head right behind its event, unsealed ones last.

    The chain must reach and agree with each of the places that were `noted`.
    """

    def __init__(self, org: str, key: Ed25519PublicKey | None, *, noted: Iterable[Mark] = ()) -> None:
        self._org = org
        self._key = key
        self._noted = [mark for mark in noted if mark[0] > 0]
        self._seq: int = 0
        self._hash: str = GENESIS
        self._tail: Mark = (0, GENESIS)
        self._heads = 0
        self._head_seq = 0
        self._broken: tuple[int, str] | None = None

    def show(self, item: Entry | Head) -> None:
        if isinstance(item, Entry) and item.seq is None:
            seq, before = self._tail
            self._tail = seq + 1, item.hash_at(seq + 1, before)
        elif self._broken is None and (reason := self._fault(item)):
            self._broken = (self._seq + 1 if isinstance(item, Entry) else self._head_seq + 1, reason)

    def end(self) -> Verification:
        # A seal signs a head together with its last event.
        if self._broken is None and self._head_seq != self._seq:
            self._broken = (self._head_seq + 1, "no signed head covers it")
        if self._broken is None and any(seq > self._seq for seq, _ in self._noted):
            self._broken = (self._seq + 1, "the end of the chain is missing")
        seq, reason = self._broken or (None, None)
        return Verification(
            ok=self._broken is None,
            events=self._seq,
            heads=self._heads,
            unsealed=self._tail[0] - self._seq,
            hash=self._hash if self._seq else None,
            broken=seq,
            reason=reason,
        )

    def _fault(self, item: Entry | Head) -> str | None:
        if item.org != self._org:
            return "it belongs to another organization"
        match item:
            case Entry():
                return self._event_fault(item)
            case End():
                return self._end_fault(item)
            case Head():
                return self._head_fault(item)

    def _event_fault(self, entry: Entry) -> str | None:
        seq, own = self._seq + 1, entry.hash_at(self._seq + 1, self._hash)
        if entry.seq != seq:
            return "an event is missing"
        if entry.prev_hash != self._hash:
            return "it does not follow the event before it"
        if entry.hash != own:
            return "it was changed"
        if any(place == seq and noted != own for place, noted in self._noted):
            return "another event was noted here"
        self._seq, self._hash, self._tail = seq, own, (seq, own)
        return None

    def _head_fault(self, head: Head) -> str | None:
        if head.seq != self._seq or head.hash != self._hash:
            return "a signed head says otherwise"
        if self._key is None or not head.signed_by(self._key):
            return "the signature of a head does not hold"
        self._heads, self._head_seq = self._heads + 1, head.seq
        return None

    def _end_fault(self, end: End) -> str | None:
        if (end.seq, end.hash) != self._tail:
            return "the signed end says otherwise"
        # Before the first seal there is no key, and nothing that it could protect.
        unsigned = self._key is None and self._seq == 0
        if not unsigned and (self._key is None or not end.signed_by(self._key)):
            return "the signature of the end does not hold"
        return None


def read_mark(text: str) -> Mark:
    """`12:9f86...`. Raises InvalidRequest."""
    seq, _, digest = text.partition(":")
    if not seq.isascii() or not seq.isdigit() or len(seq) > 18 or not re.fullmatch("[0-9a-f]{64}", digest):
        raise InvalidRequest("What was noted is a sequence number and a hash, as `audit verify` shows them: 12:9f86...")
    return int(seq), digest


def canonical(value: object) -> str:
    """JSON with sorted names, no blanks and no escapes beyond what JSON demands.

    Raises TypeError for what may hide a secret (a Secret, bytes, any object), ValueError for NaN.
    """
    return _canonical.encode(value)


def read_facts(text: str) -> dict[str, object]:
    """What cannot be read was changed in the database; it is shown all the same."""
    try:
        facts: object = json.loads(text)
    except ValueError:
        return {"unreadable": text}
    return facts if isinstance(facts, dict) else {"unreadable": text}  # pyright: ignore[reportUnknownVariableType]


def moment(at: datetime) -> str:
    """`2026-01-31T12:00:00.000000Z`: always microseconds."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _plain(value: object) -> object:
    match value:
        case datetime():
            return moment(value)
        case date():
            return value.isoformat()
        case frozenset() | set():
            return sorted(value, key=str)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        case Mapping():
            return dict(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        case _:
            raise TypeError(f"the audit takes plain values, not {type(value).__name__}")


_canonical = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_plain
)
