"""The eight encodings in which a secret may leave unseen, at any place in what surrounds it.

Raw; percent-encoded; base64 and base64url (so also inside a Basic pair or a JWT); hex; escaped as JSON, Python and
HTML do; UTF-16; reversed.
"""

import base64
import html
import json
from collections.abc import Callable
from functools import lru_cache
from urllib.parse import quote


@lru_cache(1024)
def encodings(secret: str | bytes) -> dict[str, set[bytes]]:
    """By name, each with its spellings."""
    plain = secret if isinstance(secret, bytes) else secret.encode()
    text = plain.decode("latin-1") if isinstance(secret, bytes) else secret
    every = "".join(f"%{byte:02x}" for byte in plain)
    return {
        "raw": {plain},
        "percent": {quote(plain, safe="").encode(), every.encode(), every.upper().encode()},
        "base64": _base64(plain, base64.b64encode),
        "base64url": _base64(plain, base64.urlsafe_b64encode),
        "hex": {plain.hex().encode(), plain.hex().upper().encode()},
        "escaped": {
            json.dumps(text)[1:-1].encode(),
            repr(text)[1:-1].encode(),
            html.escape(text).encode(),
            "".join(f"\\u{ord(letter):04x}" for letter in text).encode(),
        },
        "utf16": {text.encode("utf-16-le"), text.encode("utf-16-be")},
        "reversed": {plain[::-1]},
    }


def _base64(plain: bytes, encode: Callable[[bytes], bytes]) -> set[bytes]:
    """It looks different at each of three places in what is encoded; the ends depend on the neighbours."""
    return {encode(b"x" * shift + plain)[4:-4] for shift in range(3)}
