"""Seal and open what must not be read at rest: AES-256-GCM, bound to the very cell it is stored in.

A blob is: version (1 byte), length of the key id (1), key id, nonce (12), ciphertext and tag. Moved to another row,
or its row given other origins, it does not open.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tieline.errors import SealBroken
from tieline.storage.keyring import KeyRing

_VERSION = 1
_NONCE_BYTES = 12


@dataclass(frozen=True)
class About:
    """Where a sealed value is stored. `origins_text` is the row's stored text, as it stands, never recomputed."""

    organization: str
    table: str
    row: str
    field: str
    origins_text: str = ""


class Vault:
    """Knows the keys, and touches no database. `on_broken` hears, in any thread, of every value that did not open."""

    def __init__(self, ring: KeyRing) -> None:
        self.on_broken: Callable[[About, bytes], None] = _nothing
        self.use(ring)

    def use(self, ring: KeyRing) -> None:
        """From now on. What other threads seal right now may still be sealed with the key of before."""
        self._ring = ring, {key_id: AESGCM(key) for key_id, key in ring.keys.items()}

    @property
    def ring(self) -> KeyRing:
        return self._ring[0]

    def seal(self, plain: bytes, *, about: About) -> bytes:
        ring, ciphers = self._ring
        # A random nonce is safe for 2^32 values under one key.
        nonce = os.urandom(_NONCE_BYTES)
        ciphertext = ciphers[ring.primary].encrypt(nonce, plain, _associated(about, ring.primary.encode()))
        return prefix(ring.primary) + nonce + ciphertext

    def open(self, blob: bytes, *, about: About) -> bytes:
        """Raises SealBroken for what was changed or moved, or sealed with a key that the ring does not have."""
        try:
            return self._opened(blob, about)
        except SealBroken:
            self.on_broken(about, blob)
            raise

    def _opened(self, blob: bytes, about: About) -> bytes:
        key_id, rest = _parts(blob, about)
        cipher = self._ring[1].get(key_id.decode(errors="replace"))
        if cipher is None:
            name = ascii(key_id.decode(errors="replace"))
            raise _broken(about, f"It names the key {name}, which is not in the key ring of this process.")
        try:
            return cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], _associated(about, key_id))
        except InvalidTag as error:
            raise _broken(about, "It was changed, put back, or moved from another row.") from error


def prefix(key_id: str) -> bytes:
    """What every blob begins with that this key sealed."""
    return bytes((_VERSION, len(key_id))) + key_id.encode()


def key_id(blob: bytes) -> str:
    """The id of the key that sealed it. Nothing is verified."""
    return _parts(blob, About("", "", "", ""))[0].decode(errors="replace")


def _parts(blob: bytes, about: About) -> tuple[bytes, bytes]:
    """(key id, nonce and ciphertext)."""
    start = 2 + blob[1] if len(blob) > 1 else 0
    if not blob or blob[0] != _VERSION or len(blob) < start + _NONCE_BYTES + 16:
        raise _broken(about, "It is not a sealed value at all.")
    return blob[2:start], blob[start:]


def _associated(about: About, key_id: bytes) -> bytes:
    """Each part with its length before it: no two places give the same bytes."""
    org, table, row, field = about.organization, about.table, about.row, about.field
    place = f"{len(org)}:{org}{len(table)}:{table}{len(row)}:{row}{len(field)}:{field}{len(key_id)}:"
    return place.encode() + key_id + hashlib.sha256(about.origins_text.encode()).digest()


def _broken(about: About, why: str) -> SealBroken:
    return SealBroken(
        f"A stored secret does not open. {why} Restore it, enter it again, or connect again.",
        table=about.table,
        row=about.row,
        field=about.field,
    )


def _nothing(about: About, blob: bytes) -> None:
    pass
