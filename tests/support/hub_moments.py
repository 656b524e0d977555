"""Hubs brought to the moments that matter for an upgrade, in a world of any release that has such moments.

Runs with the world of this release and, through tests/support/record_rows.py, with those of earlier ones: it asks for
nothing that the first release did not have (what came later is looked for).
"""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from shared.errors import FatalError
from shared.hubs import commands
from shared.hubs.commands import IdempotencyRequest
from shared.hubs.model import Principal, Schedule
from shared.hubs.states import HubState
from tests.support.builders import a_spec

type Bring = Callable[[Any], Coroutine[Any, Any, None]]

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri")


def has_life(world: Any) -> bool:
    """Whether hubs of this release can be stopped and started."""
    return hasattr(world, "stop")


def hub_of(world: Any) -> Any:
    return world.storage.hubs.only_hub()


async def accepted(world: Any) -> None:
    spec = a_spec(schedule=Schedule(time_zone="Europe/Berlin", stop="19:00", days=WEEKDAYS))
    key = IdempotencyRequest("1" * 64, "2" * 64)
    await commands.create_hub(
        world.app, Principal("jaydoe"), spec, name="demo", idempotency=key, request_id="r1", price=None
    )


async def _until(world: Any, state: HubState, also: Callable[[Any], bool] = lambda hub: True) -> None:
    await accepted(world)
    await _run(world, lambda: hub_of(world).state is state and also(hub_of(world)))


async def _run(world: Any, until: Callable[[], bool]) -> None:
    await world.run(until, limit_s=6 * 3600)
    assert until()


async def making_the_machine(world: Any) -> None:
    def begun(hub: Any) -> bool:
        return hub.operation is not None and hub.operation.kind == "machine"

    await _until(world, HubState.PROVISIONING, begun)


async def installing(world: Any) -> None:
    await _until(world, HubState.INSTALLING, lambda hub: 20 <= hub.install.percent < 90)


async def ready(world: Any) -> None:
    await _until(world, HubState.READY)
    await world.run(lambda: False, limit_s=90)


async def failed(world: Any) -> None:
    world.cloud.fail_poll("vm", FatalError("Broken", "Azure said so."), power="running")
    await _until(world, HubState.FAILED, lambda hub: hub.deallocated_at is not None)


async def deleting(world: Any) -> None:
    await ready(world)
    await world.delete(hub_of(world))
    await _run(world, lambda: hub_of(world).operation is not None)


async def gone(world: Any) -> None:
    await ready(world)
    await world.delete(hub_of(world))
    await _run(world, lambda: not world.storage.hubs.hubs)


async def stopped(world: Any) -> None:
    await ready(world)
    await world.stop()
    await _run(world, lambda: hub_of(world).state.value == "stopped")


async def starting(world: Any) -> None:
    await stopped(world)
    await world.start()
    await _run(world, lambda: hub_of(world).operation is not None)


MOMENTS: Mapping[str, Bring] = {
    "accepted": accepted,
    "making-the-machine": making_the_machine,
    "installing": installing,
    "ready": ready,
    "failed": failed,
    "deleting": deleting,
    "gone": gone,
}
WITH_LIFE: Mapping[str, Bring] = {**MOMENTS, "stopped": stopped, "starting": starting}
"""Of releases that know more than making and deleting."""
