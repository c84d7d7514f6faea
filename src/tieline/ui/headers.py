"""What our pages may load, who may frame them, and what they tell other sites."""

import re
from urllib.parse import urlsplit

_ORIGIN = re.compile(r"https?://(?:[a-z0-9-]+(?:\.[a-z0-9-]+)*|\[[0-9a-f:]+\])(?::[0-9]{1,5})?")
_NOBODY = "'none'"


def page_headers(
    *, embed_origin: str | None = None, logo_url: str | None = None, script_nonce: str = "", sends_forms: bool = False
) -> dict[str, str]:
    """For one page. `sends_forms` leaves form-action open.

    Chrome applies form-action to the redirect after a form too, and ours goes to the provider, or to the application.
    `same-origin` keeps the Origin header of our own forms, and tells providers nothing about our addresses.
    """
    framed = embed_origin if embed_origin and _ORIGIN.fullmatch(embed_origin) else None
    policy = [
        "default-src 'none'",
        "style-src 'self'",
        "img-src https:" if logo_url else "",
        f"script-src 'nonce-{script_nonce}'" if script_nonce else "",
        "" if sends_forms else "form-action 'none'",
        "base-uri 'none'",
        f"frame-ancestors {framed or _NOBODY}",
    ]
    headers = {
        "Content-Security-Policy": "; ".join(filter(None, policy)),
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex",
        "Cache-Control": "no-store",
    }
    return headers if framed else {**headers, "X-Frame-Options": "DENY"}


def safe_logo(url: str | None) -> str | None:
    """A logo that a browser may be sent for: https, and nothing else."""
    if not url or any(ord(letter) <= 32 for letter in url):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme == "https" and parts.hostname and "@" not in parts.netloc else None
