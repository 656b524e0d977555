"""P4 and P10, modelled in virtual time: what our control plane adds until a hub is ready, what it asks, what it costs.

Overhead = time from accept to ready in which nothing that the hub needs was under way: no Azure operation, no boot, no
installer, no task, no certificate, no server or kernel start, no proof that port 22 is closed (localdev/bench/model).
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from localdev.bench.model.host import longest_poll
from localdev.bench.model.life import Life, Model
from localdev.bench.model.prices import idle_month, price
from localdev.bench.model.timeline import by_cause
from localdev.bench.options import DEFAULT_SECONDS, FEWEST_HUBS
from localdev.bench.report import Report, number, quantile

WRITES_UNTIL_VM, WRITES, READS, MESSAGES = 4, 6, 15, 30
OVERHEAD_P50_S, OVERHEAD_P99_S = 5.0, 10.0
OPERATIONS, HUB_MONTH, IDLE_MONTH = 150, 0.0002, 1.0

WITHIN_SHARE = 0.99
"""Reads and messages follow from chance; so many of all hubs must be within the limit, the most is shown beside."""

_DELETED = 20
"""So many hubs are deleted again, for what that costs."""


@dataclass
class Tally:
    """What is kept of each hub: ten thousand lives would not fit in memory."""

    overhead: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    critical: list[float] = field(default_factory=list)
    to_ready: list[float] = field(default_factory=list)
    writes_until_vm: list[int] = field(default_factory=list)
    writes: list[int] = field(default_factory=list)
    reads: list[int] = field(default_factory=list)
    messages: list[int] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
    operations: list[int] = field(default_factory=list)
    entities: list[int] = field(default_factory=list)
    prices: list[float] = field(default_factory=list)
    deletions: list[float] = field(default_factory=list)
    by_cause: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    by_call: Counter[str] = field(default_factory=Counter)
    visits: Counter[str] = field(default_factory=Counter)

    @property
    def hubs(self) -> int:
        return len(self.overhead)

    def add(self, life: Life) -> None:
        self.overhead.append(life.overhead_s)
        self.late.append(life.picked_up_late_s)
        self.critical.append(life.critical_s)
        self.to_ready.append(life.to_ready_s)
        self.writes_until_vm.append(life.writes_until_vm)
        self.writes.append(life.writes)
        self.reads.append(life.reads)
        self.messages.append(life.messages)
        self.requests.append(life.bill.total_requests)
        self.operations.append(life.bill.operations)
        self.entities.append(life.bill.entities)
        self.prices.append(price(life.bill))
        for cause, seconds in by_cause(life.gaps).items():
            self.by_cause[cause].append(seconds)
        self.by_call += life.bill.requests
        self.visits += life.visits
        if life.deletion is not None:
            self.deletions.append(price(life.deletion))


def measure(hubs: int | None, seed: int) -> Report:
    return told(asyncio.run(run(hubs, seed)))


async def run(hubs: int | None, seed: int, *, clock: Callable[[], float] = time.perf_counter) -> Tally:
    """That many hubs, or as many as DEFAULT_SECONDS allow, at least FEWEST_HUBS."""
    model, tally, began = Model(), Tally(), clock()

    def more() -> bool:
        if hubs is not None:
            return tally.hubs < hubs
        return tally.hubs < FEWEST_HUBS or clock() - began < DEFAULT_SECONDS

    while more():
        tally.add(await model.live(seed + tally.hubs, delete=tally.hubs < _DELETED))
    return tally


def told(tally: Tally) -> Report:
    report = Report(f"P4, P10 to ready (modelled: {tally.hubs} hubs in virtual time, one at a time)")
    _time(report, tally)
    _counts(report, tally)
    _storage(report, tally)
    report.note(
        _table("seconds of overhead after ...", ("all hubs, mean", "where any: hubs", "p50", "p99"), _rows(tally))
    )
    report.note(f"  messages by step, mean: {_means(tally.visits, tally.hubs)}")
    report.note(f"  storage requests by call, mean: {_means(tally.by_call, tally.hubs)}")
    return report


def _time(report: Report, tally: Tally) -> None:
    report.add("time to ready, p50 / p99", _pair(tally.to_ready, " s"))
    report.add("  of it what the hub needs", _pair(tally.critical, " s"))
    for name, share, limit in (("p50", 0.5, OVERHEAD_P50_S), ("p99", 0.99, OVERHEAD_P99_S)):
        report.at_most(f"control overhead, {name}", round(quantile(tally.overhead, share), 1), limit, " s")
    report.add("  of it messages the host had not seen yet", _pair(tally.late, " s"))


def _counts(report: Report, tally: Tally) -> None:
    report.at_most("ARM writes until the VM exists, most", max(tally.writes_until_vm), WRITES_UNTIL_VM, exact=True)
    report.at_most("ARM writes to ready, most", max(tally.writes), WRITES, exact=True)
    for name, values, limit in (("ARM reads", tally.reads, READS), ("queue messages", tally.messages, MESSAGES)):
        within = sum(1 for value in values if value <= limit) / len(values)
        shown = f"{quantile(values, 0.5)} / {quantile(values, WITHIN_SHARE)} / {max(values)}"
        met = quantile(values, WITHIN_SHARE) <= limit
        report.add(f"{name}, p50 / p99 / most", shown, f"<= {limit}", met, exact=True)
        report.add(f"  hubs within {limit}", f"{within:.1%}")


def _storage(report: Report, tally: Tally) -> None:
    report.add("storage requests, p50 / p99", _pair(tally.requests))
    report.add("entities written or deleted, p50 / p99", _pair(tally.entities))
    report.at_most("billed storage operations, p50", quantile(tally.operations, 0.5), OPERATIONS)
    month = quantile(tally.prices, 0.5) + (quantile(tally.deletions, 0.5) if tally.deletions else 0.0)
    report.add("storage price of a hub (create, delete)", f"${month:.6f}", f"<= ${HUB_MONTH}", month <= HUB_MONTH)
    idle = idle_month(_queue_triggers(), longest_poll().total_seconds())
    report.add("storage price of an idle instance a month", f"${idle:.2f}", f"<= ${IDLE_MONTH:g}", idle <= IDLE_MONTH)


def _queue_triggers() -> int:
    """How many queues the host asks for this app."""
    import function_app

    functions = function_app.app.get_functions()
    return sum(1 for one in functions if any("queueTrigger" in str(b) for b in one.get_raw_bindings()))


def _rows(tally: Tally) -> list[tuple[str, ...]]:
    every = sorted(tally.by_cause.items(), key=lambda item: -sum(item[1]))
    return [
        (
            cause,
            f"{sum(values) / tally.hubs:.2f}",
            str(len(values)),
            f"{quantile(values, 0.5):.2f}",
            f"{quantile(values, 0.99):.2f}",
        )
        for cause, values in every
    ]


def _table(first: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    everything = [(first, *heads), *rows]
    widths = [max(len(row[column]) for row in everything) for column in range(len(heads) + 1)]
    return "\n".join(
        "  "
        + "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in everything
    )


def _pair(values: Sequence[float], unit: str = "") -> str:
    return f"{number(round(quantile(values, 0.5), 1))} / {number(round(quantile(values, 0.99), 1))}{unit}"


def _means(counts: Counter[str], hubs: int) -> str:
    return ", ".join(f"{name} {count / hubs:.1f}" for name, count in counts.most_common())
