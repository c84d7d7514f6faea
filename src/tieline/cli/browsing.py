"""Whether there is a browser with a window: one in the terminal would take the terminal away."""

import os
import sys


def open_browser(url: str) -> bool:
    """False when there is none, or nobody is looking."""
    return has_browser() and _open(url)


def has_browser() -> bool:
    windowed = sys.platform in ("darwin", "win32")
    windowed = windowed or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
    return windowed and sys.stdout.isatty()


def _open(url: str) -> bool:
    import webbrowser

    return webbrowser.open(url)
