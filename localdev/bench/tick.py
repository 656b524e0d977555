"""P7: what a tick of the minute timer costs, with few hubs and with many.

Real: the tick, the workers' part of it and the adapter of table `due`. The table under it is one in memory that counts
the rows it examines (tests/support/billing_table.py); a message counts as a request. Visits go well here: the row that
a tick has moved finds its hub gone on when it comes again, two minutes later, and is forgotten. So every tick hands
over these rows too, besides those of hubs that came due in the last minute.
"""

import asyncio
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

from localdev.bench.report import Report
from shared.adapters.storage.client import StorageClients
from shared.adapters.storage.due import TableDue, entity
from shared.adapters.storage.table import Entity
from shared.app import App
from shared.hubs import messages
from shared.hubs.messages import DueBatch
from shared.hubs.model import Hub, Message
from shared.hubs.ports import DueRow
from shared.hubs.ticks import drive, tick
from tests.support.billing_table import BillingTable
from tests.support.builders import a_ready_hub, some_settings
from tests.support.clock import FakeClock

FEW, MANY = 1_000, 100_000
DUE = 10
SPREAD = timedelta(days=6)
"""All other hubs' rows lie evenly in the days that follow the last tick: of 100,000, twelve in each minute."""

STEADY = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
"""An ordinary tick: this process has ticked before, the hour is not young."""
NEW_HOUR = datetime(2026, 11, 23, 13, 0, tzinfo=UTC)

MAX_REQUESTS, MAX_EXAMINED, MAX_RATIO = 3, 50, 1.2
"""The goal."""


_TOGETHER = 20


@dataclass(frozen=True, slots=True)
class Cost:
    """One tick: requests to tables and queue, rows read, rows written or deleted. It handed over `due` rows."""

    requests: int
    rows_examined: int
    rows_written: int
    due: int


@dataclass(frozen=True, slots=True)
class Figures:
    """An ordinary tick with few hubs and with many, and the dearest of those around a full hour."""

    few: Cost
    many: Cost
    dearest: Cost

    @property
    def ratio(self) -> float:
        """Of everything a tick is made of, the part that grew most."""
        pairs = (
            (self.many.requests, self.few.requests),
            (self.many.rows_examined, self.few.rows_examined),
            (self.many.rows_written, self.few.rows_written),
        )
        return max(many / few for many, few in pairs)


def figures() -> Figures:
    """About a second, most of it for making 100,000 rows."""
    return asyncio.run(_figures())


async def _figures() -> Figures:
    few, many = Timer(FEW, until=STEADY), Timer(MANY, until=STEADY)
    around = Timer(FEW, until=NEW_HOUR + timedelta(minutes=8))
    return Figures(
        few=(await few.run())[-1],
        many=(await many.run())[-1],
        dearest=max(await around.run(minutes=12), key=lambda cost: cost.requests),
    )


def measure() -> Report:
    return report_of(figures())


def report_of(found: Figures) -> Report:
    report = Report(f"P7 a tick with {DUE} hubs newly due (and {found.many.due - DUE} that come again)")
    for hubs, cost in ((FEW, found.few), (MANY, found.many)):
        report.at_most(f"{hubs:,} hubs: storage requests", cost.requests, MAX_REQUESTS, exact=True)
        report.at_most(f"{hubs:,} hubs: rows examined", cost.rows_examined, MAX_EXAMINED, exact=True)
        report.add(f"{hubs:,} hubs: rows written or deleted", str(cost.rows_written))
    report.at_most(f"cost with {MANY:,} / with {FEW:,}", found.ratio, MAX_RATIO, exact=True)
    report.add("dearest tick around a full hour: storage requests", str(found.dearest.requests))
    report.add("dearest tick around a full hour: rows examined", str(found.dearest.rows_examined))
    return report


# ------------------------------------------------------------------ the deployment


class _Hubs:
    """A hub is where its due row says when it is read first, and has gone on when it is read again."""

    def __init__(self) -> None:
        self._hub = a_ready_hub()
        self._seen: set[str] = set()

    async def get(self, owner: str, name: str) -> Hub:
        passed = self._hub.pass_number + (2 if name in self._seen else 0)
        self._seen.add(name)
        return replace(self._hub, owner=owner, name=name, id=f"{name}-ab2cd3", pass_number=passed)


class _Queue:
    """Takes a message for a hub as a visit that went well, and keeps batches for `Timer`."""

    def __init__(self) -> None:
        self.batches: list[DueBatch] = []

    async def put(self, message: Message, *, delay_s: float = 0) -> None:
        return

    async def put_due(self, rows: Sequence[DueRow]) -> None:
        found = [messages.decode(text) for text in messages.encode_due(rows)]
        self.batches += [batch for batch in found if isinstance(batch, DueBatch)]


class Timer:
    """A deployment with this many hubs: its timer, and the workers that take what it hands over."""

    def __init__(self, hubs: int, *, until: datetime, seed: int = 1) -> None:
        self.table = BillingTable()
        self.table.fill(list(_waiting(hubs, until, random.Random(seed))))
        self._until = until
        self._clock = FakeClock()
        self._queue = _Queue()
        due = TableDue(StorageClients(some_settings()), table=self.table)
        self._app = cast(App, SimpleNamespace(clock=self._clock, due=due, queue=self._queue, hubs=_Hubs()))
        self._fresh = 0

    async def run(self, *, minutes: int = 4) -> list[Cost]:
        """The last ticks before and at `until`; the very first one, which reads the watermark, is left out."""
        self._clock.advance_to(self._until - timedelta(minutes=minutes))
        return [await self._tick() for _ in range(minutes + 1)][1:]

    async def _tick(self) -> Cost:
        now = self._clock.now()
        newly = [_row(f"due{self._fresh + number}", now - timedelta(seconds=5 * number)) for number in range(DUE)]
        self._fresh += DUE
        self.table.fill([entity(row) for row in newly])
        self.table.taken()
        due = await tick(self._app)
        work = self.table.taken()
        cost = Cost(len(work.requests) + len(self._queue.batches), work.rows_examined, work.rows_written, due)
        while self._queue.batches:
            await drive(self._app, self._queue.batches.pop().rows)
        self._clock.advance(60)
        return cost


def _waiting(hubs: int, after: datetime, rng: random.Random) -> Iterable[Entity]:
    """A row for each hub, twenty of them at each of as many moments as that makes: it saves writing times as text."""
    for start in range(0, hubs, _TOGETHER):
        first = entity(_row("first", after + timedelta(seconds=1) + SPREAD * rng.random()))
        for number in range(start, min(start + _TOGETHER, hubs)):
            name = f"h{number}"
            key = first["RowKey"].replace("first-", f"{name}-")
            yield {**first, "RowKey": key, "hubId": f"{name}-ab2cd3", "name": name}


def _row(name: str, at: datetime) -> DueRow:
    return DueRow(
        at=at,
        hub_id=f"{name}-ab2cd3",
        owner=f"{name}@example.com",
        name=name,
        kind="pass",
        generation=1,
        pass_number=24,
    )
