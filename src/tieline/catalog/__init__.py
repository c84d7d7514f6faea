"""The built-in providers and templates: one YAML file each, in `documents/`, named after its id."""

from functools import cache
from importlib.resources import files
from typing import Any, cast

import yaml


def versions() -> dict[str, str]:
    """id -> version of every built-in document."""
    return {slug: str(document.get("version", "1.0.0")) for slug, document in _all().items()}


def document(slug: str) -> dict[str, Any]:
    """A built-in document as its author wrote it. KeyError when there is none."""
    return _all()[slug]


@cache
def _all() -> dict[str, dict[str, Any]]:
    folder = files(__name__) / "documents"
    found = sorted((file for file in folder.iterdir() if file.name.endswith(".yaml")), key=lambda file: file.name)
    return {file.name.removesuffix(".yaml"): _read(file.read_text("utf-8")) for file in found}


def _read(text: str) -> dict[str, Any]:
    # These files are ours and tested; what others write goes through the strict reader.
    return cast("dict[str, Any]", yaml.load(text, Loader=yaml.CSafeLoader))
