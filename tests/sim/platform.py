"""What Azure Functions does: hosts that come and go, queue triggers with leases and poison, timers."""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from shared.app import App
from shared.errors import RetryableError
from shared.hubs.audit import audit
from shared.hubs.lifecycle import advance, poisoned
from shared.hubs.messages import DueBatch
from shared.hubs.model import Message
from shared.hubs.notify import deliver
from shared.hubs.ports import NoticeRef
from shared.hubs.sweep import sweep
from shared.hubs.ticks import drive, tick
from shared.steps import STEPS
from tests.sim.loop import SimClock, VirtualLoop
from tests.sim.network import Network
from tests.sim.plan import Plan, Twist
from tests.sim.process import Process, outcome_of
from tests.sim.trace import Trace, brief
from tests.sim.witness import Witness
from tests.support.fake_storage import FakeNoticeQueue, FakeQueue, Queued, QueuedNotice
from tests.support.tape import Crash

LEASE_S = 600.0
"""A message whose host died stays hidden this long (not configurable in Azure Functions)."""
AGAIN_S = 30.0
"""`visibilityTimeout` of host.json: after a function raised."""
MAX_DEQUEUES = 5
LONGEST_POLL_S = 2.0
NOBODY_S = 7.0
"""No host is there: the message waits."""

type Root = Callable[[Process], App]

type Item = Message | DueBatch | NoticeRef


@dataclass(frozen=True)
class Timer:
    """One timer trigger. `at_s`: its first time, seconds of the run."""

    name: str
    every_s: float
    at_s: float
    fire: Callable[[App], Awaitable[object]]


TIMERS = (
    Timer("tick", 60.0, 20.0, tick),
    Timer("sweep", 300.0, 50.0, sweep),
    Timer("audit", 3600.0, 427.0, audit),
)


class SimQueue(FakeQueue):
    """`hub-work`: what is put goes to a host when it becomes visible."""

    offer: Callable[[Item, float], None]

    def _put(self, message: Message | DueBatch, visible_at: Any) -> None:
        self.sent.append(Queued(message, visible_at))
        self.offer(message, (visible_at - self._clock.now()).total_seconds())


class SimNoticeQueue(FakeNoticeQueue):
    """`hub-notify`, likewise."""

    offer: Callable[[Item, float], None]

    async def put(self, ref: NoticeRef, *, delay_s: float = 0) -> None:
        self.tape.begin("notices.put")
        self.sent.append(QueuedNotice(ref, self._clock.now() + timedelta(seconds=delay_s)))
        self.offer(ref, max(0.0, delay_s))
        self.tape.wrote("notices.put")


