"""Templates that somebody might write to hurt us, and values that are as large as they can get; by seed."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from tieline.manifest.filters import FILTERS

_WORDS = ["", "x", "a,b", "%", "{{", "}}", "'", '"', "\\", "é", "\0", "\ud800", "https://a.example/", "..", "=?&#"]
_PATTERNS = ["a*", "(a+)+$", "((a?){100}){3}b", "(.*)*=", r"[^\w]{1,200}", "(x|xx)*y", ".{1000}", "("]
_PLACES = ["https://{0}.a.example/{0}?q={0}#{0}", "{0}", "/v1/{0}/x?{0}={0}", "https://a.example:{0}/{0}", "x{0}{0}{0}"]


@cache
def scope() -> dict[str, object]:
    """One for all cases: big texts, bytes, lists, maps and nestings, beside the usual small ones."""
    deep: object = "x"
    for _ in range(900):
        deep = [deep]
    return {
        "small": "s3cret",
        "number": 7,
        "huge": 10**300,
        "fraction": 1e308,
        "yes": True,
        "empty": "",
        "nothing": None,
        "now": datetime(2026, 5, 1, tzinfo=UTC),
        "half": "a\ud800",
        "wide": "é" * 300_000,
        "big": "a" * (1 << 20),
        "marks": "\\\"'<>&%" * 120_000,
        "percent": "%C3%A9" * 150_000,
        "digits": "1" * 100_000,
        "brackets": "[" * 200_000,
        "document": "[" + "1," * 200_000 + "1]",
        "nested": '{"a":' * 400 + "1" + "}" * 400,
        "rawBody": bytes(range(256)) * 30_000,
        "body": [{"a": n, "b": "é" * 3, "c": [n] * 4} for n in range(20_000)],
        "list": [str(n) for n in range(9_999)],
        "texts": ["a" * 1000] * 9_999,
        "map": {f"k{n}": ["v" * 10] * 3 for n in range(9_999)},
        "deep": deep,
        "cookies": [f"a{n}=b; Path=/" for n in range(5_000)],
        "headers": {"link": "<https://a.example/?p=2>; rel=next" * 1000},
    }


@dataclass(frozen=True)
class Case:
    number: int
    text: str


class Writer:
    """Writes one expression after another; `left` is how many terms it still may use."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._left = 0

    def template(self) -> str:
        rolled = self._random.random()
        self._left = self._random.choice([3, 8, 40, 120])
        if rolled < 0.1:
            return self._broken(self._whole())
        if rolled < 0.3:
            return self._one(_PLACES).replace("{0}", self._whole())
        if rolled < 0.45:
            return self._whole() * self._random.choice([2, 20, 100])
        return self._whole()

    def _whole(self) -> str:
        return "{{ " + self._expression() + " }}"

    def _expression(self, depth: int = 0) -> str:
        parts = [self._pipe(depth)]
        while self._left > 0 and self._random.random() < 0.15:
            parts.append(self._pipe(depth))
        return " ~ ".join(parts)

    def _pipe(self, depth: int) -> str:
        text = self._atom(depth)
        again = self._random.random() < 0.2
        while self._left > 0 and self._random.random() < 0.6:
            self._left -= 1
            text += f" | {self._call(depth)}" * (self._random.randint(2, 12) if again else 1)
        return text

    def _call(self, depth: int) -> str:
        name = self._one(sorted(FILTERS))
        wanted = FILTERS[name]
        count = self._random.randint(wanted.least, wanted.most)
        given = [self._argument(name, at, depth) for at in range(count)]
        return f"{name}({', '.join(given)})" if given else name

    def _argument(self, name: str, at: int, depth: int) -> str:
        fitting: dict[tuple[str, int], Callable[[], str]] = {
            ("match", 0): lambda: _quoted(self._one(_PATTERNS)),
            ("hmac", 0): lambda: _quoted(self._one(["sha256", "md5", "sha512"])),
            ("sign", 0): lambda: _quoted(self._one(["rsa-sha256", "ES256", "EdDSA"])),
            ("date", 0): lambda: _quoted(self._one(["%Y", "iso8601", "epoch", "%A" * 40])),
            ("plus", 0): lambda: _quoted(self._one(["15m", "P9W", "999999999999999s"])),
            ("seconds", 0): lambda: _quoted(self._one(["hours", "weeks"])),
            ("slice", 0): lambda: str(self._random.choice([0, -1, 1000, 10**9])),
            ("slice", 1): lambda: str(self._random.choice([0, -1, 1000, 10**9])),
        }
        usual = fitting.get((name, at))
        if usual is not None and self._random.random() < 0.8:
            return usual()
        return self._expression(depth + 1) if self._left > 0 and depth < 6 else _quoted(self._one(_WORDS))

    def _atom(self, depth: int) -> str:
        self._left -= 1
        rolled = self._random.random()
        if depth < 6 and self._left > 0 and rolled < 0.15:
            return f"({self._expression(depth + 1)})"
        if depth < 6 and self._left > 0 and rolled < 0.3:
            return "[" + ", ".join(self._expression(depth + 1) for _ in range(self._random.randint(1, 6))) + "]"
        if rolled < 0.4:
            return _quoted(self._one(_WORDS) * self._random.choice([1, 1, 50]))
        if rolled < 0.45:
            return self._one(["0", "1", "-1", "null", "true", "999999999999999"])
        name = self._one(sorted(scope()))
        return name + self._random.choice(["", "", "", "", ".a", "[0]", "[0].b", "['k1']", "[-1]"])

    def _broken(self, text: str) -> str:
        for _ in range(self._random.randint(1, 4)):
            at = self._random.randrange(len(text) + 1)
            text = (
                text[:at] + self._one(["", "{{", "}}", "|", "(", "[" * 50, "'", ".", "~", "\0", "if"]) + text[at + 1 :]
            )
        return text

    def _one(self, choices: list[str]) -> str:
        return self._random.choice(choices)


def cases(count: int, *, seed: int = 0) -> list[Case]:
    writer = Writer(seed)
    return [Case(number, writer.template()) for number in range(count)]


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
