"""Faults that only comparing with Azure finds, and messages nobody can work on: F09, F10, F25, F39, F41."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import azure.functions as func
import pytest

from functions import poison_queue, work_queue
from shared.errors import FatalError, RetryableError
from shared.hubs.deadlines import STATE_LIMITS
from shared.hubs.dispatch import work_message
from shared.hubs.messages import encode
from shared.hubs.model import Hub
from shared.hubs.ports import ResourceRef, VmPower
from shared.hubs.states import CREATING, STABLE, Goal, HubState
from shared.hubs.sweep import EVERY, sweep
from shared.hubs.tags import DEPLOYMENT, HUB
from tests.component.lifecycle.days import (
    HOUR,
    MINUTE,
    a_ready_world,
    alerts,
    conditions,
    power,
    power_writes,
    present,
    replace_port,
    run_to,
    state,
    told,
    utc,
)
from tests.support.fake_arm import FakeVm
from tests.support.standing import plant_group, plant_loose, seed_ready
from tests.support.world import World

MONDAY = utc("2026-03-02 08:00")
DAY = 24 * HOUR


async def ready() -> World:
    """A hub that is ready since more than an hour."""
    world = await a_ready_world(MONDAY)
    await run_to(world, "2026-03-02 10:00")
    return world


async def stopped() -> World:
    world = await ready()
    await world.stop()
    await world.run_to_rest(HubState.STOPPED)
    await run_to(world, world.clock.now() + 30 * MINUTE)
    return world


async def sweeps(world: World, count: int = 1) -> None:
    """So many sweeps, and a minute for what they begin."""
    for _ in range(count):
        await run_to(world, world.timers[1].next_at + MINUTE)


def machine(world: World) -> FakeVm:
    (vm,) = world.cloud.vms()
    return vm


def shown(world: World, kind: str) -> str:
    """What the condition says."""
    (message,) = [condition.message for condition in world.hub.conditions if condition.type == kind]
    return message


def handler(module: Any, world: World) -> Any:
    app = func.FunctionApp()
    app.register_functions(module.blueprint(lambda: world.app))
    (only,) = app.get_functions()
    return only.get_user_function()


def a_delivery(body: object) -> func.QueueMessage:
    return func.QueueMessage(id="m-1", body=body if isinstance(body, bytes) else json.dumps(body).encode())


# ------------------------------------------------------------------ F09


def of(hub: Hub, **changes: object) -> dict[str, object]:
    """The hub's work message as a document, with changes."""
    plain = {"v": 1, "owner": hub.owner, "name": hub.name, "hubId": hub.id, "generation": 1, "pass": 1}
    return {**plain, "firstSeen": "2026-03-02T08:00:00Z", **changes}


UNREADABLE: dict[str, dict[str, object]] = {
    "an impossible version": {"v": "one"},
    "a field too many": {"more": True},
    "a field of another type": {"pass": "one"},
    "too large": {"more": "x" * 8_000},
    "no name": {"name": None, "owner": None},
}


@pytest.mark.parametrize("module", [work_queue, poison_queue])
@pytest.mark.parametrize("kind", UNREADABLE)
async def test_f09_the_hub_of_an_unreadable_message_is_looked_at_all_the_same(module: Any, kind: str):
    """Its real message is lost: what was put in its place reaches the hub."""
    world = World(start=MONDAY)
    hub = await world.create("demo")
    if kind == "no name":  # only the id is left, and the index knows it
        await world.run(lambda: bool(world.storage.index.entries), limit_s=60)
        hub = world.hub
    world.storage.queue.waiting.clear()
    world.storage.due.rows.clear()
    await handler(module, world)(a_delivery(of(hub, **UNREADABLE[kind])))
    assert len(world.storage.queue.waiting) == 1
    assert len(world.storage.due.rows) == 1
    assert len(world.said("queue")) == 1
    await world.run_to_rest(HubState.READY)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[" * 30_000,
        b'{"v":1,"owner":"jaydoe","name":"demo"' + b" " * 70_000 + b"}",
        {"v": 2},
        {"v": 1, "owner": "jaydoe", "name": "demo", "hubId": "demo-zzzzzz"},
        {"v": 1, "owner": "somebody", "name": "demo"},
        {"v": 1, "owner": "\ud800", "name": "../.."},
        {"v": 1, "owner": ["jaydoe"], "name": {"a": 1}},
    ],
)
async def test_f09_a_message_of_nobody_is_alerted_once_and_others_flow(body: object, caplog: pytest.LogCaptureFixture):
    world = World(start=MONDAY)
    await world.create("demo")
    before = world.hub
    for _ in range(3):
        await handler(work_queue, world)(a_delivery(body))
    assert alerts(caplog) == ["UnreadableMessage"]
    assert world.hub == before
    await world.run_to_rest(HubState.READY)


