"""What a command says and answers when it fails: one line on standard error, every fault under it, an exit status."""

import sys

from tieline.cli.printing import one_line
from tieline.errors import Fault, TielineError

OURS, USAGE, MISSING, REFUSED, CONFLICT, PROVIDER = 1, 2, 3, 4, 5, 6
"""Exit statuses: our own trouble, how it was asked, not found, unauthorized or forbidden, conflict, the provider."""

_PROVIDERS = frozenset(
    {
        "provider-unavailable",
        "provider-refused",
        "provider-unreadable",
        "check-failed",
        "code-expired",
        "scopes-missing",
        "rate-limited",
    }
)
_OF_STATUS = {401: REFUSED, 403: REFUSED, 404: MISSING, 410: MISSING, 409: CONFLICT, 429: PROVIDER}


def exit_status(error: TielineError) -> int:
    if error.code in _PROVIDERS:
        return PROVIDER
    return OURS if error.status >= 500 else of_http(error.status)


def of_http(status: int) -> int:
    """The exit status for an answer of a provider: 0 below 400."""
    if status < 400:
        return 0
    return _OF_STATUS.get(status, PROVIDER if status >= 500 else USAGE)


def show_error(error: TielineError) -> None:
    title, detail = one_line(error.title), one_line(error.detail)
    say(f"error: {title}" if detail in ("", title) else f"error: {title}: {detail}")
    for fault in error.errors:
        show_fault(fault)
    if error.retry_after is not None:
        say(f"  try again in {error.retry_after:g} s")


def show_fault(fault: Fault) -> None:
    mark = "" if fault.severity == "error" else f"{fault.severity}: "
    say(f"  {one_line(fault.path) or '/'}: {mark}{one_line(fault.message)}")
    if fault.hint:
        say(f"      {one_line(fault.hint)}")


def say(line: str) -> None:
    """To people, on standard error: standard output is for what was asked for."""
    print(line, file=sys.stderr, flush=True)
