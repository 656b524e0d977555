"""What tests of stops, starts and retries share: hubs that rest in a state, and what was done to their machine."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Protocol

from shared.errors import FatalError, RetryableError
from shared.hubs import steer
from shared.hubs.model import Hub, Operation
from shared.hubs.states import HubState
from tests.support.fake_arm import Call, FakeVm
from tests.support.fake_storage import Queued
from tests.support.snapshot import Plan, Snapshot
from tests.support.world import World

POWER = ("start", "deallocate", "restart", "resize")
SETTLED_S = 900
"""Long enough for late messages, due rows and three sweeps to have their say."""

type Act = Callable[[World], Awaitable[Hub]]
"""What somebody asks for; the hub as it was answered."""


class Begin(Protocol):
    """Another world in which everything that a test does not look at has been done."""

    async def __call__(self, plan: Plan | None = None, *, through_json: bool = True) -> World: ...


_lived: dict[str, Snapshot] = {}


async def a_ready(plan: Plan | None = None, *, through_json: bool = True, **spec: Any) -> World:
    """A world whose only hub is ready and has been looked at by a sweep."""

    async def live() -> World:
        world = World(through_json=through_json)
        await world.create("demo", **spec)
        await world.run_to_rest(HubState.READY)
        await world.run(limit_s=SETTLED_S)
        return world

    return await _once(f"ready {through_json} {spec}", live, plan)


async def a_stopped(plan: Plan | None = None, *, through_json: bool = True, **spec: Any) -> World:
    """The same hub, stopped by its owner some time ago."""

    async def live() -> World:
        world = await a_ready(through_json=through_json, **spec)
        await world.stop()
        await world.run_to_rest(HubState.STOPPED)
        await world.run(limit_s=SETTLED_S)
        return world

    return await _once(f"stopped {through_json} {spec}", live, plan)


async def a_failed(plan: Plan | None = None, *, through_json: bool = True, **spec: Any) -> World:
    """A hub whose machine Azure gave up while it was made, for a reason that nothing helps against: failed,
    deallocated."""

    async def live() -> World:
        world = World(through_json=through_json)
        forbidden = FatalError("RequestDisallowedByPolicy", "A policy forbids this.")
        world.cloud.fail_poll("vm", forbidden, power="running")
        await world.create("demo", **spec)
        await world.run_to_rest(HubState.FAILED)
        await world.run(lambda: world.hub.deallocated_at is not None, limit_s=600)
        return world

    return await _once(f"failed {through_json} {spec}", live, plan)


async def _once(key: str, live: Callable[[], Awaitable[World]], plan: Plan | None) -> World:
    if key not in _lived:
        _lived[key] = Snapshot(await live())
    return _lived[key].world(plan)


# ------------------------------------------------------------------ what the owner does


async def stop(world: World) -> Hub:
    return await world.stop()


async def start(world: World) -> Hub:
    return await world.start()


async def restart(world: World) -> Hub:
    return (await steer.restart_hub(world.app, world.hub, world.asking())).hub


async def retry(world: World) -> Hub:
    return (await steer.retry_hub(world.app, world.hub, world.asking())).hub


async def delete(world: World) -> Hub:
    return await world.delete(world.hub)


async def extend(world: World, hours: float = 2) -> Hub:
    return (await steer.extend_hub(world.app, world.hub, world.asking(), hours)).hub


# ------------------------------------------------------------------ what came of it


def machine(world: World) -> FakeVm:
    """The only one."""
    (vm,) = world.cloud.vms()
    return vm


def set_power(world: World, power: str) -> None:
    """Somebody did it in the portal."""
    world.cloud.set_power(world.hub.group_name, world.hub.vm_name, power)


def power_calls(world: World) -> list[str]:
    """Every request to change the machine that was sent, oldest first."""
    return [call.verb for call in world.cloud.writes if call.verb in POWER]


def watch_overlaps(world: World) -> list[Call]:
    """From now on: requests that were sent while another change of the same machine was under way."""
    found: list[Call] = []

    def look(call: Call) -> None:
        if call.verb in POWER:
            busy = (vm for vm in world.cloud.vms() if vm.plan.group.lower() == call.group.lower())
            if any(vm.provisioning in ("creating", "updating") for vm in busy):
                found.append(call)

    world.cloud.before_write = look
    return found


def operations(world: World, hub_id: str | None = None) -> list[Operation]:
    """Those of the only hub (or of one that is gone), oldest first."""
    wanted = hub_id or world.hub.id
    stored = world.storage.hubs.operations
    return [stored[key] for key in sorted(stored, key=lambda key: key[2]) if key[1] == wanted]


def ended(world: World, hub_id: str | None = None) -> list[tuple[str, str]]:
    """Kind and status of its operations, oldest first."""
    return [(operation.kind, str(operation.status)) for operation in operations(world, hub_id)]


def due_soon(world: World) -> list[Queued]:
    """Messages that wait to be looked at within the hour: there are none for a hub that rests or is gone."""
    end = world.clock.now() + timedelta(hours=1)
    return [queued for queued in world.storage.queue.waiting if queued.visible_at <= end]


def conditions(world: World) -> list[str]:
    return [condition.type for condition in world.hub.conditions]


def throttled(retry_after_s: float | None = None) -> RetryableError:
    return RetryableError("TooManyRequests", "Slow down.", retry_after_s=retry_after_s)
