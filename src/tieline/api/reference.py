"""The reference as one page, rendered here from the OpenAPI document: no script, and nothing from elsewhere."""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from tieline.api.problems import MEDIA

_pages = Environment(loader=PackageLoader("tieline.api"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
_STYLE = _pages.get_template("reference.css").render()
POLICY = (
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"
)
"""The page's Content-Security-Policy."""


def reference(document: Mapping[str, Any]) -> str:
    """The page of an OpenAPI document."""
    return _pages.get_template("reference.html").render(
        document=document, style=_STYLE, nouns=_nouns(document), described=_described, prose=_prose
    )


def _nouns(document: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Operations by their noun; those of one address that differ in the method only are shown once."""
    nouns: dict[str, list[dict[str, Any]]] = {}
    for path, operations in document["paths"].items():
        alike: dict[str, dict[str, Any]] = {}
        for method, operation in operations.items():
            shown = alike.setdefault(operation["summary"], {**operation, "path": path, "methods": []})
            shown["methods"].append(method.upper())
            shown.update({key: operation[key] for key in ("requestBody",) if key in operation})
        for shown in alike.values():
            nouns.setdefault(shown["tags"][0], []).append(shown)
    return nouns


def _described(operation: Mapping[str, Any]) -> dict[str, Any]:
    """The examples and problems of an operation: (media type, text) pairs, and (status, codes)."""
    good: list[tuple[str, str, str]] = []
    bad: list[tuple[str, list[str]]] = []
    for status, response in operation["responses"].items():
        for media, content in response.get("content", {}).items():
            if media == MEDIA:
                bad.append((status, list(content["examples"])))
            else:
                good.append((status, media, _text(content.get("example"))))
    sent = operation.get("requestBody", {}).get("content", {})
    asked = [(media, _text(content["example"])) for media, content in sent.items() if "example" in content]
    return {"good": good, "bad": sorted(bad), "asked": asked}


def _prose(text: str) -> Markup:
    """Escaped, with code where backticks say so."""
    parts = text.split("`")
    return Markup("").join(Markup("<code>{}</code>").format(part) if at % 2 else part for at, part in enumerate(parts))


def _text(example: object) -> str:
    return example if isinstance(example, str) else json.dumps(example, indent=2, ensure_ascii=False)
