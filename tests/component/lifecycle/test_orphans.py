"""R5: what no hub has is found at the first sweep and gone after the second; nothing else is ever touched."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.errors import FatalError, RetryableError
from shared.hubs.model import Hub, Machine
from shared.hubs.orphans import MOST_REMOVED
from shared.hubs.ports import IndexEntry, ResourceRef, UnreadableRow
from shared.hubs.states import Goal, HubState
from shared.hubs.sweep import EVERY, Swept, sweep
from shared.hubs.tags import DEPLOYMENT, HUB
from tests.component.lifecycle.days import a_ready_world, alerts, replace_port, run_to, utc
from tests.support.builders import a_ready_hub
from tests.support.fake_arm import FakeGroup
from tests.support.standing import ours, plant_group, plant_loose, plant_vm, seed_ready
from tests.support.world import World

MONDAY = utc("2026-03-02 08:00")
GONE = "physics-zz2zz3"
GROUP = f"hublet-{GONE}-a1"

VM, DISK = "Microsoft.Compute/virtualMachines", "Microsoft.Compute/disks"
NIC, IP = "Microsoft.Network/networkInterfaces", "Microsoft.Network/publicIPAddresses"
NSG, VNET = "Microsoft.Network/networkSecurityGroups", "Microsoft.Network/virtualNetworks"
SHUTDOWN = "Microsoft.DevTestLab/schedules"


def a_world() -> World:
    """A deployment with one hub that is as it should be."""
    world = World(start=MONDAY)
    seed_ready(world, "alive")
    return world


async def sweeps(world: World, count: int = 1, *, apart: timedelta = EVERY) -> list[Swept]:
    done = []
    for _ in range(count):
        done.append(await sweep(world.app))
        world.clock.advance(apart)
    return done


def deleted(world: World) -> list[str]:
    return [call.group for call in world.cloud.writes if call.verb == "group_delete"]


# ------------------------------------------------------------------ the twelve kinds


def left(*kinds: str) -> Callable[[World], str]:
    """A group of a hub nobody knows, with these things in it."""

    def plant(world: World) -> str:
        plant_loose(world, plant_group(world, GROUP, ours(world, GONE)), *kinds)
        return GROUP

    return plant


def a_machine(world: World) -> str:
    hub = a_ready_hub(name="physics", id=GONE)
    plant_vm(world, hub, "running")
    return hub.group_name


def an_older_attempt(world: World) -> str:
    hub = seed_ready(world, "retried", attempt=2, machine=Machine())
    plant_vm(world, replace(hub, attempt=1), "running")
    return f"hublet-{hub.id}-a1"


def an_accept_that_was_never_stored(world: World) -> str:
    """Its message came, and its row did not: only the index has ever heard of it, and the audit forgot that."""
    plant_loose(world, plant_group(world, "hublet-never-ab2cd3-a1", ours(world, "never-ab2cd3")), NSG)
    return "hublet-never-ab2cd3-a1"


def a_late_write(world: World) -> str:
    """A hub that was seen gone and buried; then an older worker's PUT came through."""
    hub = a_ready_hub(name="buried")
    world.storage.index.entries[hub.id] = IndexEntry(
        hub_id=hub.id, owner=hub.owner, name=hub.name, state=str(HubState.DELETED)
    )
    plant_loose(world, plant_group(world, hub.group_name, ours(world, hub.id)), NSG, VNET)
    return hub.group_name


KINDS: dict[str, Callable[[World], str]] = {
    "a group": left(),
    "a group and its security group": left(NSG),
    "a group, its security group and network": left(NSG, VNET),
    "a machine with all it has": a_machine,
    "a network interface": left(NIC),
    "a public address": left(IP),
    "an OS disk": left(DISK),
    "a security group in a group whose deletion stopped half way": left(NSG, NIC),
    "an older attempt of a hub that lives": an_older_attempt,
    "an accept that was never stored": an_accept_that_was_never_stored,
    "a daily shutdown": left(SHUTDOWN),
    "a late write after the burial": a_late_write,
}


@pytest.mark.parametrize("kind", KINDS)
async def test_r5_a_leftover_is_found_by_one_sweep_and_removed_by_the_second(kind: str):
    world = a_world()
    group = KINDS[kind](world)
    (first,) = await sweeps(world)
    assert (first.leftovers, first.removed) == (1, 0)
    assert deleted(world) == []
    (second,) = await sweeps(world)
    assert (second.leftovers, second.removed) == (1, 1)
    assert deleted(world) == [group]
    (third,) = await sweeps(world)
    assert third.leftovers == 0
    assert group.lower() not in world.cloud.groups
    assert world.storage.hubs.hubs.keys() >= {("jaydoe@example.com", "alive")}
    assert {call.verb for call in world.cloud.writes} == {"group_delete"}


