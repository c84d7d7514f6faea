"""HTML forms as a browser submits them (HTML Standard, "constructing the entry list")."""

from dataclasses import dataclass
from urllib.parse import urljoin

from tieline.testing.elements import Element

_SEND_NOTHING = frozenset(("button", "reset", "file"))
_SUBMITS = frozenset(("submit", "image"))


@dataclass(frozen=True)
class Form:
    """`fields` are the pairs that would be sent if nothing were filled in; `buttons` are name, value and label."""

    url: str
    method: str
    name: str
    fields: tuple[tuple[str, str], ...]
    buttons: tuple[tuple[str, str, str], ...]
    names: frozenset[str]
    """Every control of the form, also those which send nothing yet."""
    page_url: str
    referrer_policy: str

    def filled(self, values: dict[str, str | list[str] | None]) -> list[tuple[str, str]]:
        """The pairs to send with these values. None leaves a field out; no button named: the first is pressed."""
        unknown = values.keys() - self.names
        if unknown:
            raise LookupError(f"the form has no field {', '.join(sorted(unknown))}; it has {sorted(self.names)}")
        pairs = [(name, value) for name, value in self.fields if name not in values]
        for name, value in values.items():
            given = [value] if isinstance(value, str) else value or []
            pairs += [(name, each) for each in given]
        if self.buttons and not any(name in values for name, _, _ in self.buttons):
            name, value, _ = self.buttons[0]
            pairs += [(name, value)] if name else []
        return pairs


def read_form(form: Element, *, page_url: str, base_url: str, referrer_policy: str) -> Form:
    controls = [each for each in form.all("input", "button", "select", "textarea") if "disabled" not in each.attributes]
    buttons = tuple(_button(each) for each in controls if _submits(each))
    named = {each.attributes["name"] for each in controls if each.attributes.get("name") and _kind(each) != "file"}
    return Form(
        url=urljoin(base_url, form.attributes.get("action") or page_url),
        method=form.attributes.get("method", "get").upper(),
        name=form.attributes.get("id") or form.attributes.get("name", ""),
        fields=tuple(pair for each in controls if not _submits(each) for pair in _pairs(each)),
        buttons=buttons,
        names=frozenset(named),
        page_url=page_url,
        referrer_policy=referrer_policy,
    )


def _kind(control: Element) -> str:
    otherwise = {"input": "text", "button": "submit"}.get(control.tag, control.tag)
    return control.attributes.get("type", otherwise).lower()


def _submits(control: Element) -> bool:
    return control.tag in ("input", "button") and _kind(control) in _SUBMITS


def _button(control: Element) -> tuple[str, str, str]:
    value = control.attributes.get("value", "")
    return control.attributes.get("name", ""), value, control.label or value


def _pairs(control: Element) -> list[tuple[str, str]]:
    name = control.attributes.get("name")
    return [(name, value) for value in _values(control)] if name else []


def _values(control: Element) -> list[str]:
    kind = _kind(control)
    if control.tag == "select":
        return _chosen(control)
    if control.tag == "textarea":
        return [control.text.removeprefix("\n")]
    if kind in _SEND_NOTHING or (kind in ("checkbox", "radio") and "checked" not in control.attributes):
        return []
    return [control.attributes.get("value", "on" if kind in ("checkbox", "radio") else "")]


def _chosen(select: Element) -> list[str]:
    """The selected options; without one the first, unless several may be chosen."""
    options = list(select.all("option"))
    selected = [each for each in options if "selected" in each.attributes]
    if not selected and "multiple" not in select.attributes:
        selected = options[:1]
    return [each.attributes.get("value", each.label) for each in selected]
