"""What goes wrong in a run, drawn from its seed: each run has another mixture, so that no fault hides another one."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One kind of fault. `rate`: how likely it is for each call (or message) it may strike; `rows`: the rows of the
    fault matrix it belongs to."""

    about: str
    rate: float
    rows: tuple[str, ...] = ()


FAULTS: Mapping[str, Fault] = {
    # -- calls of any port
    "kill-before": Fault(about="the process dies before a call", rate=0.004, rows=("F01", "F11")),
    "kill-after": Fault(about="the process dies right after a call", rate=0.004, rows=("F01", "F11")),
    "slow": Fault(about="a call takes up to 8 s", rate=0.03, rows=("F06",)),
    # -- storage
    "storage-refuses": Fault(about="storage answers 503, nothing happened", rate=0.03, rows=("F44",)),
    "storage-forgets": Fault(about="storage did it, its answer is lost", rate=0.02, rows=("F04", "F05")),
    # -- messages
    "message-lost": Fault(about="a message never arrives", rate=0.05, rows=("F08",)),
    "message-twice": Fault(about="a message arrives up to five times", rate=0.2, rows=("F06", "F07")),
    "message-late": Fault(about="a message comes minutes late and out of order", rate=0.1, rows=("F07",)),
    # -- timers
    "timer-twice": Fault(about="a timer fires in two processes at once", rate=0.3, rows=("F17",)),
    "timer-missed": Fault(about="a timer does not fire", rate=0.3, rows=("F16",)),
    # -- Azure
    "azure-refuses": Fault(about="ARM answers 503 or not at all, nothing happened", rate=0.05, rows=("F20", "F21")),
    "azure-forgets": Fault(about="ARM did it, its answer is lost", rate=0.04, rows=("F21",)),
    "azure-late": Fault(about="ARM takes a write up to 50 s after the client gave up", rate=0.03, rows=("F21", "F40")),
    "azure-throttles": Fault(about="ARM answers 429", rate=0.04, rows=("F19",)),
    "azure-stale": Fault(about="ARM's reads are up to 40 s old", rate=0.15, rows=("F25",)),
    "azure-fails": Fault(about="an operation of ARM ends as failed, for a passing reason", rate=0.03, rows=("F23",)),
    "azure-handles": Fault(about="ARM no longer knows an operation", rate=0.03, rows=("F22",)),
    "azure-full": Fault(about="Azure has no room", rate=0.25, rows=("F27", "F28")),
    "azure-outage": Fault(about="ARM answers nobody for up to 40 min", rate=1.0, rows=("F20", "F31")),
    "azure-unpaid": Fault(about="the subscription is disabled for a while", rate=1.0, rows=("F33",)),
    # -- machines
    "machine-silent": Fault(about="SSH or HTTP does not answer", rate=0.05, rows=("F34",)),
    "machine-forgets": Fault(about="the machine did it, its answer is lost", rate=0.03, rows=("F34",)),
    "installer-fails": Fault(about="TLJH's installer fails the first time", rate=0.2, rows=("F36",)),
    "installer-hangs": Fault(about="TLJH's installer never ends", rate=0.04, rows=("F37",)),
    "machine-dead": Fault(about="a machine runs and never answers", rate=0.04, rows=("F34", "F24")),
    "azure-slow": Fault(about="machines take up to half an hour to be made", rate=1.0, rows=("F24",)),
    # -- what is around
    "skew": Fault(about="clocks of processes are wrong by up to 10 min", rate=1.0, rows=("F15",)),
    "outage": Fault(about="all of the app is down for a while", rate=1.0, rows=("F16",)),
    "portal": Fault(about="somebody turns machines on and off in the portal", rate=0.3, rows=("F39",)),
    "portal-deletes": Fault(about="somebody deletes a machine in the portal", rate=0.3, rows=("F39",)),
    "lost-202": Fault(about="the caller never hears the answer and asks again", rate=0.2, rows=("F02",)),
    "sink": Fault(about="the sinks of notices refuse", rate=0.3, rows=("F43", "F45")),
    "sink-down": Fault(about="a target of notices is not there for up to 30 h", rate=1.0, rows=("F43",)),
    "sink-never": Fault(about="a target of notices answers 500 for ever", rate=1.0, rows=("F43",)),
    "sink-gone": Fault(about="a target of notices answers 410 from then on", rate=1.0, rows=("F48",)),
    "sink-slow": Fault(about="a target of notices thinks for up to 25 s", rate=1.0, rows=("F49",)),
    "sink-bug": Fault(about="a sink raises what none may", rate=0.3, rows=("F50",)),
    "flip": Fault(about="owners change their minds in the middle of everything", rate=0.5, rows=("F40", "F42")),
}