async def test_f09_a_hub_whose_worker_saves_at_the_same_moment_is_driven_all_the_same():
    world = World(start=MONDAY)
    hub = await world.create("demo")
    get = world.app.hubs.get

    async def older(owner: str, name: str) -> Hub | None:
        found = await get(owner, name)
        return replace(found, etag="older") if found else None

    hubs = world.app.hubs
    replace_port(world, "hubs", get=older)
    await handler(work_queue, world)(a_delivery(of(hub, v=99)))
    object.__setattr__(world.app, "hubs", hubs)
    assert world.hub == hub
    await world.run_to_rest(HubState.READY)


# ------------------------------------------------------------------ F10


async def test_f10_five_failed_tries_fail_the_hub_with_the_cause_tell_its_owner_and_alert_once(
    caplog: pytest.LogCaptureFixture,
):
    world = World(start=MONDAY)
    hub = await world.create("demo")
    await world.run(lambda: world.cloud.vms() != [], limit_s=600)
    message = work_message(world.hub, world.clock.now())
    poison = handler(poison_queue, world)
    for _ in range(2):  # delivered twice
        await poison(a_delivery(encode(message).encode()))
    assert state(world) is HubState.FAILED
    assert world.hub.reason is not None
    assert world.hub.reason.code == "WorkerGaveUp"
    assert hub.id in world.hub.reason.fix
    assert alerts(caplog) == ["WorkerGaveUp"]
    await world.run(limit_s=600)
    assert power(world) == "deallocated"
    assert len(told(world, "failed")) == 1
    await world.run_until_gone(limit_s=26 * 3600)
    assert world.cloud.groups == {}


async def test_f10_a_settled_hub_is_not_failed_by_its_poisoned_message(caplog: pytest.LogCaptureFixture):
    world = await ready()
    await world.poison(work_message(world.hub, world.clock.now()))
    await world.run(limit_s=300)
    assert state(world) is HubState.READY
    assert alerts(caplog) == ["WorkerGaveUp"]
    assert told(world, "failed") == []


async def test_the_owner_is_told_that_the_hub_is_ready():
    world = await ready()
    (notice,) = world.told.of("ready")
    assert notice.data["url"] == world.hub.url


async def test_the_owner_is_told_that_the_hub_failed_and_why():
    world = World(start=MONDAY)
    world.cloud.fail_begin("vm", FatalError("RequestDisallowedByPolicy", "A policy forbids it.", fix="Ask for it."))
    await world.create("demo")
    await world.run_to_rest(HubState.FAILED)
    await world.run(limit_s=60)
    (notice,) = world.told.of("failed")
    assert "A policy forbids it." in notice.message
    assert notice.data == {"code": "RequestDisallowedByPolicy", "fix": "Ask for it."}


# ------------------------------------------------------------------ F25


async def test_f25_a_machine_that_a_read_does_not_show_right_after_its_put_is_waited_for_and_made_once():
    world = World(start=MONDAY)
    get, misses = world.app.compute.vm, [0]

    async def vm(*args: Any, **kwargs: Any) -> Any:
        view = await get(*args, **kwargs)
        if view is not None and misses[0] < 5:
            misses[0] += 1
            return None
        return view

    replace_port(world, "compute", vm=vm)
    await world.create("demo")
    await world.run_to_rest(HubState.READY)
    assert misses == [5]
    assert len(world.cloud.vms_created) == 1  # the same PUT may be sent again: it makes nothing


