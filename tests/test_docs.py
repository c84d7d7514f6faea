"""The documentation says what there is: settings, problems, commands, links and provider documents."""

import re
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from tieline.cli.integrations import SECRET_VARIABLE
from tieline.cli.program import app
from tieline.cli.target import API_KEY, URL
from tieline.errors import TielineError
from tieline.manifest.model import Document
from tieline.settings import Settings

TOP = Path(__file__).parent.parent
PAGES = sorted([*TOP.glob("*.md"), *(TOP / "docs").rglob("*.md")])
REFERENCE = TOP / "docs" / "reference"


def name_of(page: Path) -> str:
    return str(page.relative_to(TOP))


def outside_code(text: str) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def blocks(language: str) -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for number, text in enumerate(re.findall(rf"```{language}\n(.*?)```", page.read_text(), flags=re.DOTALL), 1):
            yield f"{name_of(page)}#{number}", text


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_inside_the_repository_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", outside_code(page.read_text()))

    for link in links:
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in anchors(target), f"{link} names no heading"


@pytest.mark.parametrize("setting", [item.name for item in fields(Settings)])
def test_every_setting_is_in_the_reference(setting: str) -> None:
    assert f"`TIELINE_{setting.upper()}`" in (REFERENCE / "settings.md").read_text()


@pytest.mark.parametrize("problem", [leaf.code for leaf in TielineError.__subclasses__()])
def test_every_problem_has_a_section_in_the_reference(problem: str) -> None:
    assert problem in anchors(REFERENCE / "problems.md")


def test_every_variable_that_the_pages_name_is_a_setting() -> None:
    known = {f"TIELINE_{item.name.upper()}" for item in fields(Settings)} | {URL, API_KEY, SECRET_VARIABLE}

    named = {name for page in PAGES for name in re.findall(r"TIELINE_[A-Z_]+[A-Z]", page.read_text())}

    assert {name.removesuffix("_FILE") for name in named} <= known


def test_the_generated_pages_are_up_to_date() -> None:
    check = subprocess.run([sys.executable, TOP / "tools" / "reference.py", "--check"], capture_output=True, text=True)

    assert check.returncode == 0, check.stdout + check.stderr


def test_every_command_that_the_pages_name_exists() -> None:
    known = {f"tieline {' '.join(path)}" for path in command_paths()}
    groups = {name for name in known if any(other.startswith(f"{name} ") for other in known)}

    named = {name for page in PAGES for name in named_commands(page.read_text(), groups)}

    assert {"tieline serve", "tieline doctor"} <= named <= known


def command_paths(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Of every command, and of every group of them."""
    yield path
    for name, below in getattr(command or typer.main.get_command(app), "commands", {}).items():
        yield from command_paths(below, (*path, name))


def named_commands(text: str, groups: Collection[str]) -> Iterator[str]:
    """`tieline word`, and the word behind it where the first one names a group; in shell blocks and in code spans."""
    code = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL) + re.findall(r"`([^`\n]+)`", text)
    for line in "\n".join(code).splitlines():
        for first, second in re.findall(r"(?:^|[\s/])tieline ([a-z-]+)(?: ([a-z-]+))?", line):
            name = f"tieline {first}"
            yield f"{name} {second}" if name in groups and second else name


def test_every_make_target_that_the_pages_name_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):.* ## ", (TOP / "Makefile").read_text(), flags=re.MULTILINE))

    named = {name for page in PAGES for name in re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), re.MULTILINE)}

    assert {"demo", "test"} <= named <= targets


def test_make_help_lists_every_target_with_its_limit() -> None:
    makefile = (TOP / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (.+)$", makefile, flags=re.MULTILINE)
    assert targets

    listed = subprocess.run(["make", "-C", TOP, "help"], capture_output=True, text=True, check=True).stdout

    for target in set(targets[1].split()) - {"help"}:
        assert re.search(rf"^  make {target} .*(limit).*$", listed, flags=re.MULTILINE), target


@pytest.mark.parametrize(("where", "text"), [pytest.param(*block, id=block[0]) for block in blocks("yaml")])
def test_every_provider_document_on_the_pages_is_valid(where: str, text: str) -> None:
    document = Document.model_validate(yaml.safe_load(text))

    assert document.name, where


@pytest.mark.parametrize(("where", "text"), [pytest.param(*block, id=block[0]) for block in blocks("python")])
def test_every_piece_of_python_on_the_pages_compiles(where: str, text: str) -> None:
    assert compile(text, where, "exec")
