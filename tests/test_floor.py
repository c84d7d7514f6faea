"""The lock: no version with a known hole, every package by hash, and nothing that pyproject.toml does not say."""

import re
import tomllib
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent
LOCK = tomllib.loads((TOP / "uv.lock").read_text())
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]

# The lowest version of each that may be shipped. Raise one when an advisory says so; name the reason if it is special.
FLOOR = {
    "aiohttp": "3.14.0",
    "alembic": "1.18.0",
    "anyio": "4.12.0",
    "cryptography": "46.0.0",
    "fastapi": "0.128.0",
    "h11": "0.16.0",  # chunked bodies read too leniently before
    "httptools": "0.7.0",
    "httpx2": "2.16.0",
    "idna": "3.7",  # quadratic time before
    "jinja2": "3.1.6",  # sandbox escape before
    "joserfc": "1.8.0",
    "multidict": "6.7.0",
    "pydantic": "2.12.0",
    "python-multipart": "0.0.22",  # writes outside the upload folder before
    "pyyaml": "6.0.3",
    "sqlalchemy": "2.1.0",
    "starlette": "0.49.1",  # quadratic time in Range headers before
    "uvicorn": "0.40.0",
    "yarl": "1.20.0",
}


def release(version: str) -> tuple[int, ...]:
    """`2.1.0b1` -> (2, 1, 0)."""
    found = re.match(r"\d+(\.\d+)*", version)
    assert found, version
    return tuple(int(part) for part in found[0].split("."))


def locked() -> dict[str, str]:
    return {package["name"]: package["version"] for package in LOCK["package"] if package["name"] != "tieline"}


@pytest.mark.parametrize("package", FLOOR)
def test_no_package_is_locked_below_its_floor(package: str) -> None:
    assert release(locked()[package]) >= release(FLOOR[package])


def test_every_file_that_may_be_installed_is_pinned_by_its_hash() -> None:
    files = [
        file
        for package in LOCK["package"]
        if package["name"] != "tieline"
        for file in [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
    ]

    assert files
    assert all(file["hash"].startswith("sha256:") for file in files)


def test_every_package_comes_from_the_registry() -> None:
    sources = [package["source"] for package in LOCK["package"] if package["name"] != "tieline"]

    assert all(source == {"registry": "https://pypi.org/simple"} for source in sources)


def test_the_lock_was_made_from_this_pyproject() -> None:
    (ours,) = (package for package in LOCK["package"] if package["name"] == "tieline")
    extras = PROJECT["optional-dependencies"].values()
    asked = [*PROJECT["dependencies"], *(line for extra in extras for line in extra)]

    in_lock = {(entry["name"], entry.get("specifier", "")) for entry in ours["metadata"]["requires-dist"]}

    wanted = [re.fullmatch(r"([a-z0-9-]+)(?:\[[a-z,]+\])?(.*)", line) for line in asked]
    assert {(match[1], match[2]) for match in wanted if match} == in_lock