async def test_f25_a_machine_that_lists_lack_is_not_gone_while_a_read_finds_it():
    world = await ready()

    async def nothing(*args: Any) -> Sequence[Any]:
        return []

    replace_port(world, "compute", powers=nothing)
    replace_port(world, "groups", tagged=nothing)
    before = world.hub
    await sweeps(world, 6)
    assert world.hub == before
    assert world.cloud.count("group_delete") == 0


async def test_f25_a_machine_is_gone_only_when_two_direct_reads_do_not_find_it():
    world = await ready()
    there = world.cloud.groups[world.hub.group_name.lower()].vms
    vm = there.pop(world.hub.vm_name.lower())
    await sweeps(world)
    there[vm.plan.name] = vm
    await sweeps(world, 2)
    assert conditions(world) == []
    there.clear()
    await sweeps(world, 2)
    assert conditions(world) == ["Drifted"]
    assert world.hub.machine.missing_since is not None


async def test_f25_what_the_list_of_tagged_things_lacks_is_not_missing_while_its_group_has_it():
    world = await ready()
    tagged = world.app.groups.tagged

    async def without_addresses(tag: str, value: str) -> list[ResourceRef]:
        return [ref for ref in await tagged(tag, value) if "publicip" not in ref.type.lower()]

    replace_port(world, "groups", tagged=without_addresses)
    before = world.hub
    await sweeps(world, 6)
    assert world.hub == before


# ------------------------------------------------------------------ F39


def lose(world: World, kind: str) -> None:
    """Somebody deleted it in the portal."""
    group, vm = world.cloud.groups[world.hub.group_name.lower()], machine(world)
    match kind:
        case "network interface":
            group.lost.add(vm.nic_id)
        case "public IP address":
            group.lost.add(vm.public_ip_id)
        case "disk":
            group.lost.add(vm.disk_id)
        case "network security group":
            group.nsgs.clear()
        case _:
            group.vnets.clear()


LOSABLE = ["network interface", "public IP address", "disk", "network security group", "virtual network"]


@pytest.mark.parametrize("begin", [ready, stopped])
@pytest.mark.parametrize("kind", LOSABLE)
async def test_f39_what_was_deleted_outside_is_shown_and_not_made_again(kind: str, begin: Any):
    world = await begin()
    rest, since = state(world), world.clock.now()
    lose(world, kind)
    await sweeps(world)
    assert conditions(world) == []  # seen once only
    await sweeps(world)
    assert conditions(world) == ["Drifted"]
    assert f"Missing in its resource group: {kind}." in shown(world, "Drifted")
    etag = world.hub.etag
    await run_to(world, world.clock.now() + 3 * HOUR)
    assert world.hub.etag == etag  # a client's If-Match: nothing more is written about it
    assert state(world) is rest
    assert not [call for call in world.cloud.writes if call.at >= since]


@pytest.mark.parametrize("kind", LOSABLE[:3])
async def test_f39_the_condition_goes_when_what_was_missing_is_back(kind: str):
    world = await ready()
    lose(world, kind)
    await sweeps(world, 2)
    assert conditions(world) == ["Drifted"]
    world.cloud.groups[world.hub.group_name.lower()].lost.clear()
    await sweeps(world)
    assert conditions(world) == []
    assert world.said("condition")[-1] == "Drifted is over."


async def test_f39_the_condition_goes_although_what_the_sweeps_remember_is_lost():
    world = await ready()
    lose(world, "disk")
    await sweeps(world, 2)
    world.storage.cache.rows.clear()
    world.cloud.groups[world.hub.group_name.lower()].lost.clear()
    await run_to(world, world.clock.now() + 61 * MINUTE)
    assert conditions(world) == []


async def test_f39_within_an_hour_the_condition_says_what_is_missing_by_now():
    world = await ready()
    lose(world, "disk")
    await sweeps(world, 2)
    lose(world, "network interface")
    await run_to(world, world.clock.now() + 61 * MINUTE)
    assert "disk, network interface" in shown(world, "Drifted")


async def test_f39_a_missing_part_does_not_keep_a_hub_from_being_stopped_and_deleted():
    world = await ready()
    lose(world, "public IP address")
    await sweeps(world, 2)
    await world.stop()
    await world.run_to_rest(HubState.STOPPED)
    await world.delete(world.hub)
    await world.run_until_gone(limit_s=3600)
    assert world.cloud.groups == {}


