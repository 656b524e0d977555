"""Many processes in virtual time, and the figures made of them."""

import asyncio
from collections import Counter
from dataclasses import replace

from localdev.azuresim.routing import Charge
from localdev.bench import burst, outage
from localdev.bench.model.clock import START
from localdev.bench.model.crowd import Crowd
from localdev.bench.model.loop import LoopClock, run_virtually
from shared.hubs.states import HubState

GOOD_BURST = burst.Burst(
    throttled=0,
    makespan_s=200.0,
    ready_s=500.0,
    lowest_reads=10.0,
    lowest_writes=10.0,
    reads=4500,
    writes=3000,
    busiest=90,
    gate_requests=900,
)
GOOD_OUTAGE = outage.Outage(
    before=Counter({HubState.PROVISIONING: 500}),
    in_vain=100,
    failures_recorded=0,
    throttled=0,
    calls=7000,
    needed=7000,
    writes_missing=1200,
    alone_s=300.0,
    drained_s=500.0,
    busiest=25,
    mean=10.0,
)


def test_virtual_time_passes_in_order_and_costs_none():
    async def main() -> list[tuple[str, float]]:
        clock, seen = LoopClock(), list[tuple[str, float]]()

        async def wait(name: str, seconds: float) -> None:
            await clock.sleep(seconds)
            seen.append((name, round((clock.now() - START).total_seconds(), 3)))

        await asyncio.gather(wait("day", 86_400), wait("minute", 60), wait("hour", 3600))
        return seen

    assert run_virtually(main()) == [("minute", 60), ("hour", 3600), ("day", 86_400)]


def test_a_small_crowd_is_made_without_a_refusal_and_the_same_seed_makes_the_same_one():
    async def main() -> tuple[float, int, int]:
        crowd = Crowd(3)
        crowd.open()
        await crowd.accept(20)
        await crowd.until_ready()
        await crowd.close()
        refused = sum(one.outcome != "served" for one in crowd.arm.asked)
        assert crowd.arm.lowest[Charge.WRITES] < 200 and len(crowd.vm_puts) == 20
        return max(crowd.vm_puts), len(crowd.arm.asked), refused

    once, again = run_virtually(main()), run_virtually(main())
    assert once == again and once[2] == 0


def test_a_burst_that_keeps_its_goals_is_met_and_any_miss_fails_the_command():
    assert burst.report_of(GOOD_BURST).counts_met
    for miss in (
        replace(GOOD_BURST, throttled=1),
        replace(GOOD_BURST, makespan_s=217.0),
        replace(GOOD_BURST, gate_requests=1001),
    ):
        assert not burst.report_of(miss).counts_met


def test_an_outage_that_keeps_its_goals_is_met_and_any_miss_fails_the_command():
    assert GOOD_OUTAGE.optimum_s == 400
    assert outage.report_of(GOOD_OUTAGE).counts_met
    for miss in (
        replace(GOOD_OUTAGE, drained_s=610.0),
        replace(GOOD_OUTAGE, calls=8500),
        replace(GOOD_OUTAGE, busiest=31),
    ):
        assert not outage.report_of(miss).counts_met


def test_the_busiest_second_is_one_of_the_clock():
    assert burst.busiest_second([0.1, 0.9, 1.1, 5.0, 5.5, 5.999]) == 3
    assert burst.busiest_second([]) == 0
