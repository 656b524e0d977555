"""Crash between any two effects: one hub, one machine, ready. The points are discovered, not written down."""

import pytest

from shared.hubs.states import HubState
from tests.support.tape import Crash
from tests.support.world import CrashPlan, World

pytestmark = pytest.mark.slow


async def count_points() -> int:
    plan = CrashPlan()
    world = World(crash=plan)
    await world.create("demo")
    await world.run_to_rest()
    return plan.points


async def test_a_worker_that_dies_at_any_point_leaves_one_ready_hub_and_one_machine():
    points = await count_points()
    assert points > 100, "the sweep must see every port call"
    crashed = 0
    for point in range(points):
        world = await swept(point)
        if world is None:
            continue
        crashed += bool(world.crashes)
        hub = world.storage.hubs.only_hub()
        assert hub.state is HubState.READY, (point, world.crashes, hub.reason)
        assert len(world.cloud.vms()) == 1, (point, world.crashes)
        assert len(world.cloud.groups) == 1, (point, world.crashes)
    assert crashed > points * 0.9


async def swept(point: int) -> World | None:
    """One lifecycle that dies at `point`. None when it died before the request was accepted (no 202 was given)."""
    plan = CrashPlan(at=point)
    world = World(crash=plan, lease_s=30)
    try:
        await world.create("demo")
    except Crash:
        if not world.storage.hubs.hubs:
            await world.run(lambda: False, limit_s=300)
            assert not world.cloud.groups, "nothing may be made for a hub that was never accepted"
            assert not world.storage.queue.waiting, "a message without a row is dropped after a minute"
            return None
    await world.run_to_rest()
    return world


@pytest.mark.parametrize("fraction", [0.1, 0.3, 0.5, 0.7, 0.9])
async def test_a_delete_in_the_middle_of_a_create_leaves_nothing(fraction: float):
    baseline = World()
    await baseline.create("demo")
    await baseline.run_to_rest()
    total = (baseline.clock.now() - World().clock.now()).total_seconds()

    world = World()
    hub = await world.create("demo")
    await world.run(lambda: False, limit_s=total * fraction)
    await world.delete(hub)
    await world.run_until_gone()
    await world.run(lambda: False, limit_s=900)  # late copies of messages must not make anything again
    assert world.cloud.groups == {}
    assert not world.storage.queue.waiting
    grave = await world.app.hubs.gone(hub.owner, hub.id)
    assert grave is not None
    assert grave.hub.state is HubState.DELETED
