"""The state that all endpoints of the practice provider share: who may come in, what they did, how to behave."""

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from tieline.testing.ledger import Ledger
from tieline.testing.people import PEOPLE, Person
from tieline.testing.switches import Switches

SCOPES = ("profile", "items")


@dataclass(eq=False)
class Practice:
    """Everything but `ledger` may be changed at will; `clock` gives seconds since the epoch."""

    client_id: str = "practice-client"
    client_secret: str = "practice-secret"  # noqa: S105  # made up, and the same for everybody
    switches: Switches = field(default_factory=Switches)
    redirect_uris: frozenset[str] | None = None
    """The registered redirect URIs; None: any http or https address."""
    clock: Callable[[], float] = time.time
    people: dict[str, Person] = field(default_factory=lambda: dict(PEOPLE))
    api_keys: dict[str, str] = field(default_factory=lambda: {"practice-key": "ada@practice.example"})
    """Key -> the person whose account it opens."""
    passwords: dict[str, str] = field(default_factory=lambda: {"ada@practice.example": "practice-password"})
    calls: list[str] = field(default_factory=list[str])
    """Method and path of every call, in order; a key in the path is shown as `*`."""
    codes_exchanged: int = 0
    refreshes: int = 0
    """Refresh requests that were granted, whether or not their answer was sent."""
    revoked: int = 0
    bytes_streamed: int = 0
    _recent: dict[str, deque[float]] = field(default_factory=dict[str, deque[float]], repr=False)

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(switches=lambda: self.switches, clock=lambda: self.clock())

    def issue_tokens(
        self, *, user: str = "ada@practice.example", scopes: tuple[str, ...] = SCOPES
    ) -> dict[str, object]:
        """The token answer of a new grant, for tests that need no browser."""
        return self.ledger.issue(self.ledger.open_grant(user, scopes))

    def forget_grants(self, user: str | None = None) -> int:
        """Refresh and access tokens of all grants (of one person) are refused from now on; the number of grants."""
        return self.ledger.forget(user)

    def expire_access_tokens(self) -> int:
        """Every access token issued so far is refused from now on; their number."""
        return self.ledger.expire()

    def charge(self, caller: str) -> bool:
        """Count one call of a caller; False when that is more than the rate limit allows."""
        limit = self.switches.rate_limit
        if limit is None:
            return True
        now = self.clock()
        recent = self._recent.setdefault(caller, deque())
        while recent and recent[0] <= now - self.switches.rate_limit_seconds:
            recent.popleft()
        if len(recent) >= limit:
            return False
        recent.append(now)
        return True

    def counts(self) -> dict[str, object]:
        return {
            "codes_exchanged": self.codes_exchanged,
            "refreshes": self.refreshes,
            "revoked": self.revoked,
            "bytes_streamed": self.bytes_streamed,
            "live_grants": sum(each.alive for each in self.ledger.grants),
            "calls": dict(Counter(self.calls)),
        }
