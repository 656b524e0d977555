"""R7: every message up to five times, shuffled, late by minutes, and all of them once more after seven days."""

import random
from dataclasses import replace

from tests.sim.plan import Plan, only

SEVEN_DAYS_S = 7 * 86_400.0
"""The longest that a storage queue keeps a message."""


def plan(seed: int) -> Plan:
    """Two hubs in a world in which only messages misbehave."""
    made = only(seed, "message-twice", "message-late", hubs=2, strength=5.0)
    script = random.Random(seed).choice(
        ((), ("stop",), ("stop", "start"), ("restart",), ("stop", "delete"), ("delete",))
    )
    return replace(made, again_after_s=SEVEN_DAYS_S, trouble_s=1800.0, script=script)
