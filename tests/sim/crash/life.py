"""One whole life of a hub: asked for, ready, stopped, started, deleted, buried, with every timer that fires meanwhile.

Whoever asks gets an answer or, when the process that should give it dies, asks again some seconds later with the same
Idempotency-Key. Whatever was in a worker's hands when it died comes back after its lease; a timer's call is lost.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from shared.app import App
from shared.errors import RetryableError
from shared.hubs import commands, steer
from shared.hubs.commands import IdempotencyRequest
from shared.hubs.lifecycle import advance
from shared.hubs.messages import DueBatch
from shared.hubs.model import HubSpec, Message, Notice
from shared.hubs.notify import deliver
from shared.hubs.ports import NoticeRef
from shared.hubs.states import HubState
from shared.hubs.ticks import drive
from shared.steps import STEPS
from tests.sim.crash.outside import CountedEntropy
from tests.support.builders import a_spec
from tests.support.fake_machine import FakeMachine, Script
from tests.support.fake_storage import Queued, QueuedNotice
from tests.support.tape import Crash
from tests.support.world import OWNER, MemorySink, World

NAME = "demo"
ASKS_AGAIN_S = 5.0
"""How long somebody waits for an answer. By then workers may be at it already."""

PATIENCE = timedelta(hours=2)
"""Far longer than any step may take: what is not reached by then never is."""

DURATIONS = {"vm": 45.0, "group_delete": 45.0, "deallocate": 25.0, "start": 30.0}
"""Seconds. Azure and the installer are quicker here than they are: whatever is waited for is still looked at twice or
more, but the same look does not come again and again."""

QUIET = timedelta(minutes=20)
"""After the end: longer than a lease and the lease of whoever works on what comes back, so that every late copy has
come by then."""


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request that nobody has answered yet."""

    kind: str


type Hand = Request | Message | DueBatch | NoticeRef | str | None
"""What a process works on: a request, a message of one of the queues, a timer (its name), or nothing."""


@dataclass
class Owner:
    """How far the owner got; belongs to the outside. `phase`: the one that goes on; `asked`: it was answered."""

    phase: int = 0
    asked: bool = False
    ask_at: datetime | None = None
    asked_at: datetime | None = None
    reached_at: datetime | None = None
    over_at: datetime | None = None
    writes: int = 0
    """To Azure, when the life was over."""
    hand: Hand = None
    gave_up: bool = False
    seen: list[str] = field(default_factory=list)
    """What a watch (oracle.py) saw going wrong on the way."""


@dataclass(frozen=True, slots=True)
class Phase:
    """`rest_s`: how long the owner leaves the hub alone once it is there."""

    kind: str
    ask: Callable[["Life"], Awaitable[object]]
    there: Callable[["Life"], bool]
    rest_s: float = 0.0


class NeverThere(Exception):
    """What was asked for did not come."""


def _installs_quickly(machine: FakeMachine) -> None:
    machine.scripts = [Script(pace=0.2)]


def nobody_looks() -> None:
    """For a life that nobody records."""


class HesitantSink(MemorySink):
    """Has two targets; `late` takes everything at its second try."""

    def __init__(self) -> None:
        super().__init__()
        self.tried: dict[str, bool] = {}
        """Notice id -> whether `late` took it."""

    async def targets(self, notice: Notice) -> Sequence[str]:
        return ("prompt", "late")

    async def deliver(self, notice: Notice, target: str) -> None:
        if target == "late":
            first = notice.id not in self.tried
            self.tried[notice.id] = not first
            if first:
                raise RetryableError("SinkBusy", "Not at once.")
        else:
            await super().deliver(notice, target)


