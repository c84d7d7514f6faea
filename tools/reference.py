"""Writes docs/reference/ from the code, so that a diff shows a changed surface; `--check` only compares.

A page is a function that returns its text, listed in PAGES.
"""

import argparse
import difflib
import json
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from cli_pages import command_sections
from http_pages import route_sections
from pages import page, table
from schema_tables import schema_tables
from tieline import errors
from tieline.errors import TielineError
from tieline.manifest.model import Alt, Capture, Map, Template, Tree
from tieline.manifest.schema import json_schema
from tieline.settings import Settings

FOLDER = Path(__file__).parent.parent / "docs" / "reference"
PROBLEM_TYPE = "https://tieline.dev/problems/"


def settings_page() -> str:
    rows = [
        (
            f"`TIELINE_{item.name.upper()}`",
            f"`{item.name}`",
            f"`{item.default}`" if item.default else "",
            item.metadata["help"],
        )
        for item in fields(Settings)
    ]
    return page(
        "Settings",
        "A flag of the command line overrides the environment, which overrides `tieline.toml` in the working folder, "
        "which overrides the default. Each variable can also be given as a file, "
        "`TIELINE_KEYS_FILE=/run/secrets/keys`. A name in `tieline.toml` that is not in this table is refused.",
        table(("variable", "in tieline.toml", "default", "meaning"), rows),
    )


def problems_page() -> str:
    """One section per problem, so that the type's URL has an anchor to lead to."""
    meanings = leaf_meanings(errors.__doc__ or "")
    leaves = sorted(TielineError.__subclasses__(), key=lambda leaf: leaf.code)
    sections = [
        f"## {leaf.code}\n\n{leaf.title}: {meanings[leaf.__name__]}. "
        f"HTTP {leaf.status}; in Python `tieline.errors.{leaf.__name__}`."
        for leaf in leaves
    ]
    return page(
        "Problems",
        "Every error that Tieline raises on purpose. Over HTTP each is a problem as RFC 9457 describes it, "
        f"`application/problem+json`, with the `type` `{PROBLEM_TYPE}<code>`. `detail` says what to do next; "
        "`errors`, where there are several faults, lists each with `path`, `code`, `message`, `hint` and `severity`. "
        "In Python each is a class with the same words as attributes. No problem ever holds a secret.",
        table(
            ("code", "status", "meaning"),
            [(f"[`{leaf.code}`](#{leaf.code})", str(leaf.status), meanings[leaf.__name__]) for leaf in leaves],
        ),
        *sections,
    )


def leaf_meanings(docstring: str) -> dict[str, str]:
    """`├── Conflict 409    it exists already` -> {"Conflict": "it exists already"}."""
    rows = [line[4:].split(maxsplit=1) for line in docstring.splitlines() if line.startswith(("├── ", "└── "))]
    return {name: rest.removeprefix(rest[:3] if rest[:3].isdigit() else "").strip() for name, rest in rows}


def manifest_page() -> str:
    shapes: dict[str, Any] = {"Template": Template, "Alternatives": Alt, "Map": Map, "Tree": Tree, "Capture": Capture}
    named = {str(TypeAdapter(shape).json_schema()["description"]): name for name, shape in shapes.items()}
    schema = json_schema()
    return page(
        "Provider documents",
        " ".join(schema["description"].split()),
        "Keys that begin with `x-` are kept and ignored. Editors can use [the JSON Schema](provider.schema.json). "
        "[How to add a provider](../howto/add-a-provider.md) shows the common shapes.",
        "## Value shapes",
        table(("shape", "meaning"), [(name, meaning) for meaning, name in named.items()]),
        "## Document",
        *schema_tables(schema, named=named),
    )


def cli_page() -> str:
    return page("Command line", *command_sections())


def http_page() -> str:
    return page(
        "HTTP API",
        "Callers send `Authorization: Bearer <API key>`; a platform's key acts for a customer with "
        "`Tieline-Organization: <slug>`. Writes take an `Idempotency-Key`. Errors are "
        "[problems](problems.md) (RFC 9457). The service shows the same at `/docs`, and its OpenAPI document at "
        "`/openapi.json`.",
        *route_sections(),
    )


def provider_schema() -> str:
    return json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "problems.md": problems_page,
    "manifest.md": manifest_page,
    "cli.md": cli_page,
    "http.md": http_page,
    "provider.schema.json": provider_schema,
}


def differences() -> list[str]:
    found: list[str] = []
    for name, write in PAGES.items():
        path = FOLDER / name
        stands = path.read_text() if path.exists() else ""
        found += difflib.unified_diff(stands.splitlines(), write().splitlines(), f"a/{name}", f"b/{name}", lineterm="")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail with a diff when a page is behind")
    if parser.parse_args().check:
        if found := differences():
            print("\n".join(found), "\n\ndocs/reference is behind the code. Run `make docs` and commit it.", sep="")
        return bool(found)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, write in PAGES.items():
        (FOLDER / name).write_text(write())
    return 0


if __name__ == "__main__":
    sys.exit(main())
