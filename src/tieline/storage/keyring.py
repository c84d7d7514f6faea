"""The keys that seal: several with ids, so that they can be changed; the first one seals, all of them open."""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from tieline.errors import Misconfigured
from tieline.secret import Secret

KEY_BYTES = 32
HOW = 'Set TIELINE_KEYS="k1:$(openssl rand -base64 32)", and keep a copy: without it nothing stored can be read.'
_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, repr=False)
class KeyRing:
    """`primary` is the id of the key that seals."""

    primary: str
    keys: Mapping[str, bytes]

    @classmethod
    def parse(cls, text: Secret) -> "KeyRing":
        """`id:base64,id2:base64`, the sealing one first. Raises Misconfigured, which never repeats a key."""
        keys: dict[str, bytes] = {}
        for number, item in enumerate(text.reveal().replace(",", " ").split(), start=1):
            key_id, _, encoded = item.partition(":")
            key = _decoded(encoded)
            if not _ID.fullmatch(key_id) or len(key) != KEY_BYTES:
                raise Misconfigured(f"Key {number} of the key ring is not id:base64 of {KEY_BYTES} bytes. {HOW}")
            if key_id in keys:
                raise Misconfigured(f"The key ring names {key_id} twice.")
            keys[key_id] = key
        if not keys:
            raise Misconfigured(f"The key ring is empty. {HOW}")
        return cls(next(iter(keys)), keys)

    @classmethod
    def generate(cls, key_id: str = "k1") -> "KeyRing":
        return cls(key_id, {key_id: secrets.token_bytes(KEY_BYTES)})

    @property
    def text(self) -> Secret:
        """What `parse` reads."""
        ordered = sorted(self.keys, key=lambda key_id: key_id != self.primary)
        return Secret(",".join(f"{key_id}:{base64.b64encode(self.keys[key_id]).decode()}" for key_id in ordered))

    def joined_by(self, other: "KeyRing") -> "KeyRing":
        """With the other's keys, which open; what seals stays."""
        return KeyRing(self.primary, {**self.keys, **other.keys})

    def led_by(self, key_id: str) -> "KeyRing":
        """The same keys, of which this one seals. Raises KeyError."""
        return KeyRing(key_id, {key_id: self.keys[key_id], **self.keys})

    def without(self, key_id: str) -> "KeyRing":
        return KeyRing(self.primary, {each: key for each, key in self.keys.items() if each != key_id})

    def free_id(self) -> str:
        """k1, k2 ...: the first behind all that are used."""
        numbers = [int(key_id[1:]) for key_id in self.keys if re.fullmatch(r"k[0-9]{1,9}", key_id)]
        return f"k{max(numbers, default=0) + 1}"

    def check_value(self, key_id: str) -> str:
        """Tells a wrong key from the right one, and gives neither away."""
        text = b"tieline check value 1\0" + key_id.encode()
        return hmac.new(self.keys[key_id], text, hashlib.sha256).hexdigest()

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self.keys)})"


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
