"""A sliding window of counts: in no stretch of `per` seconds does more than `limit` pass. Pure; the time is given."""

from collections import deque
from dataclasses import dataclass

_SLICES = 60


@dataclass(frozen=True)
class Bucket:
    """`limit` calls of cost 1 in any `per` seconds. `key` names the counter that it is charged to."""

    key: str
    limit: float
    per: float
    cost: float = 1.0


class Window:
    """Counts by slices of the period, the oldest counted whole: it may refuse a little early, and never too late.

    Memory is constant, whatever the limit.
    """

    def __init__(self, per: float) -> None:
        self._slice = per / _SLICES
        self._counts: deque[tuple[int, float]] = deque()
        self._total = 0.0
        self.idle_at = 0.0
        """When nothing counts any more."""

    def wait(self, bucket: Bucket, *, now: float) -> float:
        """Seconds until the bucket's cost fits; 0 when it fits now."""
        self._forget(now)
        surplus = self._total + bucket.cost - bucket.limit
        if surplus <= 0:
            return 0.0
        for number, count in self._counts:
            surplus -= count
            if surplus <= 0:
                # A hundredth of a slice beyond its end, since sums of floats fall on either side of it.
                return (number + _SLICES + 1.01) * self._slice - now
        return bucket.per

    def charge(self, bucket: Bucket, *, now: float) -> None:
        number = int(now / self._slice)
        if self._counts and self._counts[-1][0] == number:
            _, count = self._counts.pop()
            self._counts.append((number, count + bucket.cost))
        else:
            self._counts.append((number, bucket.cost))
        self._total += bucket.cost
        self.idle_at = (number + _SLICES + 1) * self._slice

    def _forget(self, now: float) -> None:
        oldest = int(now / self._slice) - _SLICES
        while self._counts and self._counts[0][0] < oldest:
            self._total -= self._counts.popleft()[1]
        if not self._counts:
            self._total = 0.0