async def test_r5_twelve_kinds_at_once_are_found_in_one_pass_and_none_is_removed(caplog: pytest.LogCaptureFixture):
    """So many at once mean that we are wrong about what exists."""
    world = a_world()
    for number in range(len(KINDS) - 3):
        hub_id = f"gone{number}-ab2cd3"
        plant_loose(world, plant_group(world, f"hublet-{hub_id}-a1", ours(world, hub_id)), NSG)
    for plant in (an_older_attempt, an_accept_that_was_never_stored, a_late_write):
        plant(world)
    done = await sweeps(world, 4)
    assert [swept.leftovers for swept in done] == [12] * 4
    assert [swept.removed for swept in done] == [0] * 4
    assert world.cloud.writes == []
    assert {call.verb for call in world.cloud.reads} == {"powers", "tagged"}  # none is even looked at
    assert "TooManyLeftovers" in alerts(caplog)


async def test_as_many_as_a_sweep_may_remove_are_removed_together():
    world = a_world()
    for number in range(MOST_REMOVED):
        plant_group(world, f"hublet-gone{number}-ab2cd3-a1", ours(world, f"gone{number}-ab2cd3"))
    await sweeps(world, 2)
    assert len(deleted(world)) == MOST_REMOVED
    plant_group(world, "hublet-gone9-ab2cd3-a1", ours(world, "gone9-ab2cd3"))
    await sweeps(world, 2)
    assert len(deleted(world)) == MOST_REMOVED + 1


async def test_one_more_than_a_sweep_may_remove_and_none_is(caplog: pytest.LogCaptureFixture):
    world = a_world()
    for number in range(MOST_REMOVED + 1):
        plant_group(world, f"hublet-gone{number}-ab2cd3-a1", ours(world, f"gone{number}-ab2cd3"))
    await sweeps(world, 3)
    assert deleted(world) == []
    assert "TooManyLeftovers" in alerts(caplog)


# ------------------------------------------------------------------ a thousand others


async def test_r5_of_a_thousand_foreign_or_untagged_things_none_is_touched():
    world = World(start=MONDAY, through_json=False)
    alive = [seed_ready(world, f"alive{number}") for number in range(100)]
    mine = world.storage.identity.deployment_id
    foreign: list[FakeGroup] = []
    for number in range(100):
        name, hub_id = f"hublet-gone{number}-ab2cd3", f"gone{number}-ab2cd3"
        tags = {HUB: hub_id, DEPLOYMENT: mine}
        foreign += [
            plant_group(world, f"{name}-a1", {**tags, DEPLOYMENT: "another"}),
            plant_group(world, f"{name}-a2", {}),
            plant_group(world, f"{name}-a3", {**tags, DEPLOYMENT: mine.upper()}),
            plant_group(world, f"{name}-a4", {HUB: hub_id}),
            plant_group(world, f"{name}-a5", {"hublet_deployment": mine, HUB: hub_id}),
            plant_group(world, f"{name}-a6", {DEPLOYMENT: ""}),
            plant_group(world, f"{name}-a7", {"HUBLET-DEPLOYMENT": "another", "HUBLET-HUB": hub_id}),
            plant_group(world, f"somebodys-{number}", {"project": mine}),
            plant_group(world, f"{name.upper()}-A9", {"team": "physics"}),
        ]
    for group in foreign:
        plant_loose(world, group, VM, NIC, IP, DISK)
    assert len(foreign) + len(alive) == 1_000
    done = await sweeps(world, 4)
    assert [swept.removed for swept in done] == [0] * 4
    assert world.cloud.writes == []
    assert len(world.cloud.groups) == 1_000


@pytest.mark.parametrize("state", [s for s in HubState if s is not HubState.DELETED])
async def test_a_hub_that_has_a_row_has_no_leftovers_whatever_its_state(state: HubState):
    """Neither one that fails or goes: it takes its own things away."""
    world = a_world()
    hub = seed_ready(world, "going", state=state, next_look_at=MONDAY + timedelta(days=1))
    await sweeps(world, 4)
    assert deleted(world) == []
    assert hub.group_name.lower() in world.cloud.groups


async def test_a_deletion_under_way_removes_the_groups_of_older_attempts_itself():
    world = a_world()
    hub = seed_ready(
        world, "going", attempt=2, state=HubState.DELETING, goal=Goal.DELETED, next_look_at=MONDAY + timedelta(days=1)
    )
    plant_vm(world, replace(hub, attempt=1), "running")
    await sweeps(world, 4)
    assert deleted(world) == []


# ------------------------------------------------------------------ never on the strength of one thing


async def test_a_first_sighting_removes_nothing_however_many_sweeps_follow_at_once():
    world = a_world()
    left(NSG)(world)
    await sweeps(world, 8, apart=timedelta(seconds=25))
    assert deleted(world) == []


