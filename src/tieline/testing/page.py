"""A page as a browser without scripts sees it: its forms and its links."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin


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
        pressed = [(name, value) for name, value, _ in self.buttons][:1]
        if not any(name in values for name, _, _ in self.buttons):
            pairs += [(name, value) for name, value in pressed if name]
        return pairs


@dataclass(frozen=True)
class Page:
    """An answer. `location` is where a redirect led that was not followed; `headers` have lowercase names."""

    url: str
    status: int
    text: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    location: str | None = None

    @property
    def forms(self) -> list[Form]:
        return self._read().forms

    @property
    def links(self) -> dict[str, str]:
        """Text -> absolute address, the first of each text."""
        return self._read().links

    @property
    def title(self) -> str:
        return self._read().title.strip()

    def form(self, which: str | None = None, *, having: str | None = None) -> Form:
        """The first form with that id or name, or with a field of that name. Raises LookupError."""
        for form in self.forms:
            if which in (None, form.name) and (having is None or having in form.names):
                return form
        seen = [(form.name, sorted(form.names)) for form in self.forms]
        raise LookupError(f"no such form at {self.url} (status {self.status}); forms: {seen}")

    def _read(self) -> "_Reader":
        reader = _Reader(self.url, self.headers.get("referrer-policy", ""))
        reader.feed(self.text)
        reader.close()
        return reader


class _Reader(HTMLParser):
    def __init__(self, url: str, referrer_policy: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: dict[str, str] = {}
        self.title = ""
        self._url = self._base = url
        self._policy = referrer_policy
        self._open: _OpenForm | None = None
        self._link: tuple[str, list[str]] | None = None
        self._button: tuple[str, str, list[str]] | None = None
        self._textarea: tuple[str, list[str]] | None = None
        self._select: _OpenSelect | None = None
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        match tag:
            case "base" if "href" in given:
                self._base = urljoin(self._url, given["href"])
            case "meta" if given.get("name", "").lower() == "referrer":
                self._policy = given.get("content", "")
            case "title":
                self._in_title = True
            case "a" if "href" in given:
                self._link = (urljoin(self._base, given["href"]), [])
            case "form":
                self._open = _OpenForm(given)
            case _ if self._open is not None:
                self._control(tag, given, self._open)
            case _:
                pass

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
        elif tag == "a" and self._link is not None:
            self.links.setdefault(" ".join("".join(self._link[1]).split()), self._link[0])
            self._link = None
        elif tag == "form" and self._open is not None:
            self.forms.append(self._open.closed(url=self._url, base=self._base, policy=self._policy))
            self._open = None
        elif self._open is not None:
            self._end_control(tag, self._open)

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data
        for texts in (
            self._link and self._link[1],
            self._button and self._button[2],
            self._textarea and self._textarea[1],
        ):
            if texts is not None:
                texts.append(data)

    def _control(self, tag: str, given: dict[str, str], form: "_OpenForm") -> None:
        if "disabled" in given:
            return
        name = given.get("name", "")
        match tag:
            case "input":
                form.add_input(name, given)
            case "button" if given.get("type", "submit") == "submit":
                self._button = (name, given.get("value", ""), [])
            case "textarea":
                self._textarea = (name, [])
            case "select":
                self._select = _OpenSelect(name, several="multiple" in given)
            case "option" if self._select is not None:
                self._select.add(given.get("value", ""), selected="selected" in given)
            case _:
                pass

    def _end_control(self, tag: str, form: "_OpenForm") -> None:
        if tag == "button" and self._button is not None:
            name, value, texts = self._button
            form.add_button(name, value, " ".join("".join(texts).split()))
            self._button = None
        elif tag == "textarea" and self._textarea is not None:
            form.add(self._textarea[0], "".join(self._textarea[1]).removeprefix("\n"))
            self._textarea = None
        elif tag == "select" and self._select is not None:
            form.names.add(self._select.name)
            for value in self._select.chosen():
                form.add(self._select.name, value)
            self._select = None


class _OpenSelect:
    def __init__(self, name: str, *, several: bool) -> None:
        self.name = name
        self._several = several
        self._options: list[tuple[str, bool]] = []

    def add(self, value: str, *, selected: bool) -> None:
        self._options.append((value, selected))

    def chosen(self) -> list[str]:
        selected = [value for value, is_selected in self._options if is_selected]
        return selected or ([] if self._several else [value for value, _ in self._options[:1]])


class _OpenForm:
    def __init__(self, given: dict[str, str]) -> None:
        self._given = given
        self._fields: list[tuple[str, str]] = []
        self._buttons: list[tuple[str, str, str]] = []
        self.names: set[str] = set()

    def add(self, name: str, value: str) -> None:
        if name:
            self.names.add(name)
            self._fields.append((name, value))

    def add_button(self, name: str, value: str, label: str) -> None:
        self._buttons.append((name, value, label))
        if name:
            self.names.add(name)

    def add_input(self, name: str, given: dict[str, str]) -> None:
        match given.get("type", "text").lower():
            case "submit" | "image":
                self.add_button(name, given.get("value", ""), given.get("value", ""))
            case "button" | "reset" | "file":
                pass
            case "checkbox" | "radio" if "checked" not in given:
                if name:
                    self.names.add(name)
            case "checkbox" | "radio":
                self.add(name, given.get("value", "on"))
            case _:
                self.add(name, given.get("value", ""))

    def closed(self, *, url: str, base: str, policy: str) -> Form:
        return Form(
            url=urljoin(base, self._given.get("action") or url),
            method=self._given.get("method", "get").upper(),
            name=self._given.get("id") or self._given.get("name", ""),
            fields=tuple(self._fields),
            buttons=tuple(self._buttons),
            names=frozenset(self.names),
            page_url=url,
            referrer_policy=policy,
        )
