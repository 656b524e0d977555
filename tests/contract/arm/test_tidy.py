"""R5 over the simulated Azure and the unmodified SDKs: a thousand groups of others, one leftover with a machine."""

import pytest

from shared.hubs.sweep import EVERY, sweep
from shared.hubs.tags import DEPLOYMENT, HUB
from tests.component.lifecycle.days import set_port
from tests.contract.arm.backends import GROUP, REGION, TAGS, SimulatedAzure, has_vm
from tests.support.standing import seed_ready
from tests.support.world import World

HUB_ID = TAGS[HUB]


def a_world(azure: SimulatedAzure) -> World:
    """A deployment over that Azure, with one hub that has a row."""
    world = World()
    world.storage.identity.deployment_id = TAGS[DEPLOYMENT]
    seed_ready(world, "alive")
    for port in ("groups", "compute", "operations"):
        set_port(world, port, getattr(azure, port))
    return world


async def sweeps(world: World, azure: SimulatedAzure, count: int) -> list[tuple[int, int]]:
    done = []
    for _ in range(count):
        swept = await sweep(world.app)
        done.append((swept.leftovers, swept.removed))
        world.clock.advance(EVERY)
        azure.advance(EVERY.total_seconds())
    return done


def changes(azure: SimulatedAzure, since: int) -> list[str]:
    sent = azure.wire.sent[since:]
    return [f"{one.method} {one.path.rsplit('/', 1)[-1]}" for one in sent if one.method != "GET"]


@pytest.mark.slow
async def test_r5_a_machine_that_no_hub_has_goes_and_a_thousand_groups_of_others_stay():
    azure = SimulatedAzure()
    await has_vm(azure)
    mine = TAGS[DEPLOYMENT]
    for number in range(250):
        hub_id = f"gone{number}-ab2cd3"
        for attempt, tags in enumerate(
            ({HUB: hub_id, DEPLOYMENT: "d2"}, {}, {HUB: hub_id, DEPLOYMENT: mine.upper()}, {HUB: hub_id}), 1
        ):
            await azure.groups.put(f"hublet-{hub_id}-a{attempt}", REGION, tags)
            azure.advance(1)  # a subscription takes so many writes only
    world, since = a_world(azure), len(azure.wire.sent)
    assert await sweeps(world, azure, 4) == [(1, 0), (1, 1), (0, 0), (0, 0)]
    assert changes(azure, since) == [f"DELETE {GROUP}"]
    assert len(azure.simulator.services.store.groups()) == 1_000
    assert azure.simulator.services.store.everything() == []


async def test_a_machine_whose_hub_has_a_row_stays():
    azure = SimulatedAzure()
    await has_vm(azure)
    world, since = a_world(azure), len(azure.wire.sent)
    seed_ready(world, "physics", None, id=HUB_ID)
    assert {leftovers for leftovers, _ in await sweeps(world, azure, 4)} == {0}
    assert changes(azure, since) == []


async def test_a_leftover_with_a_disk_somebody_put_there_stays():
    azure = SimulatedAzure()
    await has_vm(azure)
    (disk,) = [one for one in azure.simulator.services.store.everything() if one.TYPE.lower().endswith("/disks")]
    disk.tags = {"team": "physics"}
    world, since = a_world(azure), len(azure.wire.sent)
    assert await sweeps(world, azure, 3) == [(1, 0), (1, 0), (1, 0)]
    assert changes(azure, since) == []