@pytest.mark.parametrize("begin", [ready, stopped])
async def test_f39_what_went_with_a_machine_is_not_told_beside_it(begin: Any):
    """Interface, address and disk go with it; a list of machines that lags does not change that."""
    world = await begin()
    listed: Sequence[VmPower] = await world.app.compute.powers()
    world.cloud.lose_vm(world.hub.group_name, world.hub.vm_name)
    powers = world.app.compute.powers

    async def old(*args: Any) -> Sequence[VmPower]:
        return listed

    compute = world.app.compute
    replace_port(world, "compute", powers=old)
    await sweeps(world, 3)
    assert conditions(world) == []
    object.__setattr__(world.app, "compute", compute)
    assert await powers() == []
    await sweeps(world, 8)
    assert conditions(world) == ["Drifted"]
    assert "virtual machine is no longer in Azure" in shown(world, "Drifted")
    await run_to(world, world.clock.now() + 3 * HOUR)
    assert "virtual machine is no longer in Azure" in shown(world, "Drifted")


@pytest.mark.parametrize("tag", [HUB, DEPLOYMENT])
async def test_f39_a_tag_removed_from_the_group_is_shown_and_the_group_is_nobodys_leftover(tag: str):
    world = await ready()
    seed_ready(world, "other")
    del world.cloud.groups[world.storage.hubs.hubs["jaydoe", "demo"].group_name.lower()].tags[tag]
    world.timers[2].next_at += DAY  # the audit's own look is not what finds it
    await sweeps(world, 3)
    hub = world.storage.hubs.hubs["jaydoe", "demo"]
    (drifted,) = hub.conditions
    assert drifted.type == "Drifted"
    assert "cannot be deleted" in drifted.message
    assert world.cloud.count("group_delete") == 0


@pytest.mark.parametrize("begin", [ready, stopped])
async def test_f39_tags_removed_from_the_machine_are_shown(begin: Any):
    world = await begin()
    vm = machine(world)
    tags = dict(vm.plan.tags)
    vm.plan = replace(vm.plan, tags={"team": "physics"})
    await sweeps(world, 2)
    assert "The tags of this service were removed from" in shown(world, "Drifted")
    assert "virtual machine" in shown(world, "Drifted")
    vm.plan = replace(vm.plan, tags=tags)
    await sweeps(world)
    assert conditions(world) == []


async def test_f39_a_size_changed_in_the_portal_while_the_machine_runs_is_shown_and_its_price_follows():
    world = await ready()
    world.cloud.prices["Standard_D4s_v3", False] = 0.192
    vm = machine(world)
    vm.plan = replace(vm.plan, size="Standard_D4s_v3")
    since = world.clock.now()
    await run_to(world, world.clock.now() + 61 * MINUTE)
    assert world.hub.size == "Standard_D4s_v3"
    assert world.hub.price is not None
    assert world.hub.price.vm == 0.192
    assert "Standard_D4s_v3 instead of Standard_D2s_v3" in shown(world, "Drifted")
    assert len(told(world, "capacity-changed")) == 1
    assert power_writes(world, since) == []
    await run_to(world, world.clock.now() + 3 * HOUR)
    assert "Standard_D4s_v3 instead of Standard_D2s_v3" in shown(world, "Drifted")
    vm.plan = replace(vm.plan, size="Standard_D2s_v3")
    await run_to(world, world.clock.now() + 61 * MINUTE)
    assert world.hub.size == "Standard_D2s_v3"
    assert world.hub.price.vm == 0.096
    assert conditions(world) == []


async def test_f39_a_size_that_only_the_list_shows_is_not_believed():
    world = await ready()
    listed = await world.app.compute.sizes()

    async def sizes() -> Any:
        return [replace(one, size="Standard_D64s_v3") for one in listed]

    replace_port(world, "compute", sizes=sizes)
    before = world.hub
    await run_to(world, world.clock.now() + 3 * HOUR)
    assert world.hub == before


async def test_f39_without_the_list_of_sizes_the_audit_does_the_rest():
    world = await ready()
    world.cloud.fail_read("sizes_list", RetryableError("AzureUnreachable", "No answer."), times=3)
    lose(world, "disk")
    world.timers[1].next_at += DAY
    await run_to(world, world.clock.now() + 61 * MINUTE)
    assert state(world) is HubState.READY