FOR_DAYS = frozenset({"sink-down", "sink-never"})
"""A run with one of these lasts for days, so they are seldom."""


class Twist(StrEnum):
    """The three ways of Sieve (OSDI '22) to bend a controller's view of the world."""

    STALE = "stale"
    """A read of Azure sees the state before the last change, or before the last few."""
    UNOBSERVED = "unobserved"
    """A look at Azure or a machine is not answered, whatever was to be seen then is never seen."""
    INTERMEDIATE = "intermediate"
    """A worker dies before a call: another one finds the world half changed."""
    LOST = "lost"
    """A message never arrives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Perturbation:
    """One twist at the `at`-th occasion of its kind, counted from 0. `versions`: how far back a stale read looks."""

    twist: Twist
    at: int
    versions: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`faults`: rates by name, those that are on. `trouble_s`: how long they last; then everything answers.

    `script`: what each owner asks for, one thing after the other once the hub has settled; None = whatever they like.
    `until_begun`: the run is over as soon as a worker has begun with every hub. `perturbation`: the one thing that is
    bent in a world without faults. `again_after_s`: when everything is over, time jumps that far and every message
    that was ever put arrives up to five times more, in any order. `slack`: whether hubs are followed there, too.
    """

    seed: int
    hubs: int
    hosts: int
    faults: Mapping[str, float] = field(default_factory=dict)
    trouble_s: float = 3600.0
    through_json: bool = False
    script: tuple[str, ...] | None = None
    perturbation: Perturbation | None = None
    again_after_s: float | None = None
    until_begun: bool = False
    slack: bool = False

    def rate(self, name: str) -> float:
        return self.faults.get(name, 0.0)


def draw(seed: int, *, hubs: int = 5) -> Plan:
    """A mixture: from a quiet world to one in which everything goes wrong at twice its usual rate."""
    rng = random.Random(f"plan-{seed}")
    share = rng.choice((0.15, 0.35, 0.6, 1.0))
    strengths = rng.choice(((0.1, 0.5, 1.0, 2.0), (1.0,), (2.0,)))
    chosen = {
        name: min(1.0, fault.rate * rng.choice(strengths)) for name, fault in FAULTS.items() if rng.random() < share
    }
    if rng.random() < 0.7:
        chosen = {name: rate for name, rate in chosen.items() if name not in FOR_DAYS}
    return Plan(
        seed=seed,
        hubs=hubs,
        hosts=rng.choice((1, 2, 3)),
        faults=chosen,
        trouble_s=rng.choice((1200.0, 3600.0, 3 * 3600.0)),
        through_json=seed % 20 == 0,
        slack=random.Random(f"slack-{seed}").random() < 0.4,
    )


def only(seed: int, *names: str, hubs: int = 5, hosts: int = 2, strength: float = 1.0) -> Plan:
    """The named faults and no other, at their own rates times `strength`."""
    faults = {name: min(1.0, FAULTS[name].rate * strength) for name in names}
    return replace(draw(seed, hubs=hubs), hosts=hosts, faults=faults)
