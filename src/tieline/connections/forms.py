"""The fields of a connect page: which inputs a user is asked for, and what was typed, apart by secrecy. Pure."""

from collections.abc import Mapping
from typing import Any

from tieline.connections.access import Access
from tieline.connections.pages import Field
from tieline.errors import Fault
from tieline.manifest import Input
from tieline.manifest.inputs import asked_of


def asked(access: Access) -> dict[str, Input]:
    """The inputs that a user gives: an admin's value hides the question."""
    given = access.registration.inputs
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


def form_fields(
    access: Access, known: Mapping[str, Any], errors: Mapping[str, Fault], *, given: Mapping[str, Any]
) -> tuple[Field, ...]:
    """In the document's order; what the application has given already is not asked."""
    wanted = [(name, each) for name, each in asked_of(asked(access), ("user", "adminOrUser")) if name not in given]
    return tuple(_field(name, each, known, errors.get(f"/inputs/{name}")) for name, each in wanted)


def _field(name: str, each: Input, known: Mapping[str, Any], fault: Fault | None) -> Field:
    value = known.get(name, each.default)
    return Field(
        name=name,
        label=each.label or name,
        type=each.type,
        help=each.help or "",
        example="" if each.example is None else str(each.example),
        value="" if each.secret or value is None else str(value),
        prefix=each.prefix or "",
        suffix=each.suffix or "",
        required=each.required,
        secret=each.secret,
        options=tuple((str(option.value), option.label or str(option.value)) for option in each.options),
        error=f"{fault.message} {fault.hint}".strip() if fault else "",
    )
