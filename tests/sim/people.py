"""Owners: each asks for a hub and changes their mind, as a careful client does: the same key until it is answered."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from shared.app import App
from shared.errors import HubletError, UserError
from shared.hubs import commands, steer
from shared.hubs.commands import IdempotencyRequest
from shared.hubs.model import Fallback, HttpsMode, HttpsSpec, Hub, HubSpec, Notify, Principal
from shared.hubs.ports import Thread
from shared.hubs.states import STABLE, Goal, HubState
from tests.sim.loop import START
from tests.sim.network import Network
from tests.sim.plan import Plan
from tests.sim.platform import Platform
from tests.sim.process import outcome_of
from tests.sim.receivers import ROOMS, USER
from tests.sim.trace import Trace
from tests.support.builders import a_schedule, a_spec
from tests.support.fake_storage import FakeHubStore
from tests.support.tape import Crash

type Ask = Callable[[App], Awaitable[Hub]]
type Act = Callable[..., Awaitable[Any]]

WORDS: Mapping[str, tuple[Act, Goal]] = {
    "stop": (steer.stop_hub, Goal.STOPPED),
    "start": (steer.start_hub, Goal.RUNNING),
    "restart": (steer.restart_hub, Goal.RUNNING),
    "delete": (steer.delete_hub, Goal.DELETED),
}
"""What a script may say."""

TRIES = 40
"""A client that was never answered gives up after some minutes."""


@dataclass
class Promise:
    """A hub somebody was answered 202 for. `wish`: the newest goal that was accepted; None = nobody knows, because a
    request was never answered. `said_at_s`: when it was accepted."""

    hub_id: str
    name: str
    said_at_s: float
    wish: Goal | None = Goal.RUNNING


class Talk:
    """Where an owner asks for things: by the API, or in a conversation, which a hub then follows. Its chance is its
    own: who is followed changes nothing else about a life."""

    def __init__(self, plan: Plan, number: int) -> None:
        self._rng = random.Random(f"talk-{plan.seed}-{number}")
        self._number = number
        self._said = 0
        self._chats = plan.script is None and self._rng.random() < 0.5

    def followed(self, spec: HubSpec) -> HubSpec:
        """Some owners name a channel."""
        if not self._chats or self._rng.random() < 0.5:
            return spec
        return replace(spec, notify=Notify(slack_channel=self._rng.choice(ROOMS[:2])))

    def room(self) -> Thread | None:
        """Of the next thing that is asked for; None = by the API."""
        if not self._chats or self._rng.random() < 0.4:
            return None
        self._said += 1
        room, platform = self._rng.choice(ROOMS), self._rng.choice(("slack", "slack", "teams"))
        thread_id = f"{platform}.T1.{room}.{self._number}-{self._rng.choice((1, self._said))}"
        return Thread(id=thread_id, platform=platform, team="T1", channel=room, user=USER, created_at=START)


async def in_thread(app: App, room: Thread | None) -> str | None:
    """As `shared/chat/steering.py`: the conversation is there before a hub names it."""
    return None if room is None else (await app.chat.create_thread(room)).id


class People:
    """`promises`: every accepted hub. `done`: nobody asks for anything any more."""

    def __init__(
        self, plan: Plan, rng: random.Random, platform: Platform, network: Network, store: FakeHubStore, trace: Trace
    ) -> None:
        self._plan = plan
        self._rng = rng
        self._platform = platform
        self._network = network
        self._store = store
        self._trace = trace
        self._keys = 0
        self.promises: dict[str, Promise] = {}
        self.asked = 0
        self.bugs: list[str] = []

    async def everybody(self) -> None:
        stories = [self._story(number) for number in range(self._plan.hubs)]
        await asyncio.gather(*stories)

    async def _story(self, number: int) -> None:
        rng = random.Random(f"story-{self._plan.seed}-{number}")
        await asyncio.sleep(rng.uniform(0.0, min(900.0, self._plan.trouble_s)))
        owner = Principal(f"owner{number // 3}@example.org")
        name = f"hub{number}"
        spec = _spec(rng, may_have_schedule=self._plan.script is None)
        talk = Talk(self._plan, number)
        hub = await self._create(rng, owner, name, talk.followed(spec), talk)
        if hub is None:
            return
        if self._plan.script is not None:
            for word in self._plan.script:
                await self._until_settled(hub, 4 * 3600.0)
                await self._wish(rng, owner, hub, *WORDS[word], talk)
            return
        changes = rng.choice((0, 1, 2, 4)) if self._plan.rate("flip") else rng.choice((0, 1, 2))
        for _ in range(changes):
            if self._plan.rate("flip") and rng.random() < 0.7:
                await asyncio.sleep(rng.choice((3.0, 40.0, 400.0)) * rng.random())
            else:
                await self._until_settled(hub, 1800.0 * rng.uniform(0.2, 2.0))
            if not await self._change_of_mind(rng, owner, hub, talk):
                return
        if rng.random() < 0.4:
            await self._until_settled(hub, 3600.0)
            await self._wish(rng, owner, hub, steer.delete_hub, Goal.DELETED, talk)

    # ------------------------------------------------------------------ what they ask for

    async def _create(self, rng: random.Random, owner: Principal, name: str, spec: HubSpec, talk: Talk) -> Hub | None:
        key, room = self._key(), talk.room()

        async def ask(app: App) -> Hub:
            body = sha256(name.encode()).hexdigest()
            created = await commands.create_hub(
                app,
                owner,
                spec,
                name=name,
                idempotency=IdempotencyRequest(key_sha256=key, body_sha256=body),
                request_id=f"create-{name}",
                thread=await in_thread(app, room),
            )
            return created.hub

        answer = await self._asked(rng, f"create {name}", ask)
        if not isinstance(answer, Hub):
            return None
        known = self.promises.get(answer.id)
        if known is None:
            self.promises[answer.id] = Promise(answer.id, name, self._now_s())
        return answer

    async def _change_of_mind(self, rng: random.Random, owner: Principal, hub: Hub, talk: Talk) -> bool:
        """One more wish. False = there is nothing left to wish for."""
        stored = self._store.hubs.get((hub.owner, hub.name))
        if stored is None or stored.id != hub.id or stored.goal is Goal.DELETED:
            return False
        act, goal = _likely(rng, stored)
        return await self._wish(rng, owner, hub, act, goal, talk)

    async def _wish(
        self, rng: random.Random, owner: Principal, hub: Hub, act: Act, goal: Goal | None, talk: Talk
    ) -> bool:
        key, room = self._key(), talk.room()
        promise = self.promises[hub.id]
        before = promise.wish
        if goal is not None and before is not Goal.DELETED:
            promise.wish = None  # until there is an answer nobody knows

        async def ask(app: App) -> Hub:
            request = steer.Request(
                principal=owner,
                request_id=key[:8],
                idempotency=IdempotencyRequest(key_sha256=key, body_sha256=goal or "-"),
                thread=await in_thread(app, room),
            )
            found = await commands.find_hub(app, owner, hub.name)
            if found.id != hub.id:
                raise commands.not_found(hub.name)
            changed: Hub = (await act(app, found, request)).hub
            return changed

        name = getattr(act, "__name__", "change")
        answer = await self._asked(rng, f"{name} {hub.name}", ask)
        match answer:
            case Hub():
                if goal is not None and before is not Goal.DELETED:
                    promise.wish = goal
            case UserError(code="HubNotFound") if goal is Goal.DELETED:
                promise.wish = goal  # the answer was lost, and by now the hub is gone
            case UserError():
                if goal is not None and promise.wish is None:
                    promise.wish = before
            case _:
                pass
        return goal is not Goal.DELETED

    # ------------------------------------------------------------------ a careful client

    async def _asked(
        self, rng: random.Random, what: str, ask: Callable[[App], Awaitable[Hub]]
    ) -> Hub | UserError | None:
        """Until there is an answer; None = it gave up."""
        for _ in range(TRIES):
            self.asked += 1
            process = self._platform.any_host()
            if process is None:
                await asyncio.sleep(rng.uniform(2.0, 10.0))
                continue
            outcome = await outcome_of(process.spawn(_awaited(ask, process.app)))
            match outcome:
                case Hub():
                    if self._network.troubled and rng.random() < self._plan.rate("lost-202"):
                        self._trace.add(f"owner never hears the answer to {what}")
                        await asyncio.sleep(rng.uniform(0.1, 20.0))
                        continue
                    self._trace.add(f"owner: {what} is accepted: {outcome.id} g{outcome.generation} {outcome.state}")
                    return outcome
                case UserError():
                    self._trace.add(f"owner: {what} is refused: {outcome.code}")
                    return outcome
                case Crash() | HubletError():
                    await asyncio.sleep(rng.uniform(1.0, 15.0))
                case _:
                    self.bugs.append(f"{what} raised {type(outcome).__name__}: {outcome}")
                    return None
        self._trace.add(f"owner gives up {what}")
        return None

    async def _until_settled(self, hub: Hub, limit_s: float) -> None:
        """As long as a patient person polls."""
        end = self._now_s() + limit_s
        while self._now_s() < end:
            stored = self._store.hubs.get((hub.owner, hub.name))
            if stored is None or stored.id != hub.id or stored.state in STABLE:
                return
            await asyncio.sleep(30.0)

    def _key(self) -> str:
        self._keys += 1
        return sha256(f"{self._plan.seed}-{self._keys}".encode()).hexdigest()

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()


async def _awaited(ask: Ask, app: App) -> Hub:
    return await ask(app)


def _likely(rng: random.Random, hub: Hub) -> tuple[Act, Goal | None]:
    """A wish, with a weight for what fits the hub's state."""
    wishes: list[tuple[Act, Goal | None]] = [
        (steer.stop_hub, Goal.STOPPED),
        (steer.start_hub, Goal.RUNNING),
        (steer.restart_hub, Goal.RUNNING),
        (_change_of_schedule(rng), None),
    ]
    if hub.state is HubState.FAILED:
        return rng.choice([(steer.retry_hub, Goal.RUNNING), (steer.delete_hub, Goal.DELETED)])
    if rng.random() < 0.15:
        return steer.delete_hub, Goal.DELETED
    if hub.state is HubState.READY and rng.random() < 0.6:
        return steer.stop_hub, Goal.STOPPED
    if hub.state is HubState.STOPPED and rng.random() < 0.7:
        return steer.start_hub, Goal.RUNNING
    return rng.choice(wishes)


def _change_of_schedule(rng: random.Random) -> Act:
    """An end of the day that is far enough away not to mix with the wishes of this run."""
    schedule = rng.choice((None, a_schedule(start=None, stop="23:30"), a_schedule(start=None, stop="23:50")))

    async def change_hub(app: App, hub: Hub, request: steer.Request) -> Any:
        return await steer.change_hub(app, hub, request, {"schedule": schedule})

    return change_hub


def _spec(rng: random.Random, *, may_have_schedule: bool) -> HubSpec:
    mode = rng.choice((HttpsMode.AUTO, HttpsMode.NONE))
    spec = a_spec(https=HttpsSpec(mode=mode, email="ops@example.org"))
    if rng.random() < 0.3:
        spec = replace(spec, fallback=Fallback(sizes=("Standard_D2as_v5",), regions=("eastus2",)))
    if rng.random() < 0.1 and may_have_schedule:
        spec = replace(spec, schedule=a_schedule(start=None, stop="23:30"))
    return spec
