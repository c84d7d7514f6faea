"""A page as a browser without scripts sees it."""

from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import urljoin

from tieline.testing.elements import Element, read_html
from tieline.testing.forms import Form, read_form


@dataclass(frozen=True)
class Page:
    """An answer. `location` is where a redirect led that was not followed; `headers` have lowercase names."""

    url: str
    status: int
    text: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    location: str | None = None

    @cached_property
    def document(self) -> Element:
        return read_html(self.text)

    @property
    def title(self) -> str:
        return next((each.label for each in self.document.all("title")), "")

    @property
    def links(self) -> dict[str, str]:
        """Text -> absolute address, the first of each text."""
        anchors = [each for each in self.document.all("a") if "href" in each.attributes]
        return {each.label: urljoin(self._base, each.attributes["href"]) for each in reversed(anchors)}

    @property
    def forms(self) -> list[Form]:
        return [
            read_form(each, page_url=self.url, base_url=self._base, referrer_policy=self._referrer_policy)
            for each in self.document.all("form")
        ]

    def form(self, which: str | None = None, *, having: str | None = None) -> Form:
        """The first form with that id or name, or with a field of that name. Raises LookupError."""
        for form in self.forms:
            if which in (None, form.name) and (having is None or having in form.names):
                return form
        seen = [(form.name, sorted(form.names)) for form in self.forms]
        raise LookupError(f"no such form at {self.url} (status {self.status}); forms: {seen}")

    @property
    def _base(self) -> str:
        given = next((each.attributes.get("href", "") for each in self.document.all("base")), "")
        return urljoin(self.url, given)

    @property
    def _referrer_policy(self) -> str:
        """What a meta element says, else the header."""
        metas = [each.attributes for each in self.document.all("meta")]
        said = [meta.get("content", "") for meta in metas if meta.get("name", "").lower() == "referrer"]
        return said[0] if said else self.headers.get("referrer-policy", "")
