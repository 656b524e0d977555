"""R6: no accept is lost. Storage refuses and forgets one request in ten, messages get lost and processes die between
any two requests, while a hundred owners ask. Measured is how long after the last fault (or the 202, whichever is later)
a worker has begun with each hub."""

from collections.abc import Sequence
from dataclasses import replace

from tests.sim.plan import Plan, only

ACCEPTS_OF_A_RUN = 100
TROUBLE_S = 90.0
MOST_S = 120.0
"""The goal: a due row is of use a minute after its message, and the timer sees it within another one."""


def plan(seed: int) -> Plan:
    """A hundred owners within a minute and a half; each asks again until there is an answer."""
    made = only(seed, "storage-refuses", "storage-forgets", "kill-before", "kill-after", "message-lost", hosts=3)
    faults = {**made.faults, "storage-refuses": 0.1, "storage-forgets": 0.1}
    return replace(made, faults=faults, hubs=ACCEPTS_OF_A_RUN, trouble_s=TROUBLE_S, script=(), until_begun=True)


def share(sorted_s: Sequence[float], part: float) -> float:
    """The value below which `part` of them lie."""
    return sorted_s[min(len(sorted_s) - 1, int(part * len(sorted_s)))] if sorted_s else 0.0