class Life(World):
    """A World that one process at a time works for, and which knows what that process has in its hands.

    `spec`: what is asked for, when it is more than the least. `repeats`: whether an owner who got no answer to the
    create asks again; if not, there may be no hub, and then they ask for nothing else. `hesitant`: whether one of two
    who are told takes everything at the second try only."""

    def __init__(
        self,
        *,
        lease_s: float,
        spec: HubSpec | None = None,
        repeats: bool = True,
        through_json: bool = False,
        hesitant: bool = False,
    ) -> None:
        super().__init__(lease_s=lease_s, through_json=through_json, durations=DURATIONS)
        if hesitant:
            self.told = HesitantSink()
            self.app = replace(self.app, sinks=(self.told,))
        self.on_vm.new_machine = _installs_quickly
        self.app: App = replace(self.app, entropy=CountedEntropy())
        self.plain = self.app
        self.spec = spec or a_spec()
        self.script = Owner()
        self.repeats = repeats
        self.begins: Callable[[], None] = nobody_looks
        """Called when a process takes something into its hands."""
        self.ended: Callable[[str], None] = lambda kind: None
        """Called when a phase is reached."""

    # ---- the owner
    async def live(self) -> None:
        """From wherever the script is to the end of the hub's life, and on until nothing waits any more. Raises
        NeverThere."""
        script = self.script
        while script.phase < len(PHASES) and not script.gave_up:
            phase = PHASES[script.phase]
            ask, there = partial(phase.ask, self), partial(phase.there, self)
            if not script.asked:
                if script.ask_at is not None:
                    await self._run_to(script.ask_at)
                if not await self._by_a_process(Request(phase.kind), ask):
                    continue
                script.asked, script.ask_at = True, None
            if script.asked_at is None:
                script.asked_at = self.clock.now()
            if script.reached_at is None:
                await self._run_to(script.asked_at + PATIENCE, there)
                if not there():
                    states = [str(hub.state) for hub in self.storage.hubs.hubs.values()]
                    raise NeverThere(f"{phase.kind}: still {states}")
                script.reached_at = self.clock.now()
                self.ended(phase.kind)
            await self._run_to(script.reached_at + timedelta(seconds=phase.rest_s))
            script.phase, script.asked, script.asked_at, script.reached_at = script.phase + 1, False, None, None
        if script.over_at is None:
            script.over_at, script.writes = self.clock.now(), len(self.cloud.writes)
        await self._run_to(script.over_at + QUIET, self._is_at_rest)

    async def _run_to(self, moment: datetime, until: Callable[[], bool] = lambda: False) -> None:
        """Every end of a wait follows from the script, so that the outside alone says how a life goes on."""
        await self.run(until, limit_s=(moment - self.clock.now()).total_seconds())

    def _is_at_rest(self) -> bool:
        """Messages and due rows of a pass that was planned for hours later stay until then."""
        storage, end = self.storage, (self.script.over_at or self.clock.now()) + QUIET
        if storage.notices.waiting or storage.outbox.rows:
            return False
        soon = (*(one.visible_at for one in storage.queue.waiting), *(row.at for row in storage.due.rows.values()))
        return all(moment > end for moment in soon)

    # ---- the platform
    def die(self) -> None:
        """What the process had in its hands comes back; nothing else happens at this moment."""
        hand, self.script.hand = self.script.hand, None
        back_at = self.clock.now() + timedelta(seconds=self.lease_s)
        match hand:
            case Request("create") if not self.repeats:
                self.script.asked = bool(self.storage.hubs.hubs)
                self.script.gave_up = not self.script.asked
            case Request():
                self.script.ask_at = self.clock.now() + timedelta(seconds=ASKS_AGAIN_S)
            case Message() | DueBatch():
                self.storage.queue.waiting.append(Queued(hand, back_at))
            case NoticeRef():
                self.storage.notices.waiting.append(QueuedNotice(hand, back_at))
            case _:  # a timer's call is made at its next time
                pass

    async def _by_a_process(self, hand: Hand, work: Callable[[], Awaitable[object]]) -> bool:
        """False = the process died of a Crash that somebody planted in a port."""
        self.script.hand = hand
        self.new_process()
        self.begins()
        try:
            await work()
        except Crash as crash:
            self.crashes.append(str(crash))
            self.die()
            return False
        self.script.hand = None
        return True

    async def deliver(self, message: Message | DueBatch) -> None:
        if isinstance(message, DueBatch):
            await self._by_a_process(message, lambda: drive(self.app, message.rows))
        else:
            await self._by_a_process(message, lambda: advance(self.app, STEPS, message))

    async def _fire(self, timer: Any) -> None:
        if self.clock.now() >= timer.next_at:
            fire = super()._fire
            await self._by_a_process(timer.fire.__name__, lambda: fire(timer))

    async def _work(self) -> bool:
        message = self.storage.queue.take()
        if message is not None:
            await self.deliver(message)
            return True
        ref = self.storage.notices.take()
        if ref is None:
            return False
        await self._by_a_process(ref, lambda: deliver(self.app, ref))
        return True


# ------------------------------------------------------------------ what the owner asks for


def _asking(phase: int) -> steer.Request:
    return steer.Request(principal=OWNER, request_id=f"r{phase}", idempotency=_once(phase))


def _once(phase: int) -> IdempotencyRequest:
    return IdempotencyRequest(key_sha256=str(phase) * 64, body_sha256="b" * 64)


async def _create(life: Life) -> None:
    await commands.create_hub(life.app, OWNER, life.spec, name=NAME, idempotency=_once(0), request_id="r0", price=None)


async def _stop(life: Life) -> None:
    await steer.stop_hub(life.app, await commands.find_hub(life.app, OWNER, NAME), _asking(1))


async def _start(life: Life) -> None:
    await steer.start_hub(life.app, await commands.find_hub(life.app, OWNER, NAME), _asking(2))


async def _delete(life: Life) -> None:
    await steer.delete_hub(life.app, await commands.find_hub(life.app, OWNER, NAME), _asking(3))


def _is(state: HubState) -> Callable[[Life], bool]:
    return lambda life: [hub.state for hub in life.storage.hubs.hubs.values()] == [state]


PHASES = (
    Phase("create", _create, _is(HubState.READY), rest_s=70.0),
    Phase("stop", _stop, _is(HubState.STOPPED), rest_s=5.0),
    Phase("start", _start, _is(HubState.READY)),
    Phase("delete", _delete, lambda life: not life.storage.hubs.hubs),
)
