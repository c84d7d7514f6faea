"""What a person or an application gives for the inputs of a document: normalised, checked, completed with defaults.

This happens on the server and before anything is rendered; no message repeats a value.
"""

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from tieline.errors import Fault, InvalidInputs
from tieline.manifest.model import AuthMethod, Input, Provider, Scalar
from tieline.manifest.patterns import fits
from tieline.manifest.templates import Missing, Unrenderable, render_alt
from tieline.manifest.typed import Unfit, mended_pem, read_typed


def inputs_of(provider: Provider, method: AuthMethod) -> dict[str, Input]:
    """The inputs of one method: those all methods share, and its own."""
    return {**provider.inputs, **method.inputs}


def all_inputs(provider: Provider) -> dict[str, Input]:
    """The inputs of every method together: what an admin is asked for once."""
    declared = dict(provider.inputs)
    for method in provider.auth.values():
        declared |= method.inputs
    return declared


def read_inputs(
    declared: Mapping[str, Input], given: Mapping[str, object], *, from_: AbstractSet[str]
) -> dict[str, object]:
    """The values of the inputs that the givers in `from_` are asked for (`{"user", "adminOrUser"}`), by name.

    What is optional and not given is left out; an input that is not visible is not asked for. An admin may leave an
    `adminOrUser` input to the user. Raises InvalidInputs with every fault, at `/inputs/<name>`.
    """
    asked = {name: each for name, each in declared.items() if each.from_ in from_}
    faults = [_unasked(name, asked) for name in given if name not in asked]
    values: dict[str, object] = {}
    for name in _in_order(asked):
        if not _visible(asked[name], declared, values, given):
            continue
        try:
            value = _value_or_default(name, asked[name], given.get(name), may_wait="admin" in from_)
        except InvalidInputs as error:
            faults.extend(error.errors)
            continue
        if value is not None:
            values[name] = value
    if faults:
        raise InvalidInputs(errors=faults)
    return values


def read_value(name: str, declared: Input, given: object) -> object:
    """One value, normalised and checked. Raises InvalidInputs."""
    try:
        value = read_typed(declared.type, _normalised(declared, given) if isinstance(given, str) else given)
        _check(declared, value)
    except Unfit as unfit:
        raise InvalidInputs(errors=[Fault(f"/inputs/{name}", "invalid", str(unfit), _hint(declared))]) from None
    return _option(declared, value) if declared.options else value


def derived(
    declared: Mapping[str, Input], values: Mapping[str, object], scope: Mapping[str, object]
) -> dict[str, object]:
    """What follows from the values: what the chosen options set, what a template fixed, and the computed inputs.

    `scope` holds the engine's names. A formula with a missing variable gives no value. What a person gave stays.
    """
    found: dict[str, object] = {}
    for name, each in declared.items():
        if each.from_ == "template" and each.default is not None:
            found[name] = each.default
        for option in each.options:
            if name in values and _same(option.value, values[name]):
                found.update((key, value) for key, value in option.set.items() if not _typed_in(key, declared, values))
    waiting = {name: each for name, each in declared.items() if each.from_ == "computed" and each.value is not None}
    while waiting:
        done = {
            name: value
            for name, each in waiting.items()
            if (value := _computed(each, {**scope, **values, **found})) is not None
        }
        if not done:
            break
        found.update(done)
        waiting = {name: each for name, each in waiting.items() if name not in done}
    return found


def _computed(declared: Input, scope: Mapping[str, object]) -> object:
    try:
        return render_alt(declared.value or "", scope)
    except (Missing, Unrenderable):
        return None


def _typed_in(name: str, declared: Mapping[str, Input], values: Mapping[str, object]) -> bool:
    return name in values and name in declared and declared[name].from_ in ("user", "admin", "adminOrUser")


def _unasked(name: str, asked: Mapping[str, Input]) -> Fault:
    near = difflib.get_close_matches(name, asked, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(sorted(asked)) or 'none'}."
    return Fault(f"/inputs/{name}", "unknown_input", "Nobody asked for this input.", hint)


