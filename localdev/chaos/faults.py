"""What may go wrong with one request on its way, and which request it happens to: decided by a seed. Pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random

LONGEST_DELAY_S = 3.0
RETRY_AFTER_S = (1, 3)
"""Azure says tens of seconds; these runs are faster than Azure by more than that."""


class FaultKind(StrEnum):
    """In the order of a request's life."""

    DELAY = "delay"
    RESET_BEFORE = "reset-before"
    """The connection ends before the request went on: it never happened."""
    THROTTLED = "429"
    THROTTLED_BARE = "429-bare"
    """Without `Retry-After`."""
    UNAVAILABLE = "503"
    RESET_AFTER = "reset-after"
    """The request was done, its answer is lost."""
    TRUNCATED = "truncated"
    """The request was done, its answer ends in the middle."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`delay_s` also before other faults; 0 = at once. `retry_after_s` None = the answer does not say."""

    kind: FaultKind
    delay_s: float = 0.0
    retry_after_s: int | None = None
    share: float = 0.5
    """How much of the answer arrives when it is truncated."""


STORAGE_RATES: Mapping[FaultKind, float] = {
    FaultKind.DELAY: 0.02,
    FaultKind.RESET_BEFORE: 0.004,
    FaultKind.UNAVAILABLE: 0.006,
    FaultKind.RESET_AFTER: 0.004,
    FaultKind.TRUNCATED: 0.002,
}
"""Azure Storage says 503 `ServerBusy`, never 429.
https://learn.microsoft.com/azure/storage/common/storage-error-codes"""

ARM_RATES: Mapping[FaultKind, float] = {
    FaultKind.DELAY: 0.05,
    FaultKind.RESET_BEFORE: 0.02,
    FaultKind.THROTTLED: 0.02,
    FaultKind.THROTTLED_BARE: 0.01,
    FaultKind.UNAVAILABLE: 0.02,
    FaultKind.RESET_AFTER: 0.02,
    FaultKind.TRUNCATED: 0.01,
}


def scaled(rates: Mapping[FaultKind, float], factor: float) -> dict[FaultKind, float]:
    """All rates times `factor`. Raises ValueError when they are more than 1 together, or negative."""
    found = {kind: rate * factor for kind, rate in rates.items()}
    if min(found.values(), default=0) < 0 or sum(found.values()) > 1:
        raise ValueError("rates of faults are shares of all requests")
    return found


@dataclass
class FaultPlan:
    """The n-th request of a plan meets the same fault in every run of the same seed; which request is the n-th is the
    processes' own affair. `quiet` ends all faults. `struck`: what happened so far."""

    seed: str
    rates: Mapping[FaultKind, float]
    quiet: bool = False
    asked: int = 0
    struck: Counter[FaultKind] = field(default_factory=Counter)

    def next(self) -> Fault | None:
        """The fault of the next request; None as a rule."""
        self.asked += 1
        fault = None if self.quiet else fault_of(self.seed, self.asked, self.rates)
        if fault is not None:
            self.struck[fault.kind] += 1
        return fault


def fault_of(seed: str, number: int, rates: Mapping[FaultKind, float]) -> Fault | None:
    """Pure: the same arguments give the same fault."""
    random = Random(f"{seed}/{number}")
    place = random.random()
    for kind, rate in rates.items():
        if place < rate:
            return Fault(
                kind,
                delay_s=round(random.uniform(0.05, LONGEST_DELAY_S), 3) if kind is FaultKind.DELAY else 0.0,
                retry_after_s=random.randint(*RETRY_AFTER_S) if kind is FaultKind.THROTTLED else None,
                share=random.random(),
            )
        place -= rate
    return None
