"""Pure decisions of the registry: slugs, version numbers, ranges, which version is meant."""

import re
import unicodedata
from collections.abc import Iterable

Numbers = tuple[int, int, int]

_SEMVER = re.compile(r"(\d{1,6})\.(\d{1,6})\.(\d{1,6})")
_STEP = {"security": 0, "behaviour": 1, "cosmetic": 2, "none": 2}


def slug_of(name: str) -> str:
    """`My Custom API` -> `my-custom-api`; a name with no Latin letter or digit gives `provider`."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_name.lower()).strip("-")
    return slug[:80].rstrip("-") or "provider"


def numbered(slug: str, taken: Iterable[str]) -> str:
    """The slug itself, or the first of slug-2, slug-3, ... that is free."""
    names = set(taken)
    if slug not in names:
        return slug
    number = 2
    while f"{slug}-{number}" in names:
        number += 1
    return f"{slug}-{number}"


def read_version(text: str) -> Numbers | None:
    """Major, minor and patch; None when it is not of the form 1.2.3."""
    found = _SEMVER.fullmatch(text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def next_version(version: str, change: str) -> str:
    """Major for a security change, minor for behaviour, patch for cosmetics."""
    numbers = list(read_version(version) or (1, 0, 0))
    step = _STEP[change]
    bumped = [*numbers[:step], numbers[step] + 1, *([0] * (2 - step))]
    return ".".join(str(number) for number in bumped)


def split_reference(reference: str) -> tuple[str, str]:
    """`google-mail@^1` -> (`google-mail`, `^1`); without a range, (`google-mail`, `*`)."""
    slug, _, wanted = reference.partition("@")
    return slug, wanted or "*"


def best(versions: Iterable[str], wanted: str) -> str | None:
    """The highest version in the range: `*`, `1`, `1.2`, `1.2.3`, `^1.2` (same major), `~1.2` (same minor)."""
    fitting = [
        (numbers, version) for version in versions if (numbers := read_version(version)) and _in(numbers, wanted)
    ]
    return max(fitting)[1] if fitting else None


def _in(numbers: Numbers, wanted: str) -> bool:
    if wanted == "*":
        return True
    mark, bare = (wanted[0], wanted[1:]) if wanted[0] in "^~" else ("", wanted)
    try:
        given = [int(part) for part in bare.split(".")]
    except ValueError:
        return False
    if not mark:
        return list(numbers[: len(given)]) == given
    kept = 1 if mark == "^" else 2
    floor = tuple([*given, 0, 0][:3])
    return numbers[:kept] == floor[:kept] and numbers >= floor
