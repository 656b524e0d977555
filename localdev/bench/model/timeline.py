"""What the hub needed and when it was under way; what is left of the time is our overhead."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

ACCEPT = "accept"
"""The name of what comes before the first piece of work: message delay and the host's first look."""


@dataclass(frozen=True, slots=True)
class Work:
    """Something the hub needs (an Azure operation, the installer, a task), from beginning to end."""

    name: str
    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Gap:
    """Time in which nothing that the hub needs was under way: `after` what had ended, unnoticed."""

    after: str
    begin: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        return (self.end - self.begin).total_seconds()


@dataclass
class Timeline:
    """Work and the waits for the host to pick a visible message up, of one hub."""

    accepted: datetime
    work: list[Work] = field(default_factory=list)
    pick_ups: list[tuple[datetime, datetime]] = field(default_factory=list)

    def add(self, name: str, begin: datetime, end: datetime) -> None:
        self.work.append(Work(name, begin, end))

    def gaps(self, ready: datetime) -> list[Gap]:
        """Between accept and `ready`, in order. Work that overlaps (boot and our looks at it) leaves no gap."""
        found: list[Gap] = []
        latest, after = self.accepted, ACCEPT
        for work in sorted(self.work, key=lambda work: (work.begin, work.end)):
            if work.begin >= ready:
                break
            if work.begin > latest:
                found.append(Gap(after, latest, work.begin))
            if work.end > latest:
                latest, after = work.end, work.name
        if ready > latest:
            found.append(Gap(after, latest, ready))
        return found

    def picked_up_late(self, gaps: Sequence[Gap]) -> float:
        """Seconds of the gaps in which a message was visible and the host had not looked yet."""
        total = 0.0
        for visible, taken in self.pick_ups:
            for gap in gaps:
                overlap = (min(taken, gap.end) - max(visible, gap.begin)).total_seconds()
                total += max(0.0, overlap)
        return total


def by_cause(gaps: Sequence[Gap]) -> Mapping[str, float]:
    """Seconds of overhead after each piece of work, in order of first appearance."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for gap in gaps:
        seconds[gap.after] += gap.seconds
    return dict(seconds)
