"""Crash between any two effects while a machine is looked for: one machine, one group, on the rung that had room."""

import pytest

from shared.errors import CapacityError
from shared.hubs.states import HubState
from tests.support.fake_arm import make_size
from tests.support.tape import Crash
from tests.support.world import CrashPlan, World

pytestmark = pytest.mark.slow

ASKED, SECOND, THIRD = "Standard_D2s_v3", "Standard_D2as_v5", "Standard_D2s_v5"


def a_world(plan: CrashPlan) -> World:
    """What is asked for finds no room (in the poll: a failed machine stays), what comes next is refused at once."""
    world = World(crash=plan, lease_s=30, through_json=False)
    for size in (ASKED, SECOND, THIRD):
        world.cloud.sizes[size] = make_size(size)
    world.cloud.no_room.add(ASKED.lower())
    world.cloud.refused[SECOND.lower()] = CapacityError("QuotaExceeded", "No cores are left.")
    world.cloud.after_write = lambda _: one_at_a_time(world)
    return world


def one_at_a_time(world: World) -> None:
    assert len(world.cloud.vms()) <= 1
    assert len(world.cloud.groups) <= 1


async def test_a_worker_that_dies_at_any_point_of_the_ladder_ends_with_one_machine_in_one_group():
    counted = CrashPlan()
    world = a_world(counted)
    await world.create("demo")
    hub = await world.run_to_rest()
    assert [(one.number, one.size) for one in hub.attempts] == [(1, ASKED), (2, SECOND), (2, THIRD)]
    crashed = 0
    for point in range(counted.points):
        world = a_world(CrashPlan(at=point))
        try:
            await world.create("demo")
        except Crash:
            if not world.storage.hubs.hubs:
                continue  # never accepted: tests/component/lifecycle/test_crashes.py
        await world.run_to_rest()
        crashed += bool(world.crashes)
        hub = world.storage.hubs.only_hub()
        assert hub.state is HubState.READY, (point, world.crashes, hub.reason)
        (vm,) = world.cloud.vms()
        (group,) = world.cloud.groups.values()
        assert (vm.plan.size, hub.size) == (THIRD, THIRD), (point, world.crashes)
        assert group.name == hub.group_name, (point, world.crashes)
        # who loses the handle of the create learns only that it failed: the same machine is made once more first
        assert hub.attempt == 2 or (hub.attempt == 3 and hub.place.remade), (point, world.crashes)
        assert [one.outcome for one in hub.attempts][-1] == "ready", (point, world.crashes)
        assert all(one.ended_at for one in hub.attempts), (point, world.crashes)
    assert crashed > counted.points * 0.9