async def test_two_sightings_with_a_sweep_between_that_saw_nothing_do_not_add_up():
    world = a_world()
    for _ in range(4):
        left(NSG)(world)
        await sweeps(world)
        del world.cloud.groups[GROUP]
        await sweeps(world)
    assert deleted(world) == []


async def test_a_hub_whose_index_entry_is_lost_keeps_its_things():
    world = a_world()
    hub = seed_ready(world, "unindexed")
    del world.storage.index.entries[hub.id]
    done = await sweeps(world, 4)
    assert done[0].leftovers == 1
    assert deleted(world) == []


@pytest.mark.parametrize("indexed", [True, False])
async def test_a_hub_whose_row_cannot_be_read_keeps_its_things(indexed: bool):
    world = a_world()
    hub = seed_ready(world, "physics", id=GONE)
    if not indexed:
        del world.storage.index.entries[hub.id]
    del world.storage.hubs.hubs[hub.owner, hub.name]
    everything = world.app.hubs.everything

    async def with_unreadable():
        async for row in everything():
            yield row
        yield UnreadableRow(owner=hub.owner, name=hub.name, code="RowOfANewerVersion")

    replace_port(world, "hubs", everything=with_unreadable)
    await sweeps(world, 4)
    assert deleted(world) == []


async def test_when_no_hub_row_is_there_at_all_nothing_is_removed(caplog: pytest.LogCaptureFixture):
    """The app was given another storage account."""
    world = World(start=MONDAY)
    left(NSG)(world)
    await sweeps(world, 4)
    assert world.cloud.writes == []
    assert "NoHubsFound" in alerts(caplog)


async def test_nothing_is_removed_while_storage_does_not_tell_which_hubs_there_are():
    world = a_world()
    left(NSG)(world)
    await sweeps(world)

    def everything() -> Any:
        raise RetryableError("StorageUnavailable", "no")

    hubs = world.app.hubs
    replace_port(world, "hubs", everything=everything)
    with pytest.raises(RetryableError):
        await sweep(world.app)
    assert deleted(world) == []
    object.__setattr__(world.app, "hubs", hubs)
    await sweeps(world)
    assert deleted(world) == [GROUP]


@pytest.mark.parametrize(
    "tags",
    [{}, {HUB: GONE}, {HUB: "another-ab2cd3"}, {HUB: GONE, DEPLOYMENT: "another"}, {HUB: GONE, DEPLOYMENT: "x"}],
)
async def test_a_group_that_lost_its_tags_after_it_was_listed_is_not_removed(tags: dict[str, str]):
    """The list lags; the group itself decides."""
    world = a_world()
    left(NSG)(world)
    listed = await world.app.groups.tagged(DEPLOYMENT, world.storage.identity.deployment_id)
    world.cloud.groups[GROUP].tags = tags

    async def tagged(tag: str, value: str) -> Any:
        return listed

    replace_port(world, "groups", tagged=tagged)
    await sweeps(world, 4)
    assert deleted(world) == []


@pytest.mark.parametrize("name", ["copy-of-it", "hublet-other-ab2cd3-a1", f"hublet-{GONE}", f"hublet-{GONE}-a0"])
async def test_our_tags_on_a_group_with_another_name_are_told_and_not_followed(
    name: str, caplog: pytest.LogCaptureFixture
):
    world = a_world()
    plant_loose(world, plant_group(world, name, ours(world, GONE)), NSG)
    done = await sweeps(world, 3)
    assert done[0].leftovers == 1
    assert deleted(world) == []
    assert "LeftoverNeedsAPerson" in alerts(caplog)


async def test_our_name_and_deployment_without_the_hubs_tag_is_told_and_not_followed(caplog: pytest.LogCaptureFixture):
    world = a_world()
    tags = ours(world, GONE)
    del tags[HUB]
    plant_group(world, GROUP, tags)
    await sweeps(world, 3)
    assert deleted(world) == []
    assert "LeftoverNeedsAPerson" in alerts(caplog)


@pytest.mark.parametrize("kind", [VM, NIC, IP, DISK, NSG, VNET])
async def test_a_thing_of_ours_in_somebodys_group_is_told_and_not_removed(kind: str, caplog: pytest.LogCaptureFixture):
    world = a_world()
    theirs = plant_group(world, "theirs", {"team": "physics"})
    plant_loose(world, theirs, kind, tags=ours(world, GONE))
    done = await sweeps(world, 3)
    assert done[0].leftovers == 1
    assert world.cloud.writes == []
    assert "LeftoverNeedsAPerson" in alerts(caplog)


