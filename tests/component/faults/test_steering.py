"""Faults of requests that meet work under way: F40, F42 (docs/faults.md)."""

import random
from datetime import timedelta
from typing import Any

import pytest

from shared.errors import HubletError
from shared.hubs.states import HubState
from tests.support.rivals import Rival
from tests.support.world import World


def watched(world: World, rival: Rival) -> None:
    """The rival gets in between any two effects of the workers."""
    names = ("hubs", "queue", "due", "index", "groups", "network", "compute", "operations", "on_vm", "hub_http")
    for name in names:
        object.__setattr__(world.app, name, rival.wrap(getattr(world.app, name), name))


async def a_create(rival: Rival) -> World:
    world = World()
    hub = await world.create()
    watched(world, rival)

    async def delete() -> None:
        await world.delete(hub)

    rival.act = delete
    return world


# ---- F40


async def test_f40_a_delete_between_any_two_effects_of_a_create_ends_with_nothing():
    counted = Rival()
    world = await a_create(counted)
    await world.run_to_rest()
    assert counted.points > 100
    for at in range(0, counted.points, 7):
        rival = Rival(at)
        world = await a_create(rival)
        await world.run_until_gone(limit_s=3600)
        assert (world.storage.hubs.hubs, world.cloud.groups) == ({}, {}), rival.where
        await world.run(limit_s=1200)
        assert world.cloud.groups == {}, rival.where
        (grave,) = world.storage.hubs.graves.values()
        assert grave.hub.state is HubState.DELETED


# ---- F42


class Busy:
    """How many operations on machines run at once."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.most = 0
        world.cloud.after_write = self._count

    def _count(self, call: Any) -> None:
        cloud = self._world.cloud
        running = [one for one in cloud.operations.values() if one.ends_at > cloud.clock.now()]
        self.most = max(self.most, len(running) + (call.verb in ("start", "deallocate", "restart")))


@pytest.mark.parametrize("seed", range(8))
async def test_f42_of_starts_and_stops_while_an_operation_runs_the_last_wins_and_one_runs_at_a_time(seed: int):
    world, rng = World(), random.Random(seed)
    await world.create()
    await world.run_to_rest()
    busy, wish = Busy(world), ""
    for _ in range(8):
        wish = rng.choice(["stop", "start"])
        await (world.stop() if wish == "stop" else world.start())
        await world.run(limit_s=rng.choice([0.5, 3, 20, 45]))
    wanted = HubState.READY if wish == "start" else HubState.STOPPED
    asked = world.clock.now()
    await world.run(lambda: world.hub.state is wanted, limit_s=1800)
    assert world.hub.state is wanted
    assert world.clock.now() - asked <= timedelta(minutes=5)
    (vm,) = world.cloud.vms()
    assert vm.power == ("running" if wish == "start" else "deallocated")
    assert busy.most <= 1
    state, writes = world.hub.state, len(world.cloud.writes)
    await world.run(limit_s=3600)
    assert (world.hub.state, len(world.cloud.writes)) == (state, writes), "and it stays so"


async def test_f42_a_stop_of_a_hub_that_is_still_being_made_is_refused_and_changes_nothing():
    world = World()
    hub = await world.create()
    with pytest.raises(HubletError) as refused:
        await world.stop()
    assert refused.value.code == "HubIsBeingMade"
    assert world.hub == hub