def _in_order(asked: Mapping[str, Input]) -> list[str]:
    """An input comes after the one that decides whether it is visible; a circle of those is never visible."""
    ordered: list[str] = []
    waiting = list(asked)
    while waiting:
        ready = [name for name in waiting if (when := asked[name].visible_when) is None or when.input not in waiting]
        if not ready:
            break
        ordered.extend(ready)
        waiting = [name for name in waiting if name not in ready]
    return ordered


def _visible(
    asked: Input, declared: Mapping[str, Input], values: Mapping[str, object], given: Mapping[str, object]
) -> bool:
    if asked.visible_when is None:
        return True
    other = asked.visible_when.input
    fallback = declared[other].default if other in declared else None
    return _same(asked.visible_when.equals, values.get(other, given.get(other, fallback)))


def _value_or_default(name: str, declared: Input, given: object, *, may_wait: bool) -> object:
    if given is not None and given not in ("", []):
        value = read_value(name, declared, given)
        if value not in ("", []):
            return value
    if may_wait and declared.from_ == "adminOrUser":
        return None
    if declared.default is not None:
        return read_value(name, declared, declared.default)
    if declared.required:
        label = declared.label or name
        raise InvalidInputs(errors=[Fault(f"/inputs/{name}", "required", f"{label} is needed.", _hint(declared))])
    return None


def _normalised(declared: Input, text: str) -> str:
    for step in declared.normalize:
        match step:
            case "trim":
                text = text.strip()
            case "lowercase":
                text = text.lower()
            case "uppercase":
                text = text.upper()
            case "stripScheme":
                text = re.sub(r"^\s*[A-Za-z][A-Za-z0-9+.-]*://", "", text)
            case "stripTrailingSlash":
                text = text.rstrip().rstrip("/")
            case "stripPath":
                text = re.sub(r"^((?:[A-Za-z][A-Za-z0-9+.-]*://)?[^/?#]*).*$", r"\1", text, flags=re.DOTALL)
            case "pem":
                text = mended_pem(text)
    if declared.prefix:
        text = text.removeprefix(declared.prefix)
    if declared.suffix:
        text = text.removesuffix(declared.suffix)
    return text


def _check(declared: Input, value: object) -> None:
    if (declared.type == "choice" or declared.options) and _option(declared, value) is None:
        choices = ", ".join(str(option.value) for option in declared.options)
        raise Unfit(f"This must be one of: {choices}.")
    if not isinstance(value, str):
        return
    if declared.min_length is not None and len(value) < declared.min_length:
        raise Unfit(f"This needs at least {declared.min_length} characters.")
    if declared.max_length is not None and len(value) > declared.max_length:
        raise Unfit(f"This may have at most {declared.max_length} characters.")
    if declared.pattern is not None and not fits(declared.pattern, value):
        raise Unfit(declared.pattern_message or "This does not have the form that the provider expects.")


def _option(declared: Input, value: object) -> Scalar | None:
    return next((option.value for option in declared.options if _same(option.value, value)), None)


def _same(one: object, other: object) -> bool:
    """A browser's form gives text where the document has a number or a boolean."""
    return _plain(one) == _plain(other)


def _plain(value: object) -> object:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"{value:g}" if isinstance(value, float) else str(value)
        case _:
            return value


def _hint(declared: Input) -> str:
    if declared.example is not None:
        return f"For example: {declared.example}"
    return declared.help or ""


def asked_of(declared: Mapping[str, Input], givers: Sequence[str]) -> list[tuple[str, Input]]:
    """The inputs to put into a form for these givers, in the order to show them."""
    asked = [(name, each) for name, each in declared.items() if each.from_ in givers and not each.hidden]
    return sorted(asked, key=lambda pair: pair[1].order if pair[1].order is not None else math.inf)
