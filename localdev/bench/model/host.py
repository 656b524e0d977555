"""How the Functions host looks at the queue, and the minute timer.

One instance with one hub on its queue, the slowest case: after a message the host looks again at once, then after
100 ms, then ever later up to `maxPollingInterval` of host.json (2 s), as the WebJobs SDK does; the very code of the
local host (localdev/host/backoff.py). A hub finds the host at its longest interval, at a random moment of it. Cold
starts are not modelled.
"""

import json
import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from localdev.bench.model.clock import VirtualClock
from localdev.bench.model.storage import Bill
from localdev.bench.model.timeline import Timeline
from localdev.host.backoff import PollingBackoff
from localdev.paths import ROOT
from shared.app import App
from shared.hubs.lifecycle import advance
from shared.hubs.messages import DueBatch
from shared.hubs.model import Message
from shared.hubs.notify import deliver
from shared.hubs.ticks import drive, tick
from shared.steps import STEPS
from tests.support.fake_storage import FakeStorage

TICK = timedelta(seconds=60)


def longest_poll() -> timedelta:
    """`maxPollingInterval` of host.json."""
    said = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))
    hours, minutes, seconds = said["extensions"]["queues"]["maxPollingInterval"].split(":")
    return timedelta(hours=int(hours), minutes=int(minutes), seconds=float(seconds))


class ModelHost:
    """Delivers messages until a hub is where it should be. `bill` is charged for taking and deleting messages."""

    def __init__(
        self, app: App, storage: FakeStorage, clock: VirtualClock, timeline: Timeline, bill: Bill, rng: random.Random
    ) -> None:
        self.visits: Counter[str] = Counter()
        """Messages by the step the hub was in."""
        self._app, self._storage, self._clock = app, storage, clock
        self._timeline, self._bill = timeline, bill
        self._longest = longest_poll()
        self._backoff = PollingBackoff(self._longest, rng)
        while self._backoff.next_delay(found_messages=False) < self._longest:
            pass  # idle for long
        self._next_look = clock.now() + rng.random() * self._longest
        self._next_tick = clock.now() + rng.random() * TICK

    async def run(self, until: Callable[[], bool], limit: timedelta = timedelta(hours=2)) -> None:
        """Raises AssertionError when `until` does not come true within `limit`: then the model is wrong."""
        end = self._clock.now() + limit
        while not until():
            assert self._clock.now() < end, "the hub gets nowhere"
            if self._next_tick <= self._next_look:
                await self._clock.pass_to(self._next_tick)
                self._next_tick += TICK
                await tick(self._app)
                continue
            await self._clock.pass_to(self._next_look)
            await self._look()

    async def finish_ticks(self) -> None:
        """Lets the timer forget the due rows that are left over, and notices be delivered."""
        await self._clock.sleep(3 * TICK.total_seconds())
        await tick(self._app)
        while (message := self._storage.queue.take()) is not None:
            await self._deliver(message)
        while (ref := self._storage.notices.take()) is not None:
            self._bill.queue("host.receive")
            await deliver(self._app, ref)
            self._bill.queue("host.delete")

    async def _look(self) -> None:
        looked = self._next_look
        visible = self._storage.queue.next_visible_at()
        message = self._storage.queue.take()
        if message is None:
            self._next_look = looked + self._backoff.next_delay(found_messages=False)
            return
        self._timeline.pick_ups.append((visible or looked, looked))
        await self._deliver(message)
        # the host went on looking while the visit ran, first at once
        self._next_look = looked + self._backoff.next_delay(found_messages=True)
        while self._next_look < self._clock.now():
            self._next_look += self._backoff.next_delay(found_messages=False)

    async def _deliver(self, message: Message | DueBatch) -> None:
        self._bill.queue("host.receive")
        if isinstance(message, DueBatch):
            await drive(self._app, message.rows)
            self._bill.queue("host.delete")
            return
        hubs = self._storage.hubs.hubs
        if not hubs:  # buried: the message finds nothing
            await advance(self._app, STEPS, message)
            self._bill.queue("host.delete")
            return
        step = self._storage.hubs.only_hub().next_step
        self.visits[str(step or "-")] += 1
        await advance(self._app, STEPS, message)
        self._bill.queue("host.delete")
