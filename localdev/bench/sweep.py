"""P6: how many reads of Azure the sweep costs, however many hubs run.

Real: the sweep and what it begins. Azure and storage are the fakes with memory (tests/support), which count a read for
each page of the lists (of all machines' power states, of all tagged groups, of all tagged resources) and one for each
thing looked at by itself; a page has 1,000 entries, a hub six resources. Virtual time: sweeps are five minutes apart,
as the timer has them.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from localdev.bench.report import Report
from shared.hubs.sweep import EVERY, LOOKS, sweep
from tests.support.standing import seed_ready
from tests.support.world import World

HUBS = (100, 1_000, 5_000)
ONE_PAGE = 1_000
RESOURCES = 6
"""Of each hub here: machine, disk, interface, address, network, security group."""
TURNED_OFF = 300
"""So many of a thousand machines are turned off in the portal at once: the worst hour a sweep knows."""

MAX_READS_A_MINUTE = 12.0
"""The goal."""

_MINUTES = EVERY.total_seconds() / 60
_SWEEPS = 3


@dataclass(frozen=True, slots=True)
class Cost:
    """The dearest of some sweeps in a row: reads of the lists, and of single machines and groups. `writes`: what all
    of them asked Azure to change."""

    lists: int
    looks: int
    writes: int

    @property
    def reads_a_minute(self) -> float:
        return (self.lists + self.looks) / _MINUTES


@dataclass(frozen=True, slots=True)
class Figures:
    """By number of running hubs, and with a thousand of which many were turned off behind our back."""

    steady: Mapping[int, Cost]
    busy: Cost


def figures() -> Figures:
    """A few seconds, most of them for making the hubs."""
    return asyncio.run(_figures())


async def _figures() -> Figures:
    return Figures(
        steady={hubs: await _cost(hubs) for hubs in HUBS},
        busy=await _cost(ONE_PAGE, turned_off=TURNED_OFF),
    )


async def _cost(hubs: int, *, turned_off: int = 0) -> Cost:
    world = World(through_json=False)
    for number in range(hubs):
        seed_ready(world, f"h{number}", "deallocated" if number < turned_off else "running")
    dearest = Cost(0, 0, 0)
    for _ in range(_SWEEPS):
        before = len(world.cloud.reads)
        await sweep(world.app)
        verbs = Counter(call.verb for call in world.cloud.reads[before:])
        lists = verbs["powers"] + verbs["tagged"]
        cost = Cost(lists, verbs.total() - lists, len(world.cloud.writes))
        dearest = max(dearest, cost, key=lambda one: one.reads_a_minute)
        world.clock.advance(EVERY)
    return dearest


def pages(hubs: int) -> int:
    """Of the three lists together."""
    return sum(-(-entries // ONE_PAGE) for entries in (hubs, hubs, RESOURCES * hubs))


def measure() -> Report:
    return report_of(figures())


def report_of(found: Figures) -> Report:
    report = Report(f"P6 reads of Azure by the sweep, every {_MINUTES:g} minutes, {ONE_PAGE:,} machines on a page")
    for hubs, cost in found.steady.items():
        report.at_most(f"{hubs:,} running hubs: reads a minute", cost.reads_a_minute, MAX_READS_A_MINUTE, exact=True)
        report.at_most(f"{hubs:,} running hubs: reads a sweep", cost.lists + cost.looks, pages(hubs), exact=True)
    busiest = f"{ONE_PAGE:,} hubs, {TURNED_OFF} of them turned off in the portal"
    report.at_most(f"{busiest}: reads a minute", found.busy.reads_a_minute, MAX_READS_A_MINUTE, exact=True)
    report.add(f"{busiest}: looked at in one sweep", f"{found.busy.looks}", f"<= {LOOKS}", found.busy.looks <= LOOKS)
    report.note("  What a stop or a start that follows asks of Azure is its own and not in these figures.")
    return report