@pytest.mark.parametrize("tags", [{}, {DEPLOYMENT: "another"}, {"team": "physics"}])
async def test_a_leftover_group_somebody_has_put_something_into_is_told_and_not_removed(
    tags: dict[str, str], caplog: pytest.LogCaptureFixture
):
    world = a_world()
    left(NSG)(world)
    plant_loose(world, world.cloud.groups[GROUP], "Microsoft.Sql/servers", tags=tags)
    await sweeps(world, 3)
    assert deleted(world) == []
    assert "LeftoverNeedsAPerson" in alerts(caplog)


async def test_what_azure_adds_to_a_machine_does_not_keep_it():
    """An extension that a policy installs has no tags of ours and goes with its machine."""
    world = a_world()
    a_machine(world)
    extension = ResourceRef(
        id=f"{world.cloud.id_of(GROUP, VM, 'v')}/extensions/monitor", type=f"{VM}/extensions", tags={}
    )
    world.cloud.groups[GROUP].loose.append(extension)
    await sweeps(world, 2)
    assert deleted(world) == [GROUP]


# ------------------------------------------------------------------ the removal itself


async def test_a_group_that_is_being_deleted_is_left_to_it():
    world = a_world()
    left(NSG)(world)
    world.cloud.groups[GROUP].gone_at = world.clock.now() + timedelta(hours=1)
    await sweeps(world, 4)
    assert deleted(world) == []


async def test_a_deletion_that_azure_does_not_finish_is_asked_for_again():
    world = a_world()
    left(NSG)(world)
    world.cloud.fail_poll("group_delete", RetryableError("ResourceGroupDeletionBlocked", "Not yet."))
    await sweeps(world, 5)
    assert deleted(world) == [GROUP, GROUP]
    assert GROUP not in world.cloud.groups


async def test_a_locked_leftover_is_told_and_tried_on(caplog: pytest.LogCaptureFixture):
    world = a_world()
    left(NSG)(world)
    world.cloud.fail_begin("group_delete", FatalError("ScopeLocked", "A lock forbids this."), times=3)
    await sweeps(world, 4)
    assert "LeftoverNotRemoved" in alerts(caplog)
    assert len(deleted(world)) == 3
    await sweeps(world, 2)
    assert GROUP not in world.cloud.groups


async def test_azure_out_of_reach_in_the_middle_costs_a_sweep():
    world = a_world()
    left(NSG)(world)
    await sweeps(world)
    world.cloud.fail_read("group_get", RetryableError("AzureUnreachable", "No answer."))
    with pytest.raises(RetryableError):
        await sweep(world.app)
    world.clock.advance(EVERY)
    await sweeps(world)
    assert deleted(world) == [GROUP]


async def test_what_was_removed_and_comes_back_is_seen_for_the_first_time():
    world = a_world()
    left(NSG)(world)
    await sweeps(world, 2)
    del world.cloud.groups[GROUP]
    left(NSG)(world)
    await sweeps(world)
    assert len(deleted(world)) == 1


# ------------------------------------------------------------------ whole lives


async def test_a_life_leaves_nothing_and_no_sweep_ever_sees_a_leftover_in_it(caplog: pytest.LogCaptureFixture):
    world = await a_ready_world(MONDAY)
    await run_to(world, "2026-03-02 09:00")
    await world.stop()
    await run_to(world, "2026-03-02 10:00")
    await world.start()
    await run_to(world, "2026-03-02 11:00")
    await world.delete(world.hub)
    await world.run_until_gone()
    await run_to(world, "2026-03-02 13:00")
    assert not [record for record in caplog.records if record.getMessage() == "leftovers_seen"]
    assert deleted(world) == [f"hublet-{gone_id(world)}-a1"]


def gone_id(world: World) -> str:
    (gone,) = world.storage.hubs.graves.values()
    return gone.hub.id


def since(world: World, moment: datetime) -> list[str]:
    return [call.verb for call in world.cloud.writes if call.at >= moment]


async def test_a_group_that_a_late_put_makes_anew_after_the_burial_is_removed_within_a_quarter_of_an_hour():
    world = World(start=MONDAY)
    seed_ready(world, "alive")
    hub: Hub = await world.create("demo")
    await world.run(lambda: world.storage.hubs.hubs[hub.owner, "demo"].state is HubState.READY)
    await world.delete(world.storage.hubs.hubs[hub.owner, "demo"])
    await world.run(lambda: (hub.owner, "demo") not in world.storage.hubs.hubs)
    await world.app.groups.put(f"hublet-{hub.id}-a1", "eastus", ours(world, hub.id))
    at = world.clock.now()
    await world.run(lambda: f"hublet-{hub.id}-a1" not in world.cloud.groups, limit_s=15 * 60)
    assert f"hublet-{hub.id}-a1" not in world.cloud.groups
    assert since(world, at) == ["group_put", "group_delete"]
