"""The key file of an embedded install: mode 0600, made once, and replaced whole or not at all."""

import os
import secrets
from pathlib import Path

from tieline.errors import Misconfigured
from tieline.secret import Secret
from tieline.storage.keyring import KeyRing


def read(file: Path) -> KeyRing | None:
    """None when there is none. Raises Misconfigured when others may read it."""
    if not file.exists():
        return None
    if file.stat().st_mode & 0o077:
        raise Misconfigured(f"Others may read the key file {file}. Run: chmod 600 {file}")
    return KeyRing.parse(Secret(file.read_text()))


def make(file: Path) -> KeyRing:
    """A new ring. Of several that make one at once, all get the first one's."""
    _create(file, KeyRing.generate().text)
    return KeyRing.parse(Secret(file.read_text()))


def replace(file: Path, ring: KeyRing) -> None:
    """Another ring in its place: a reader sees the old one or the new one, never a part."""
    draft = _draft(file, ring.text)
    draft.rename(file)
    _sync(file.parent)


def _create(file: Path, text: Secret) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = _draft(file, text)
    try:
        # Unlike renaming, linking never replaces a file that another process made meanwhile.
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    _sync(file.parent)


def _draft(file: Path, text: Secret) -> Path:
    draft = file.with_name(f".keys-{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as opened:
            opened.write(text.reveal() + "\n")
            opened.flush()
            os.fsync(opened.fileno())
    except OSError:
        draft.unlink()
        raise
    return draft


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
