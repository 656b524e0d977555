"""Watches every try to tell somebody (I9): who is asked, by whom, when, and whether they were done with before."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta

from shared.errors import HubletError
from shared.hubs.deliveries import JITTER, RETRY_AFTER_S, key_of
from shared.hubs.model import Notice
from shared.hubs.ports import NoticeRef, Pending, Sink
from tests.sim.loop import SimClock
from tests.support.fake_storage import FakeHubStore, FakeOutbox
from tests.support.tape import Tape

LONGEST_VISIT_S = 90.0
"""Three calls of a sink, ten seconds each, and storage at its slowest around them."""

LEAST_PATIENCE = timedelta(seconds=sum(RETRY_AFTER_S) * (1 - JITTER)) - timedelta(minutes=30)
"""Who is given up sooner was not asked as often as the schedule says."""


@dataclass(eq=False)
class _Visit:
    """One message of `hub-notify` in the hands of one worker. `named_at`: when each sink had said whom it tells."""

    taken_at: float
    asks_at: float | None = None
    named_at: dict[str, float] = field(default_factory=dict)


_PRESENT: ContextVar[_Visit | None] = ContextVar("visit", default=None)


class SimOutbox(FakeOutbox):
    """Remembers when a stored row first said that a target is done with (`done_with`), and when a notice left it."""

    def __init__(self, hubs: FakeHubStore, tape: Tape) -> None:
        super().__init__(hubs, tape)
        self.done_with: dict[tuple[str, str], float] = {}
        self.over: dict[str, float] = {}

    async def save(self, pending: Pending) -> Pending:
        stored = await super().save(pending)
        for key, one in (pending.deliveries or {}).items():
            if one.next_at is None:
                self.done_with.setdefault((key, pending.notice.id), asyncio.get_running_loop().time())
        return stored

    async def done(self, owner: str, hub_id: str, seq: int, *, etag: str | None = None) -> None:
        there = self.rows.get((owner, hub_id, seq))
        await super().done(owner, hub_id, seq, etag=etag)
        if there is not None:
            self.over.setdefault(there.notice.id, asyncio.get_running_loop().time())


@dataclass
class Witness:
    """`broken`: what must never be. `asked`: tries by target and notice; `refused`: what a
    target said it would never take."""

    clock: SimClock
    outbox: SimOutbox
    refused: set[tuple[str, str]]
    broken: list[str] = field(default_factory=list)
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    visits: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Those that asked anybody."""
    longest_s: float = 0.0

    def watching(self, sink: Sink) -> Sink:
        return _Watched(sink, self)

    @contextmanager
    def visit(self, ref: NoticeRef) -> Iterator[None]:
        """Around one function call of `hub-notify`."""
        visit = _Visit(_now())
        token = _PRESENT.set(visit)
        try:
            yield
        finally:
            _PRESENT.reset(token)
            took_s = _now() - visit.taken_at
            self.longest_s = max(self.longest_s, took_s)
            if visit.asks_at is not None:
                self.visits[ref.hub_id, ref.seq] += 1
            if took_s > LONGEST_VISIT_S:
                self.broken.append(f"I9: a visit to notice {ref.seq} of {ref.hub_id} took {took_s:.0f} s")

    # ---- what a watched sink tells
    def asks(self, sink: str, target: str | None, notice: Notice) -> None:
        """`target` None: for its targets."""
        visit, now, key = _PRESENT.get(), _now(), key_of(sink, target or "")
        what = f"notice {notice.seq} of {notice.hub_id} ({notice.type})"
        if visit is None:
            self.broken.append(f"I9: {sink} is told {what} by somebody who works on the hub")
            return
        if visit.asks_at is None:
            visit.asks_at = now
        if now > visit.asks_at and now != visit.named_at.get(sink):
            late_s = now - visit.asks_at
            self.broken.append(f"I9: {key} hears {what} {late_s:.1f} s after others: it waited for them")
        if target is None:
            return
        self.asked[key, notice.id] += 1
        done_with, over = self.outbox.done_with.get((key, notice.id)), self.outbox.over.get(notice.id)
        done = min(at for at in (done_with, over, visit.taken_at) if at is not None)
        if done < visit.taken_at:
            self.broken.append(f"I9: {key} hears {what} again {visit.taken_at - done:.0f} s after it was done with it")

    def named(self, sink: str) -> None:
        if (visit := _PRESENT.get()) is not None:
            visit.named_at[sink] = _now()

    def gives_up(self, sink: str, target: str, notice: Notice) -> None:
        """Only who refused for good, or for about three days."""
        key, age = key_of(sink, target), self.clock.now() - notice.at
        if (key, notice.id) not in self.refused and age < LEAST_PATIENCE:
            self.broken.append(f"I9: {key} is given up for notice {notice.seq} of {notice.hub_id} after {age}")


class _Watched:
    """`Sink`."""

    def __init__(self, sink: Sink, witness: Witness) -> None:
        self.name = sink.name
        self._sink, self._witness = sink, witness

    async def targets(self, notice: Notice) -> Sequence[str]:
        self._witness.asks(self.name, None, notice)
        found = await self._sink.targets(notice)
        self._witness.named(self.name)
        return found

    async def deliver(self, notice: Notice, target: str) -> None:
        self._witness.asks(self.name, target, notice)
        await self._sink.deliver(notice, target)

    async def gave_up(self, notice: Notice, target: str, error: HubletError) -> None:
        self._witness.gives_up(self.name, target, notice)
        await self._sink.gave_up(notice, target, error)


def _now() -> float:
    return asyncio.get_running_loop().time()
