"""P5: five hundred creates at once against ARM's token buckets, on several worker processes, in virtual time."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from localdev.azuresim.routing import Charge
from localdev.bench.model.crowd import PROCESSES, Crowd
from localdev.bench.model.loop import run_virtually
from localdev.bench.report import Report
from shared.hubs.write_budget import WRITE_LIMIT

HUBS = 500
WRITES_EACH = 4
"""Writes until a machine is asked for."""

OPTIMUM_S = (HUBS * WRITES_EACH - WRITE_LIMIT.size) / WRITE_LIMIT.per_second
"""500 x 4 writes less the 200 that ARM has in store, at 10 a second."""

MAKESPAN = 1.2
GATE_REQUESTS = 2.0


@dataclass(frozen=True, slots=True)
class Burst:
    """`makespan_s`: from the first accept until the last machine was asked for. `lowest`: what was left in ARM's
    buckets at the worst moment."""

    throttled: int
    makespan_s: float
    ready_s: float
    lowest_reads: float
    lowest_writes: float
    reads: int
    writes: int
    busiest: int
    gate_requests: int


def figures(seed: int = 1) -> Burst:
    return run_virtually(_burst(seed))


async def _burst(seed: int) -> Burst:
    crowd = Crowd(seed)
    crowd.open()
    await crowd.accept(HUBS)
    await crowd.until_ready()
    ready_s = asyncio.get_running_loop().time()
    await crowd.close()
    asked = crowd.arm.asked
    return Burst(
        throttled=sum(one.outcome == "throttled" for one in asked),
        makespan_s=max(crowd.vm_puts),
        ready_s=ready_s,
        lowest_reads=crowd.arm.lowest[Charge.READS],
        lowest_writes=crowd.arm.lowest[Charge.WRITES],
        reads=sum(one.charge is Charge.READS for one in asked),
        writes=sum(one.charge is Charge.WRITES for one in asked),
        busiest=busiest_second([one.at for one in asked]),
        gate_requests=crowd.row.requests,
    )


def busiest_second(moments: Sequence[float]) -> int:
    """The most of them in any one second of the clock."""
    return max(Counter(int(at) for at in moments).values(), default=0)


def measure(seed: int = 1) -> Report:
    return report_of(figures(seed))


def report_of(found: Burst) -> Report:
    report = Report(
        f"P5 {HUBS} creates at once (modelled: {PROCESSES} worker processes, fakes with ARM's buckets, virtual time)"
    )
    report.at_most("answers 429", found.throttled, 0, exact=True)
    report.at_most(
        f"all machines asked for, over the optimum of {OPTIMUM_S:g} s",
        round(found.makespan_s / OPTIMUM_S, 2),
        MAKESPAN,
        exact=True,
    )
    report.add("  after", f"{found.makespan_s:.0f} s")
    report.add("all hubs ready after", f"{found.ready_s:.0f} s")
    report.add(
        "reads a hub / least left of ARM's 250",
        f"{found.reads / HUBS:.1f} / {found.lowest_reads:.0f}",
        "> 0",
        found.lowest_reads > 0,
        exact=True,
    )
    report.add("writes a hub / least left of ARM's 200", f"{found.writes / HUBS:.1f} / {found.lowest_writes:.0f}")
    report.add("busiest second", f"{found.busiest} requests")
    report.at_most("requests to the gate's row a hub", found.gate_requests / HUBS, GATE_REQUESTS, exact=True)
    return report
