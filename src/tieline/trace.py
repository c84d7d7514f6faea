"""An unexpected error as a log may show it: its kind and where it happened, without message and without variables.

Either of those may hold a token, a code, or what somebody typed.
"""

from traceback import extract_tb

_STEPS = 12


def kind_and_steps(error: BaseException) -> dict[str, object]:
    """`error`, the name of its class, and `steps`, the innermost lines of code that it passed."""
    steps = [f"{step.filename}:{step.lineno} {step.name}" for step in extract_tb(error.__traceback__)]
    return {"error": type(error).__name__, "steps": steps[-_STEPS:]}
