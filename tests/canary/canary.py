"""Collects the secrets of one test and what comes out of the product, and tells which of them came out where."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import re2

from tieline.api.problems import members
from tieline.errors import TielineError
from tieline.hub import Hub

from .encodings import encodings
from .mark import MARK
from .resting import at_rest

_SHORTEST = 8
"""Letters: anything shorter stands in other texts by chance."""


def _pattern(spellings: Iterable[bytes]) -> object:
    options = re2.Options()
    options.encoding, options.max_mem = re2.Options.Encoding.LATIN1, 64 << 20
    return re2.compile(b"|".join(re2.escape(each) for each in spellings), options)


_SPELLINGS = {spelling: name for name, all_ in encodings(MARK).items() for spelling in all_}
_MARKED = _pattern(_SPELLINGS)


@dataclass(frozen=True)
class Answer:
    """One HTTP answer of ours. `sent` is the head and the body together."""

    method: str
    path: str
    status: int
    ours: bool
    head: bytes = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def is_provider(self) -> bool:
        """The body is what a provider said to the caller; ours are only the headers."""
        return "/proxy/" in self.path and not self.ours


@dataclass
class Canary:
    """`flow` are the texts that a browser carries for us (connect token, state, nonce, cookie), `keys` our own keys."""

    unmarked: set[str | bytes] = field(default_factory=set, repr=False)
    flow: set[str] = field(default_factory=set, repr=False)
    keys: set[str] = field(default_factory=set, repr=False)
    log: list[str] = field(default_factory=list, repr=False)
    errors: list[TielineError] = field(default_factory=list, repr=False)
    answers: list[Answer] = field(default_factory=list, repr=False)

    def note(self, secret: str | bytes) -> None:
        """A secret that is not marked."""
        if len(secret) >= _SHORTEST:
            self.unmarked.add(secret)

    def found(self, place: str, data: bytes) -> Iterator[str]:
        """What of it stands in this, by the place and the encoding; never the secret itself."""
        if match := _MARKED.search(data):
            around = data[max(0, match.start() - 40) : match.start()].decode("latin-1")
            yield f"{place}: a marked secret ({_SPELLINGS[match.group()]}) behind {around!r}"
        for secret in self.unmarked | self.keys:
            spelt = (name for name, all_ in encodings(secret).items() if any(each in data for each in all_))
            if name := next(spelt, None):
                yield f"{place}: a secret of {len(secret)} letters ({name})"

    async def leaks(self, hub: Hub, database_url: str) -> list[str]:
        """Everything that came out so far, and what the database keeps."""
        found = [*self.in_log(), *self.in_errors(), *self.in_answers()]
        for name, data in (await at_rest(database_url)).items():
            found += self.found(name, data)
        for slug in ("default", "acme"):
            actor = await hub.organizations.library_actor(slug)
            lines = [line async for line in hub.audit.export(actor)]
            found += self.found("audit export", "\n".join(lines).encode())
        return found

    def in_log(self) -> Iterator[str]:
        yield from self.found("log", "\n".join(self.log).encode(errors="surrogatepass"))

    def in_errors(self) -> Iterator[str]:
        for error in self.errors:
            told = f"{error!r} {error.facts!r} {json.dumps(members(error), default=repr)}"
            yield from self.found(f"error {error.code}", told.encode())

    def in_answers(self) -> Iterator[str]:
        for answer in self.answers:
            data = answer.head if answer.is_provider else answer.head + answer.body
            for asked in self._asked_for(answer):
                data = data.replace(asked.encode(), b"")
            yield from self.found(f"answer to {answer.method} {answer.path} ({answer.status})", data)

    def _asked_for(self, answer: Answer) -> set[str]:
        """What this answer is there to tell."""
        match answer.method, answer.path.split("/")[1:]:
            case "GET", ["v1", *_, "credentials"]:
                # Refresh tokens never leave: they begin with `pr_`.
                body = answer.body.decode()
                return {each for each in re.findall(r'"([^"\\]*)"', body) if not each.startswith("pr_")}
            case "POST", ["v1", "api-keys"]:
                return self.keys
            case "POST", ["v1", "connect", "sessions"]:
                return self.flow
            case _, ["connect" | "oauth", *_]:
                return self.flow
            case _:
                return set()
