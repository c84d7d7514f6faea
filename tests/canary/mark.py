"""What makes a secret of a test recognisable: a word that stands in all of them, and nowhere else.

The practice provider's tokens and our own random texts get it as they are made (`marked`), what is typed in has it.
"""

MARK = "xqcanaryjwkz"
KEY = f"practice-{MARK}"
"""An API key that the practice provider accepts, as somebody types it."""
WRONG_KEY = f"nobody-{MARK}"
PASSWORD = f"{MARK}-password"
CLIENT_SECRET = f'{MARK} "+/%&=~<secret>'
"""With what encodings treat in different ways."""


def marked(random: str) -> str:
    """As long as before, and still random behind the mark."""
    return MARK + random[len(MARK) :]
