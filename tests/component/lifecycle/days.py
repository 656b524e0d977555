"""What tests of days and weeks share: moments, a hub that is ready, what was done when, and trouble."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.app import App
from shared.hubs.lifecycle import schedule_and_save
from shared.hubs.messages import DueBatch
from shared.hubs.model import Hub, Message
from shared.hubs.states import HubState
from shared.hubs.visit import Visit
from tests.support.world import CrashPlan, World

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def utc(text: str) -> datetime:
    """`2026-03-06 18:00` or `2026-03-06 18:00:30`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


async def a_ready_world(start: datetime, *, world: World | None = None, **spec: Any) -> World:
    """A deployment whose only hub was asked for at `start` and is ready now, about five minutes later."""
    world = world or World(start=start)
    await world.create(**spec)
    await world.run_to_rest(HubState.READY)
    return world


async def run_to(world: World, moment: datetime | str) -> None:
    """Lets everything happen up to this moment."""
    end = utc(moment) if isinstance(moment, str) else moment
    left = (end - world.clock.now()).total_seconds()
    assert left >= 0, f"{end} has passed"
    await world.run(limit_s=left)


async def be_down(world: World, moment: datetime | str) -> None:
    """The app is down up to this moment; Azure goes on."""
    world.down = True
    await run_to(world, moment)
    world.down = False


def state(world: World) -> HubState:
    """Of the only hub, as it is stored now."""
    return world.hub.state


def moves(world: World, since: datetime | None = None) -> list[str]:
    """When the only hub entered which state, to the minute: `06 18:00 stopping`."""
    hub = world.hub
    history = world.storage.hubs.history[hub.owner, hub.id]
    events = [history[seq] for seq in sorted(history) if history[seq].kind == "state"]
    return [f"{one.at:%d %H:%M} {one.to_state}" for one in events if since is None or one.at >= since]


def resting(world: World, since: datetime | None = None) -> list[str]:
    """The same, without the states in between."""
    return [move for move in moves(world, since) if move.split()[-1] in ("ready", "stopping", "failed")]


def told(world: World, kind: str, since: datetime | None = None) -> list[str]:
    """When people heard of it, to the minute."""
    return [f"{one.at:%d %H:%M}" for one in world.told.of(kind) if since is None or one.at >= since]


def in_window(move: str, earliest: datetime, latest: datetime) -> bool:
    """Whether a line of `moves` lies between the two, to the minute."""
    return f"{earliest:%d %H:%M}" <= move[:8] <= f"{latest:%d %H:%M}"


def power(world: World) -> str | None:
    """Of the only machine."""
    (vm,) = world.cloud.vms()
    return vm.power


def power_writes(world: World, since: datetime) -> list[str]:
    verbs = ("start", "deallocate", "restart", "resize")
    return [call.verb for call in world.cloud.writes if call.verb in verbs and call.at >= since]


def alerts(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Kinds of the alerts the operator was sent, in their order."""
    return [str(fields["kind"]) for fields in alert_fields(caplog)]


def alert_fields(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    """All that they say."""
    said = [record for record in caplog.records if record.getMessage() == "operator_alert"]
    return [record.__dict__["hublet_fields"] for record in said]


def conditions(world: World) -> list[str]:
    return [condition.type for condition in world.hub.conditions]


# ------------------------------------------------------------------ hubs


def present(world: World, hub: Hub) -> Hub:
    """The hub as it is stored now."""
    return world.storage.hubs.hubs[hub.owner, hub.name]


async def wake(world: World, *hubs: Hub) -> None:
    """A worker looks at each of them at once, and plans ahead."""
    for hub in hubs:
        await schedule_and_save(Visit(world.app, present(world, hub)), 1.0)


# ------------------------------------------------------------------ trouble


class Instead:
    """A port with some of its methods replaced."""

    def __init__(self, port: Any, **methods: Any) -> None:
        self._port = port
        self.__dict__.update(methods)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)


def replace_port(world: World, name: str, **methods: Any) -> None:
    set_port(world, name, Instead(getattr(world.app, name), **methods))


def set_port(world: World, name: str, port: Any) -> None:
    object.__setattr__(world.app, name, port)


class WithoutWakeUps:
    """A queue that loses every message that should have come later than `longest_s`."""

    def __init__(self, queue: Any, *, longest_s: float = 60.0) -> None:
        self._queue, self._longest_s = queue, longest_s
        self.lost = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)

    async def put(self, message: Message, *, delay_s: float = 0) -> None:
        if delay_s > self._longest_s:
            self.lost += 1
            return
        await self._queue.put(message, delay_s=delay_s)


def lose_wake_ups(world: World) -> WithoutWakeUps:
    """From now on the minute timer alone is punctual."""
    queue = WithoutWakeUps(world.app.queue)
    set_port(world, "queue", queue)
    return queue


def lose_everything(world: World) -> None:
    """Messages and due rows that wait now are gone."""
    world.storage.queue.waiting.clear()
    world.storage.due.rows.clear()


def fire_instead(world: World, timer: int, fire: Callable[[App], Awaitable[object]]) -> None:
    """What the timer does from now on. 0 = tick, 1 = sweep, 2 = audit."""
    world.timers[timer].fire = fire


class Interleaved(CrashPlan):
    """Nothing crashes; whoever calls a port lets the others go on first, so that things done at once really mix."""

    def wrap(self, port: Any, name: str) -> Any:
        return _Yielding(port)


class _Yielding:
    def __init__(self, port: Any) -> None:
        self._port = port

    def __getattr__(self, method: str) -> Any:
        real = getattr(self._port, method)
        if not inspect.iscoroutinefunction(real):
            return real

        async def called(*args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(0)
            answer = await real(*args, **kwargs)
            await asyncio.sleep(0)
            return answer

        return called


def two_workers(world: World) -> None:
    """From now on every message is taken by two workers at the same time."""
    deliver = world.deliver

    async def twice(message: Message | DueBatch) -> None:
        await asyncio.gather(deliver(message), deliver(message))

    world.deliver = twice  # type: ignore[method-assign]
