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
        members = self.members() | {"facts": self.facts, "seq": seq, "prevHash": prev_hash}
        return hashlib.sha256(canonical(members).encode()).hexdigest()

    def members(self) -> dict[str, object]:
        return {
            "id": self.id,
            "organization": self.org,
            "at": moment(self.at),
            "actor": self.actor,
            "action": self.action,
            "target": self.target,
            "outcome": self.outcome,
            "facts": read_facts(self.facts),
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
        return _HEAD + canonical(self.members()).encode()


class Walk:
    """Is shown all events of an organization in order, each head right behind its event, unsealed ones last."""

    def __init__(self, org: str, key: Ed25519PublicKey | None) -> None:
        self._org = org
        self._key = key
        self._seq: int = 0
        self._hash: str = GENESIS
        self._heads = 0
        self._head_seq = 0
        self._unsealed = 0
        self._broken: tuple[int, str] | None = None

    def show(self, item: Entry | Head) -> None:
        if isinstance(item, Entry) and item.seq is None:
            self._unsealed += 1
        elif self._broken is None and (reason := self._fault(item)):
            self._broken = (self._seq + 1 if isinstance(item, Entry) else self._head_seq + 1, reason)

    def end(self) -> Verification:
        # A seal signs a head together with its last event.
        if self._broken is None and self._head_seq != self._seq:
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

    def _fault(self, item: Entry | Head) -> str | None:
        if item.org != self._org:
            return "it belongs to another organization"
        return self._event_fault(item) if isinstance(item, Entry) else self._head_fault(item)

    def _event_fault(self, entry: Entry) -> str | None:
        seq, own = self._seq + 1, entry.hash_at(self._seq + 1, self._hash)
        if entry.seq != seq:
            return "an event is missing"
        if entry.prev_hash != self._hash:
            return "it does not follow the event before it"
        if entry.hash != own:
            return "it was changed"
        self._seq, self._hash = seq, own
        return None

    def _head_fault(self, head: Head) -> str | None:
        if head.seq != self._seq or head.hash != self._hash:
            return "a signed head says otherwise"
        if self._key is None or not head.signed_by(self._key):
            return "the signature of a head does not hold"
        self._heads, self._head_seq = self._heads + 1, head.seq
        return None


def canonical(value: object) -> str:
    """JSON with sorted names, no blanks and no escapes beyond what JSON demands.

    Raises TypeError for what may hide a secret (a Secret, bytes, any object), ValueError for NaN.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_plain)


def read_facts(text: str) -> dict[str, object]:
    """What cannot be read was changed in the database; it is shown all the same."""
    try:
        facts: object = json.loads(text)
    except ValueError:
        return {"unreadable": text}
    return facts if isinstance(facts, dict) else {"unreadable": text}  # pyright: ignore[reportUnknownVariableType]


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
