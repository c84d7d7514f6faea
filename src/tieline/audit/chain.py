"""PURE. The hash chain of one organization's events, and the signed heads that fix it.

An event's hash covers the one before it; a head is an Ed25519 signature over the newest hash. So a changed, removed
or reordered event shows, and nobody can make the chain anew without the key.
"""

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tieline.audit.types import Verification

GENESIS = "0" * 64
_HEAD = b"tieline audit head 1\n"


@dataclass(frozen=True)
class Entry:
    """One event as it is hashed; `facts` is canonical JSON."""

    id: str
    org: str
    at: datetime
    actor: str
    action: str
    target: str
    outcome: str
    facts: str

    def hash(self, *, seq: int, prev_hash: str) -> str:
        """Hexadecimal SHA-256 over the canonical JSON of all members, of the place and of what stands before it."""
        members = {
            "id": self.id,
            "organization": self.org,
            "at": moment(self.at),
            "actor": self.actor,
            "action": self.action,
            "target": self.target,
            "outcome": self.outcome,
            "facts": json.loads(self.facts),
            "seq": seq,
            "prevHash": prev_hash,
        }
        return hashlib.sha256(canonical(members).encode()).hexdigest()


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

    def _signed(self) -> bytes:
        members = {"organization": self.org, "seq": self.seq, "hash": self.hash, "at": moment(self.at)}
        return _HEAD + canonical(members).encode()


class Walk:
    """Is shown all sealed events in order, and all heads in order, each head no later than the event after its own."""

    def __init__(self, key: Ed25519PublicKey | None) -> None:
        self._key = key
        self._seq = 0
        self._hash = GENESIS
        self._heads = 0
        self._head_seq = 0
        self._unsealed = 0
        self._broken: tuple[int, str] | None = None

    def event(self, entry: Entry, *, seq: int, prev_hash: str, hash: str) -> None:
        if self._broken:
            return
        if seq != self._seq + 1:
            self._broken = (self._seq + 1, "an event is missing")
        elif prev_hash != self._hash:
            self._broken = (seq, "it does not follow the event before it")
        elif entry.hash(seq=seq, prev_hash=prev_hash) != hash:
            self._broken = (seq, "it was changed")
        else:
            self._seq, self._hash = seq, hash

    def head(self, head: Head) -> None:
        if self._broken:
            return
        if head.seq != self._seq:
            self._broken = (self._seq + 1, "events of a signed head are missing")
        elif head.hash != self._hash:
            self._broken = (head.seq, "a signed head says otherwise")
        elif self._key is None or not head.signed_by(self._key):
            self._broken = (head.seq, "the signature of a head does not hold")
        else:
            self._heads += 1
            self._head_seq = head.seq

    def unsealed(self, count: int) -> None:
        self._unsealed += count

    def end(self) -> Verification:
        # Each seal signs a head with its last event.
        if not self._broken and self._head_seq != self._seq:
            self._broken = (self._head_seq + 1, "no signed head covers it")
        seq, reason = self._broken or (None, None)
        return Verification(
            ok=self._broken is None,
            events=self._seq,
            heads=self._heads,
            unsealed=self._unsealed,
            broken=seq,
            reason=reason,
        )


def canonical(value: object) -> str:
    """JSON with sorted names, no blanks and no escapes beyond what JSON demands.

    Raises TypeError for what may hide a secret (a Secret, bytes, any object), ValueError for NaN.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_plain)


def moment(at: datetime) -> str:
    """`2026-01-31T12:00:00.000000Z`: always microseconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


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
