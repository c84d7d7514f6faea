"""The fields of a connect page: which inputs a user is asked for, and what was typed, apart by secrecy. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from tieline.connections.access import Access
from tieline.connections.pages import Field
from tieline.errors import Fault
from tieline.manifest import Input, Provider
from tieline.manifest.inputs import asked_of

VARIANT = "variant"
"""The field that chooses one of a document's variants; before an input of that name."""


def asked(access: Access) -> dict[str, Input]:
    """The inputs that a user gives: an admin's value hides the question."""
    given = access.registration.given
    return {
        name: each
        for name, each in access.declared.items()
        if each.from_ == "user" or (each.from_ == "adminOrUser" and name not in given)
    }


def split(access: Access, values: Mapping[str, object]) -> tuple[dict[str, object], dict[str, object]]:
    """The plain ones, and those that are sealed with the credential."""
    declared = access.declared
    plain = {name: value for name, value in values.items() if not declared[name].secret}
    return plain, {name: value for name, value in values.items() if name not in plain}


def variants_of(manifest: Provider, fixed: str | None) -> tuple[str | None, ...]:
    """What a connection may be a variant of; None is the document as it stands, where that is complete."""
    if fixed is not None or not manifest.variants:
        return (fixed,)
    declared = dict(manifest.inputs)
    for method in manifest.auth.values():
        declared |= method.inputs
    needed = {name for variant in manifest.variants for name in variant.set}
    whole = all(name in declared and _has_value(declared[name]) for name in needed)
    return (*([None] if whole else []), *(variant.id for variant in manifest.variants))


def known_values(access: Access, given: Mapping[str, Any]) -> dict[str, Any]:
    """What is not asked: what the variant sets, and what the application gave, which counts more."""
    wanted = asked(access)
    chosen = next((each for each in access.manifest.variants if each.id == access.variant), None)
    set_by_variant = {name: value for name, value in chosen.set.items() if name in wanted} if chosen else {}
    return {**set_by_variant, **given}


def typed_values(access: Access, typed: Mapping[str, str], known: Mapping[str, Any]) -> dict[str, object]:
    """What was typed into the fields of the page; a name that was not asked for is nobody's."""
    read: dict[str, object] = {}
    for name, each in _shown(access, known):
        if name in typed:
            read[name] = typed[name]
        elif each.type == "boolean":
            # A browser does not send a box that is not ticked.
            read[name] = "false"
    return read


def form_fields(
    access: Access, values: Mapping[str, Any], errors: Mapping[str, Fault], *, known: Mapping[str, Any]
) -> tuple[Field, ...]:
    """In the document's order; what is known already is not asked."""
    declared = access.declared
    shown = _shown(access, known)
    return tuple(_field(name, each, values, errors.get(f"/inputs/{name}"), declared) for name, each in shown)


def variant_field(
    manifest: Provider, offered: Sequence[str | None], chosen: str | None, errors: Mapping[str, Fault]
) -> tuple[Field, ...]:
    """The choice of a variant, where there is one to make."""
    if len(offered) < 2:
        return ()
    labels = {each.id: each.label or each.id for each in manifest.variants}
    options = tuple((each or "", labels[each] if each else "Standard") for each in offered)
    fault = errors.get(f"/{VARIANT}")
    required = None not in offered
    return (
        Field(
            VARIANT,
            "Which one?",
            "choice",
            help="Where, or in which edition, your account is.",
            value=chosen or "",
            required=required,
            options=options,
            error=_words(fault),
        ),
    )


def _shown(access: Access, known: Mapping[str, Any]) -> list[tuple[str, Input]]:
    wanted = asked_of(asked(access), ("user", "adminOrUser"))
    return [(name, each) for name, each in wanted if name not in known]


def _field(
    name: str, each: Input, values: Mapping[str, Any], fault: Fault | None, declared: Mapping[str, Input]
) -> Field:
    value = values.get(name, each.default)
    return Field(
        name=name,
        label=each.label or name,
        type="choice" if each.options else each.type,
        help=each.help or "",
        example="" if each.example is None else _shown_text(each.example),
        value="" if each.secret or value is None else _shown_text(value),
        prefix=each.prefix or "",
        suffix=each.suffix or "",
        required=each.required and each.visible_when is None,
        secret=each.secret,
        options=_options(each),
        when=_condition(each, declared),
        error=_words(fault),
    )


def _options(declared: Input) -> tuple[tuple[str, str], ...]:
    values = [(_shown_text(option.value), option.label) for option in declared.options]
    return tuple((value, label or value) for value, label in values)


def _condition(each: Input, declared: Mapping[str, Input]) -> str:
    when = each.visible_when
    if when is None:
        return ""
    other, value = declared.get(when.input, Input()), _shown_text(when.equals)
    words = {"true": "ticked", "false": "not ticked"} if other.type == "boolean" else dict(_options(other))
    return f"Only if {other.label or when.input} is {words.get(value, value)}."


def _has_value(declared: Input) -> bool:
    return declared.default is not None or declared.from_ in ("user", "admin", "adminOrUser")


def _shown_text(value: object) -> str:
    """As a form sends it back."""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _words(fault: Fault | None) -> str:
    """Without the hint of an input, which is the help and the example that stand beside it."""
    return fault.message if fault else ""
