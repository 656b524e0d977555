"""Who is told, in a simulated world: two sinks whose targets have troubles of their own, and now and then Slack."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.adapters.notify.slack import SlackSink
from shared.app import App
from shared.errors import FatalError, HubletError, RetryableError
from shared.hubs.model import Notice
from shared.hubs.notice_kinds import PROGRESS, kind_of
from shared.hubs.ports import Answered, Sink
from tests.sim.loop import SimClock
from tests.sim.network import Network
from tests.sim.plan import Plan
from tests.sim.process import Process
from tests.sim.witness import Witness
from tests.support.fake_chat import FakeOutbound, Posted
from tests.support.fake_slack_server import FakeSlack

CHAT, HOOK, DOWN, SLOW, NEVER, GONE = "chat", "hook", "down", "slow", "never", "gone"
TARGETS: dict[str, tuple[str, ...]] = {"simulated": (CHAT, HOOK, DOWN, SLOW, NEVER, GONE), "other": ("",)}
"""By sink. What is wrong with one of them is in its name, when the plan says so; `other` has a bug then."""

LASTING = frozenset({f"simulated:{DOWN}", f"simulated:{NEVER}"})
"""Their trouble may be longer than all the other trouble: nobody else waits for them, and a run only at its end."""

HOUR_S = 3600.0
ROOMS = ("C111", "C222", "CCLOSED")
"""Slack's channels; into the last one the bot may not write: its user is told in a direct message."""
USER = "U1"


def hears(sink: str, target: str, notice: Notice) -> bool:
    """Whom a notice is for."""
    return (sink, target) != ("simulated", HOOK) or kind_of(notice.type) != PROGRESS


@dataclass
class Receivers:
    """What everybody was told. `delivered`, `given_up`: by target (`<sink>:<target>`) and notice id."""

    plan: Plan
    network: Network
    clock: SimClock
    delivered: Counter[tuple[str, str]] = field(default_factory=Counter)
    given_up: Counter[tuple[str, str]] = field(default_factory=Counter)
    refused: set[tuple[str, str]] = field(default_factory=set)
    """What a target said it would never take."""

    def __post_init__(self) -> None:
        rng = self._rng = random.Random(f"receivers-{self.plan.seed}")
        trouble_s = self.plan.trouble_s
        self._down_from = rng.uniform(0.0, trouble_s)
        self._down_until = self._down_from + rng.choice((HOUR_S, 12 * HOUR_S, 30 * HOUR_S)) * rng.uniform(0.5, 1.0)
        self._gone_from = rng.uniform(0.0, trouble_s)
        self._wish_s = rng.choice((None, None, 600.0, 86_400.0))
        self.slack = FakeSlack(self.clock)
        for room in ROOMS:
            self.slack.channel(room, "not_in_channel" if room == "CCLOSED" else "")
        self.slack.users.add(USER)

    def strikes(self, fault: str) -> bool:
        """While there is trouble at all."""
        return self.network.troubled and self._rng.random() < self.plan.rate(fault)

    def pause_s(self, target: str) -> float:
        """How long the target thinks before anything happens. More than a sink may take, now and then."""
        if target != SLOW or not self.plan.rate("sink-slow"):
            return 0.0
        return self._rng.uniform(0.0, 25.0 if self.network.troubled else 9.0)

    # ---- what a request meets when it arrives; at once, as the fakes do
    async def named(self, sink: str, notice: Notice) -> Sequence[str]:
        if self.strikes("sink"):
            raise RetryableError("StorageUnavailable", "Nobody can say who listens.")
        return [target for target in TARGETS[sink] if hears(sink, target, notice)]

    async def take(self, key: str, target: str, notice: Notice) -> None:
        now_s, plan = asyncio.get_running_loop().time(), self.plan
        if self.strikes("sink"):
            raise RetryableError("SinkUnavailable", "The sink answers 503.")
        if key == "other" and self.strikes("sink-bug"):
            raise ValueError("a bug in a sink")
        if target == NEVER and plan.rate("sink-never"):
            raise RetryableError("SinkRefused", "The sink answers 500.", retry_after_s=self._wish_s)
        if target == DOWN and plan.rate("sink-down") and self._down_from <= now_s < self._down_until:
            raise RetryableError("Unreachable", "Nobody is there.")
        if target == GONE and plan.rate("sink-gone") and now_s >= self._gone_from:
            self.refused.add((key, notice.id))
            raise FatalError("SinkGone", "The sink answers 410.")
        self.delivered[key, notice.id] += 1

    async def note(self, key: str, notice: Notice, error: HubletError) -> None:
        if self.strikes("sink"):
            raise RetryableError("StorageUnavailable", "It could not be noted.")
        self.given_up[key, notice.id] += 1

    def answer_of_slack(self, sent: Posted) -> Answered:
        """Slack with the troubles of a world. A lost answer: the request took effect."""
        if not self.strikes("sink"):
            return self.slack.answer(sent)
        match self._rng.randrange(4):
            case 0:
                return Answered(503, b"<html>upstream connect error</html>")
            case 1:
                return Answered(429, b'{"ok":false,"error":"ratelimited"}', {"retry-after": "30"})
            case 2:
                raise RetryableError("Unreachable", "slack.com could not be reached.")
            case _:
                self.slack.answer(sent)
                raise RetryableError("TimedOut", "slack.com did not answer in time.")


class SimSink:
    """A sink as one process sees it: what it asks travels over the network, and the process may die of it."""

    def __init__(self, name: str, receivers: Receivers, process: Process, network: Network) -> None:
        self.name = name
        self._receivers, self._process, self._network = receivers, process, network

    async def targets(self, notice: Notice) -> Sequence[str]:
        found: Sequence[str] = await self._call("targets", self._receivers.named, self.name, notice)
        return found

    async def deliver(self, notice: Notice, target: str) -> None:
        if pause_s := self._receivers.pause_s(target):
            await asyncio.sleep(pause_s)
        await self._call("deliver", self._receivers.take, self._key(target), target, notice)

    async def gave_up(self, notice: Notice, target: str, error: HubletError) -> None:
        await self._call("gave_up", self._receivers.note, self._key(target), notice, error)

    def _key(self, target: str) -> str:
        return f"{self.name}:{target}" if target else self.name

    async def _call(self, method: str, real: object, *args: object) -> Sequence[str]:
        answer: Sequence[str] = await self._network.call(self._process, f"sink {self.name}", method, real, args, {})
        return answer


def sinks_of(app: App, process: Process, receivers: Receivers, network: Network, witness: Witness) -> tuple[Sink, ...]:
    """All sinks of one process, watched."""
    sinks: list[Sink] = [SimSink(name, receivers, process, network) for name in TARGETS]
    if receivers.plan.slack:
        sinks.append(
            SlackSink(
                hubs=app.hubs,
                chat=app.chat,
                outbound=app.outbound,
                clock=app.clock,
                settings=app.settings,
                cache=app.cache,
            )
        )
    return tuple(witness.watching(sink) for sink in sinks)


def answered_by(outbound: FakeOutbound, receivers: Receivers) -> FakeOutbound:
    outbound.answer = receivers.answer_of_slack
    return outbound
