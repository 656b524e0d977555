"""How many writes Azure takes, shared out: pure arithmetic of token buckets, kept as one number for each.

Azure Resource Manager takes 200 writes and then 10 a second, and as many deletes besides, of one principal in one
subscription (https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling). The
writes are shared by two lanes: the creates stand in line, everything else keeps a part that no line can use up.

A bucket is kept as the moment at which it will be full again (the "theoretical arrival time" of GCRA): one number that
needs no clock tick, and that may lie far ahead when many stand in line. All times are seconds since 1970.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Lane(StrEnum):
    LINE = "line"
    """Creates: a hub waits for its turn."""
    CHANGE = "change"
    """Every other write: stop, start, resize, a rule of the network. Uses what the line leaves, too."""
    DELETE = "delete"
    """DELETE requests, which Azure counts by themselves."""
    RETURN = "return"
    """No writes: hubs that waited for the end of an outage, and come back one after the other."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """Holds up to `size` tokens and gains `per_second` of them."""

    size: float
    per_second: float

    @property
    def fill_s(self) -> float:
        """Seconds from empty to full."""
        return self.size / self.per_second


BUCKETS: Mapping[Lane, Bucket] = {
    Lane.LINE: Bucket(150, 9.5),
    Lane.CHANGE: Bucket(30, 0.5),
    Lane.DELETE: Bucket(180, 10.0),
    Lane.RETURN: Bucket(5, 2.2),
}
"""RETURN: about as many hubs a second as could begin anyway.

LINE and CHANGE together: 180 and 10 a second. The missing 20 of Azure's 200 are for writes that a process has made
and not entered yet (`gate.DEBT`), and for clocks that differ."""

WRITE_LIMIT = Bucket(200, 10.0)
"""Azure's own, which LINE and CHANGE stay within together, and DELETE by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """`full_at` by lane: when its bucket is full again; what is over, or not there, is full. `hold_until`: Azure asked
    for no writes before."""

    full_at: Mapping[Lane, float] = field(default_factory=dict)
    hold_until: float = 0.0

    def reserve(self, lane: Lane, writes: int, now: float) -> tuple["Budget", float]:
        """Takes the tokens and says from when on the writes may be sent: `now`, or a moment in the future. Whoever
        gets a moment in the future has it for sure and must not ask again before."""
        best = self._take(lane, writes, now)
        if lane is Lane.CHANGE and best[1] > now:
            best = min(best, self._take(Lane.LINE, writes, now), key=lambda one: one[1])
        return best

    def lowered(self, until: float) -> "Budget":
        """Azure refused a write: nothing before `until`, and then only what flows in. Twice = the later one."""
        lower = self
        for lane in Lane:
            lower = lower.emptied(lane, until)
        return replace(lower, hold_until=max(self.hold_until, until))

    def emptied(self, lane: Lane, at: float) -> "Budget":
        """At that moment the lane has nothing in store: from then on what flows in. One that stands longer stays so."""
        full_at = max(self.full_at.get(lane, 0.0), at + BUCKETS[lane].fill_s)
        return replace(self, full_at={**self.full_at, lane: full_at})

    def left(self, lane: Lane, now: float) -> float:
        """How many writes may be sent at once; negative while some stand in line."""
        own = self._tokens(lane, now)
        return max(own, self._tokens(Lane.LINE, now)) if lane is Lane.CHANGE else own

    def _tokens(self, lane: Lane, now: float) -> float:
        bucket = BUCKETS[lane]
        return bucket.size - max(0.0, self.full_at.get(lane, 0.0) - now) * bucket.per_second

    def _take(self, lane: Lane, writes: int, now: float) -> tuple["Budget", float]:
        bucket = BUCKETS[lane]
        full_at = max(self.full_at.get(lane, 0.0), now) + writes / bucket.per_second
        slot = max(now, full_at - bucket.fill_s)
        return replace(self, full_at={**self.full_at, lane: full_at}), slot