class Platform:
    """`bugs`: what a function raised that none is supposed to raise. `waiting`: messages that are not over yet, with
    the time they are next looked at."""

    def __init__(
        self,
        loop: VirtualLoop,
        plan: Plan,
        rng: random.Random,
        network: Network,
        trace: Trace,
        root: Callable[..., App],
        witness: Witness,
    ) -> None:
        self._loop = loop
        self.witness = witness
        self._plan = plan
        self._rng = rng
        self._network = network
        self._trace = trace
        self._root = root
        self.hosts: list[Process | None] = []
        self.names = 0
        self.bugs: list[str] = []
        self.poisons: list[Item] = []
        self.down_until = 0.0
        self.waiting: dict[int, tuple[Item, float]] = {}
        self.visits = self.offers = 0
        self.least_pause_s = 0.0
        """Between two calls of a timer."""
        self._numbers = 0
        network.died = self._died
        for slot in range(plan.hosts):
            self.hosts.append(None)
            self._boot(slot)
        for timer in TIMERS:
            loop.call_at(timer.at_s, self._ring, timer, timer.at_s)

    # ------------------------------------------------------------------ hosts

    def _boot(self, slot: int) -> None:
        if self.hosts[slot] is not None:
            return
        if self.down_until > self._loop.time():
            self._loop.call_at(self.down_until, self._boot, slot)
            return
        self.names += 1
        process = Process(f"host{self.names}")
        if self._plan.rate("skew"):
            process.clock = SimClock(self._loop, self._rng.uniform(-600.0, 600.0), self._rng.uniform(-0.9, 0.9))
        else:
            process.clock = SimClock(self._loop)
        process.app = self._root(process)
        self.hosts[slot] = process

    def _died(self, process: Process) -> None:
        for slot, one in enumerate(self.hosts):
            if one is process:
                self.hosts[slot] = None
                self._loop.call_later(self._rng.uniform(1.0, 40.0), self._boot, slot)

    def kill_all(self, down_s: float) -> None:
        """The whole app is gone for a while."""
        self.down_until = max(self.down_until, self._loop.time() + down_s)
        for process in self.hosts:
            if process is not None:
                process.kill()
                self._died(process)

    def all_up(self) -> None:
        """Whoever is down starts now."""
        self.down_until = 0.0
        for slot, process in enumerate(self.hosts):
            if process is None:
                self._boot(slot)

    def any_host(self) -> Process | None:
        alive = [process for process in self.hosts if process is not None]
        return self._rng.choice(alive) if alive else None

    # ------------------------------------------------------------------ queues

    def offer(self, item: Item, delay_s: float) -> None:
        """Somebody put a message."""
        self.offers += 1
        bent = self._plan.perturbation
        if bent is not None and bent.twist is Twist.LOST and bent.at == self.offers - 1:
            self._trace.add(f"message lost {brief((item,))}")
            return
        copies = 1
        if self._network.troubled:
            if self._rng.random() < self._plan.rate("message-lost"):
                self._trace.add(f"message lost {brief((item,))}")
                return
            if self._rng.random() < self._plan.rate("message-twice"):
                copies = self._rng.randint(2, 5)
        for number in range(copies):
            late = 0.0
            if self._network.troubled and (number or self._rng.random() < self._plan.rate("message-late")):
                late = self._rng.uniform(0.0, 900.0)
            self._schedule(item, 0, delay_s + late + self._rng.uniform(0.0, LONGEST_POLL_S))

    def again(self, items: Sequence[Item], within_s: float) -> None:
        """Each of them up to five times more, in any order."""
        for item in items:
            for _ in range(self._rng.randint(1, 5)):
                self._schedule(item, 0, self._rng.uniform(0.0, within_s))

    def _schedule(self, item: Item, dequeues: int, after_s: float) -> None:
        self._numbers += 1
        number = self._numbers
        self.waiting[number] = (item, self._loop.time() + after_s)
        self._loop.call_later(after_s, self._take, number, item, dequeues)

    def _take(self, number: int, item: Item, dequeues: int) -> None:
        process = self.any_host()
        if process is None:
            self.waiting[number] = (item, self._loop.time() + NOBODY_S)
            self._loop.call_later(NOBODY_S, self._take, number, item, dequeues)
            return
        self.waiting.pop(number)
        self._loop.create_task(self._work(process, item, dequeues + 1))

    async def _work(self, process: Process, item: Item, dequeues: int) -> None:
        self.visits += 1
        self._numbers += 1
        number = self._numbers
        self.waiting[number] = (item, self._loop.time())
        outcome = await outcome_of(process.spawn(self._function(process.app, item)))
        self.waiting.pop(number)
        match outcome:
            case None:
                return
            case Crash():
                again_s = LEASE_S
            case RetryableError():  # storage takes no message either: then the host's own delivery is all there is
                again_s = AGAIN_S
            case _:
                self.bugs.append(f"{type(outcome).__name__}: {outcome} at {brief((item,))}")
                again_s = AGAIN_S
        if dequeues >= MAX_DEQUEUES:
            self.poisons.append(item)
            if isinstance(item, Message):
                await self._poison(item)
            return
        self._schedule(item, dequeues, again_s)

    async def _function(self, app: App, item: Item) -> None:
        match item:
            case Message():
                await advance(app, STEPS, item)
            case DueBatch():
                await drive(app, item.rows)
            case NoticeRef():
                with self.witness.visit(item):
                    await deliver(app, item)

    async def _poison(self, message: Message) -> None:
        process = self.any_host()
        if process is not None:
            await outcome_of(process.spawn(poisoned(process.app, message, "simulated")))

    # ------------------------------------------------------------------ timers

    def _ring(self, timer: Timer, at_s: float) -> None:
        following = at_s + max(timer.every_s, self.least_pause_s)
        while following < self._loop.time():  # time that was skipped is caught up with once
            following += timer.every_s
        self._loop.call_at(following, self._ring, timer, following)
        times = 1
        if self._network.troubled:
            if self._rng.random() < self._plan.rate("timer-missed"):
                return
            if self._rng.random() < self._plan.rate("timer-twice"):
                times = 2
        for _ in range(times):
            process = self.any_host()
            if process is not None:
                self._loop.create_task(self._fire(process, timer))

    async def _fire(self, process: Process, timer: Timer) -> None:
        outcome = await outcome_of(process.spawn(_fired(timer, process.app)))
        if isinstance(outcome, Exception) and not isinstance(outcome, RetryableError):
            self.bugs.append(f"{timer.name} raised {type(outcome).__name__}: {outcome}")


async def _fired(timer: Timer, app: App) -> None:
    await timer.fire(app)
