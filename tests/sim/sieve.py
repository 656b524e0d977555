"""R4: one life in a world without faults, lived again once for every observation that can be bent, compared with the
undisturbed life. The occasions are counted by that life, not written down."""

from collections.abc import Iterator
from dataclasses import replace

from tests.sim.plan import Perturbation, Plan, Twist, only
from tests.sim.run import Outcome, simulate

SCRIPT = ("stop", "start", "delete")
MOST_VERSIONS = 3


def undisturbed(seed: int = 1) -> Plan:
    """One hub that is made, stopped, started and deleted; two processes, no faults."""
    return replace(only(seed, hubs=1), trouble_s=60.0, script=SCRIPT)


def bent(reference: Outcome) -> Iterator[Plan]:
    """Every single perturbation of that life."""
    for twist in Twist:
        versions = range(1, MOST_VERSIONS + 1) if twist is Twist.STALE else (1,)
        for at in range(reference.occasions[twist]):
            for back in versions:
                yield replace(reference.plan, perturbation=Perturbation(twist=twist, at=at, versions=back))


def differs(outcome: Outcome, reference: Outcome) -> str:
    """What an owner, or the bill, would notice; empty when nothing."""
    if outcome.violations:
        return outcome.violations[0]
    if outcome.states != reference.states:
        return f"ends {dict(outcome.states)} instead of {dict(reference.states)}"
    if outcome.machines != reference.machines:
        return f"{outcome.machines} machines were made instead of {reference.machines}"
    return ""


def reference(seed: int = 1) -> Outcome:
    return simulate(undisturbed(seed))