async def test_f39_a_lock_on_the_group_makes_the_deletion_a_daily_try_and_its_owner_is_told_once(
    caplog: pytest.LogCaptureFixture,
):
    world = await ready()
    world.cloud.fail_begin("group_delete", FatalError("ScopeLocked", "A lock forbids this.", fix="Remove it."), times=3)
    since = world.clock.now()
    await world.delete(world.hub)
    await run_to(world, since + timedelta(days=2, hours=12))
    tries = [call.at for call in world.cloud.writes if call.verb == "group_delete"]
    assert len(tries) == 3
    assert [later - earlier > timedelta(hours=23) for earlier, later in pairwise(tries)] == [True, True]
    assert state(world) is HubState.DELETING
    assert "A lock forbids this. Remove it." in shown(world, "ActionNeeded")
    assert len(told(world, "action-needed")) == 1
    assert alerts(caplog) == ["DeletionStuck"]
    await world.run_until_gone(limit_s=26 * 3600)
    assert world.cloud.groups == {}


async def test_f39_a_lock_on_a_machine_that_must_be_turned_off_is_tried_every_hour():
    """It bills meanwhile."""
    world = await ready()
    world.cloud.fail_begin("deallocate", FatalError("ScopeLocked", "A lock forbids this."), times=3)
    since = world.clock.now()
    await world.stop()
    await run_to(world, since + 4 * HOUR)
    assert state(world) is HubState.STOPPED
    assert len(told(world, "action-needed")) == 1
    assert conditions(world) == []


async def test_f39_a_hub_that_changed_a_minute_ago_is_left_to_the_next_sweep():
    """The list may be older than what was just done."""
    world = World(start=MONDAY)
    hub = seed_ready(world, "demo")
    world.cloud.groups[hub.group_name].nsgs.clear()
    await sweep(world.app)
    world.clock.advance(EVERY)
    world.storage.hubs.seed(replace(present(world, hub), state_since=world.clock.now() - MINUTE))
    await sweep(world.app)
    assert conditions(world) == []
    world.clock.advance(EVERY)
    await sweep(world.app)
    assert conditions(world) == ["Drifted"]


async def test_f39_what_was_changed_in_hundreds_of_hubs_at_once_stays_within_the_reads_of_a_sweep():
    world = World(start=MONDAY, through_json=False)
    hubs = [seed_ready(world, f"h{number}") for number in range(300)]
    for hub in hubs:
        world.cloud.groups[hub.group_name].nsgs.clear()
    for _ in range(4):
        before = len(world.cloud.reads)
        await sweep(world.app)
        assert len(world.cloud.reads) - before <= 60
        world.clock.advance(EVERY)
    drifted = [hub for hub in hubs if present(world, hub).conditions]
    assert len(drifted) == 3 * 20  # the first sweep believes nothing; each of the others looks at twenty


# ------------------------------------------------------------------ F41


@pytest.mark.parametrize("code", ["NicInUse", "InUseSubnetCannotBeDeleted", "ResourceGroupDeletionBlocked"])
async def test_f41_a_group_azure_cannot_delete_yet_is_asked_again_until_nothing_is_listed(code: str):
    world = await ready()
    world.cloud.fail_poll("group_delete", RetryableError(code, "Something still uses it."), times=3)
    await world.delete(world.hub)
    await world.run(lambda: world.cloud.count("group_delete") == 3, limit_s=3600)
    assert state(world) is HubState.DELETING
    await world.run_until_gone(limit_s=3600)
    assert world.cloud.groups == {}
    assert world.cloud.count("group_delete") == 4


async def test_f41_a_hub_is_not_deleted_while_anything_of_it_is_listed():
    """A disk that a deletion left in another group, as Azure Backup keeps its copies."""
    world = await ready()
    hub = world.hub
    theirs = plant_group(world, "backups", {"team": "physics"})
    tags = {HUB: hub.id, DEPLOYMENT: world.storage.identity.deployment_id}
    plant_loose(world, theirs, "Microsoft.Compute/disks", tags=tags)
    await world.delete(hub)
    await run_to(world, world.clock.now() + HOUR)
    assert state(world) is HubState.DELETING
    theirs.loose.clear()
    await world.run_until_gone(limit_s=3600)
    assert set(world.cloud.groups) == {"backups"}


