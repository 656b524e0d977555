"""R9: half an hour without ARM, five hundred hubs in the middle of their creation, in virtual time.

Optimum: what no client could beat once ARM is back: the writes that are still missing until the last machine is asked
for, at ARM's pace (200 at once, then 10 a second), and then the time that hub takes by itself.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass

from localdev.bench.burst import HUBS, busiest_second
from localdev.bench.model.crowd import PROCESSES, Crowd
from localdev.bench.model.loop import run_virtually
from localdev.bench.report import Report
from shared.hubs.states import HubState
from shared.hubs.write_budget import WRITE_LIMIT

BEGINS_S, LASTS_S = 100.0, 1800.0
"""Half of the machines are asked for by then, and no hub is ready."""

_UNTIL_MACHINE = ("group_put", "nsg", "vnet", "vm")

DRAINED, CALLS, BUSIEST = 1.5, 1.2, 3.0


@dataclass(frozen=True, slots=True)
class Outage:
    """`before`: hubs by state when ARM went away. `in_vain`: calls while it was away. Seconds after it was back."""

    before: Counter[HubState]
    in_vain: int
    failures_recorded: int
    throttled: int
    calls: int
    needed: int
    writes_missing: int
    alone_s: float
    drained_s: float
    busiest: int
    mean: float

    @property
    def optimum_s(self) -> float:
        return max(0.0, (self.writes_missing - WRITE_LIMIT.size) / WRITE_LIMIT.per_second) + self.alone_s


def figures(seed: int = 1) -> Outage:
    alone_s, _ = run_virtually(_undisturbed(seed, 1))
    _, needed = run_virtually(_undisturbed(seed, HUBS))
    return run_virtually(_disturbed(seed, needed, alone_s))


async def _undisturbed(seed: int, hubs: int) -> tuple[float, int]:
    """Seconds until all are ready, and calls."""
    crowd = Crowd(seed)
    crowd.open()
    await crowd.accept(hubs)
    await crowd.until_ready()
    ready_s = asyncio.get_running_loop().time()
    await crowd.close()
    return ready_s, len(crowd.arm.asked)


async def _disturbed(seed: int, needed: int, alone_s: float) -> Outage:
    crowd, loop = Crowd(seed), asyncio.get_running_loop()
    crowd.open()
    await crowd.accept(HUBS)
    await asyncio.sleep(BEGINS_S - loop.time())
    before = crowd.states()
    crowd.arm.down = True
    await asyncio.sleep(LASTS_S)
    crowd.arm.down = False
    back = loop.time()
    missing = _writes_missing(crowd)
    recorded = sum(step.tries > 0 or step.last_error is not None for hub in crowd.hubs() for step in hub.steps.values())
    await crowd.until_ready()
    drained_s = loop.time() - back
    await crowd.close()
    after = [one.at - back for one in crowd.arm.asked if one.at >= back]
    return Outage(
        before=before,
        in_vain=sum(one.outcome == "unreachable" for one in crowd.arm.asked),
        failures_recorded=recorded,
        throttled=sum(one.outcome == "throttled" for one in crowd.arm.asked),
        calls=len(crowd.arm.asked),
        needed=needed,
        writes_missing=missing,
        alone_s=alone_s,
        drained_s=drained_s,
        busiest=busiest_second(after),
        mean=len(after) / drained_s,
    )


def _writes_missing(crowd: Crowd) -> int:
    """Until every machine is asked for."""
    made = {(call.verb, call.group) for call in crowd.cloud.writes if call.verb in _UNTIL_MACHINE}
    return HUBS * len(_UNTIL_MACHINE) - len(made)


def measure(seed: int = 1) -> Report:
    return report_of(figures(seed))


def report_of(found: Outage) -> Report:
    report = Report(
        f"R9 {LASTS_S / 60:g} min without ARM, {HUBS} hubs being made "
        f"(modelled: {PROCESSES} worker processes, fakes with ARM's buckets, virtual time)"
    )
    report.add("hubs when ARM went away", ", ".join(f"{n} {state}" for state, n in sorted(found.before.items())))
    report.add("calls while it was away", f"{found.in_vain}")
    report.add("steps with a recorded failure", f"{found.failures_recorded}")
    report.at_most(
        f"all ready, over the optimum of {found.optimum_s:.0f} s after it was back",
        round(found.drained_s / found.optimum_s, 2),
        DRAINED,
        exact=True,
    )
    report.add("  after", f"{found.drained_s:.0f} s")
    report.at_most("calls for each needed call", round(found.calls / found.needed, 3), CALLS, exact=True)
    report.at_most("busiest second over the mean", round(found.busiest / found.mean, 2), BUSIEST, exact=True)
    report.add("  requests a second, busiest / mean", f"{found.busiest} / {found.mean:.1f}")
    report.add("answers 429", f"{found.throttled}")
    report.note(
        f"  Optimum: {found.writes_missing} writes still missing until the last machine, at ARM's pace, and then "
        f"{found.alone_s:.0f} s, what a hub alone takes here."
    )
    return report