# ------------------------------------------------------------------ how long a state may last


def test_every_state_that_passes_has_a_bound():
    """The creating ones by their steps, which begin with the first visit."""
    bounded = STATE_LIMITS.keys() | (CREATING - {HubState.ACCEPTED})
    assert bounded == set(HubState) - STABLE
    assert all(limit.because for limit in STATE_LIMITS.values())


async def test_a_stop_that_lasts_too_long_is_shown_told_and_alerted_once_and_tried_on(
    caplog: pytest.LogCaptureFixture,
):
    world = await ready()
    since = world.clock.now()
    world.cloud.fail_begin("deallocate", RetryableError("InternalExecutionError", "Odd."), times=70)
    await world.stop()
    await run_to(world, since + timedelta(minutes=55))
    assert conditions(world) == []
    await run_to(world, since + timedelta(minutes=85))
    assert state(world) is HubState.STOPPING
    assert conditions(world) == ["StopStuck"]
    assert "Odd." in shown(world, "StopStuck")
    await world.run_to_rest(HubState.STOPPED, limit_s=24 * 3600)
    assert conditions(world) == []
    assert len(told(world, "stop-stuck")) == 1
    assert alerts(caplog) == ["StopStuck"]
    assert len([line for line in world.said("condition") if "StopStuck" in line]) == 2


async def test_a_stop_that_lasts_too_long_and_is_called_off_is_forgotten():
    world = await ready()
    since = world.clock.now()
    world.cloud.fail_begin("deallocate", RetryableError("InternalExecutionError", "Odd."), times=400)
    await world.stop()
    await run_to(world, since + 2 * HOUR)
    assert conditions(world) == ["StopStuck"]
    await world.start()
    await world.run_to_rest(HubState.READY)
    assert conditions(world) == []


async def test_a_deletion_that_lasts_too_long_is_shown_told_and_alerted_once_and_tried_on(
    caplog: pytest.LogCaptureFixture,
):
    world = await ready()
    since = world.clock.now()
    world.cloud.fail_poll("group_delete", RetryableError("ResourceGroupDeletionBlocked", "In use."), times=40)
    await world.delete(world.hub)
    await run_to(world, since + timedelta(minutes=115))
    assert conditions(world) == []
    await run_to(world, since + timedelta(minutes=150))
    assert conditions(world) == ["DeletionStuck"]
    assert world.hub.goal is Goal.DELETED
    await world.run_until_gone(limit_s=24 * 3600)
    assert len(told(world, "deletion-stuck")) == 1
    assert alerts(caplog) == ["DeletionStuck"]


async def test_a_failed_hub_that_bills_on_is_shown(caplog: pytest.LogCaptureFixture):
    world = World(start=MONDAY)
    world.cloud.fail_poll("vm", FatalError("RequestDisallowedByPolicy", "Not here."), power="running")
    world.cloud.fail_begin("deallocate", RetryableError("Odd", "No."), times=10_000)
    await world.create("demo")
    await world.run_to_rest(HubState.FAILED)
    await run_to(world, world.clock.now() + 2 * HOUR)
    assert "StopStuck" in conditions(world)
    assert alerts(caplog) == ["RequestDisallowedByPolicy", "StopStuck"]


async def test_a_hub_that_nobody_begins_is_alerted(caplog: pytest.LogCaptureFixture):
    world = World(start=MONDAY)
    await world.create("demo")

    async def put(entry: Any) -> None:
        raise RetryableError("StorageUnavailable", "no")

    replace_port(world, "index", put=put)
    await run_to(world, MONDAY + timedelta(minutes=70))
    assert state(world) is HubState.ACCEPTED
    assert "HubsNotBegun" in alerts(caplog)


async def test_machines_of_hubs_in_order_are_left_alone_by_all_this():
    world = await ready()
    before = world.hub
    (seen,) = await world.app.compute.powers()
    assert seen == VmPower(group=before.group_name, name=before.vm_name, power="running")
    await run_to(world, world.clock.now() + 6 * HOUR)
    assert world.hub == before
