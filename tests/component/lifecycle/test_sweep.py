"""The sweep: what was done in Azure behind our back, both ways; machines that are gone; lists that lag; its cost."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from shared.errors import FatalError, RetryableError, UserError
from shared.hubs import steer
from shared.hubs.model import Hub
from shared.hubs.ports import IndexEntry, VmPower
from shared.hubs.states import Goal, HubState
from shared.hubs.sweep import LOOKS, sweep
from tests.component.lifecycle.days import (
    HOUR,
    MINUTE,
    a_ready_world,
    conditions,
    moves,
    power,
    power_writes,
    present,
    replace_port,
    resting,
    run_to,
    state,
    told,
    utc,
    wake,
)
from tests.support.builders import a_ready_hub, a_schedule, a_spec, some_settings
from tests.support.standing import plant_vm, seed, seed_ready, seed_stopped
from tests.support.world import World

MONDAY = utc("2026-03-02 08:00")


async def ready(**spec: Any) -> World:
    """A hub that is ready since more than an hour."""
    world = await a_ready_world(MONDAY, **spec)
    await run_to(world, "2026-03-02 10:00")
    return world


async def stopped(**spec: Any) -> World:
    world = await ready(**spec)
    await world.stop()
    await world.run_to_rest(HubState.STOPPED)
    await run_to(world, world.clock.now() + 30 * MINUTE)
    return world


def in_the_portal(world: World, power_state: str) -> datetime:
    """Somebody changed the power of the only machine there; returns when."""
    world.cloud.set_power(world.hub.group_name, world.hub.vm_name, power_state)
    return world.clock.now()


def deleted_in_the_portal(world: World) -> datetime:
    world.cloud.lose_vm(world.hub.group_name, world.hub.vm_name)
    return world.clock.now()


async def sweeps(world: World, count: int = 1) -> None:
    """So many sweeps, and a minute for what they begin."""
    for _ in range(count):
        await run_to(world, world.timers[1].next_at + MINUTE)


# ------------------------------------------------------------------ turned off


async def test_a_machine_deallocated_in_the_portal_is_a_stop_that_was_meant():
    world = await ready(schedule=a_schedule())
    since = in_the_portal(world, "deallocated")
    await sweeps(world)
    assert [move.split()[-1] for move in moves(world, since)] == ["stopping", "stopped"]
    assert power_writes(world, since) == []
    assert world.hub.goal is Goal.STOPPED
    assert world.hub.meter.billing == "stopped"
    assert len(told(world, "stopped")) == 1
    history = world.storage.hubs.history[world.hub.owner, world.hub.id].values()
    (found,) = [event for event in history if event.to_state == "stopping"]
    assert "deallocated" in found.message
    assert found.actor == "azure"
    await run_to(world, "2026-03-03 08:00")
    assert resting(world, since)[1:] == ["03 07:30 ready"]


@pytest.mark.parametrize("seen", ["stopped", "stopping"])
async def test_a_machine_that_is_off_but_still_billed_is_deallocated(seen: str):
    """Power off in the portal without deallocation, or a shutdown from inside of the machine."""
    world = await ready()
    since = in_the_portal(world, seen)
    await world.run(lambda: bool(power_writes(world, since)), limit_s=600)
    if seen == "stopping":
        in_the_portal(world, "stopped")
    await sweeps(world)
    assert state(world) is HubState.STOPPED
    assert power(world) == "deallocated"
    assert power_writes(world, since) == ["deallocate"]


async def test_a_machine_that_azure_is_deallocating_is_waited_for():
    world = await ready()
    since = in_the_portal(world, "deallocating")
    await sweeps(world)
    assert state(world) is HubState.STOPPING
    in_the_portal(world, "deallocated")
    await sweeps(world)
    assert state(world) is HubState.STOPPED
    assert power_writes(world, since) == []


async def test_people_who_warm_the_machine_up_again_in_the_portal_find_their_hub_running():
    world = await ready()
    in_the_portal(world, "deallocated")
    await sweeps(world)
    assert state(world) is HubState.STOPPED
    since = in_the_portal(world, "running")
    await sweeps(world)
    assert state(world) is HubState.READY
    assert power_writes(world, since) == []


async def test_a_restart_in_the_portal_is_nobodys_business():
    world = await ready()
    since = in_the_portal(world, "starting")
    await sweeps(world)
    in_the_portal(world, "running")
    await sweeps(world)
    assert moves(world, since) == []


# ------------------------------------------------------------------ turned on


async def test_a_machine_started_in_the_portal_is_adopted_and_checked():
    world = await stopped(schedule=a_schedule())
    asked = len(world.hub_http.calls)
    since = in_the_portal(world, "running")
    await sweeps(world)
    assert [move.split()[-1] for move in moves(world, since)] == ["starting", "ready"]
    assert world.hub_http.calls[asked:] == ["api_version"]
    assert power_writes(world, since) == []
    assert world.hub.meter.billing == "running"
    assert len(told(world, "started", since)) == 1
    await run_to(world, "2026-03-02 18:05")
    assert resting(world)[-1] == "02 18:00 stopping"


async def test_a_machine_started_in_the_portal_after_the_end_date_is_deallocated_again():
    world = await ready(expires_at=utc("2026-03-02 12:00"))
    await run_to(world, "2026-03-02 13:00")
    assert state(world) is HubState.STOPPED
    since = in_the_portal(world, "running")
    await sweeps(world, 2)
    assert state(world) is HubState.STOPPED
    assert power(world) == "deallocated"
    assert power_writes(world, since) == ["deallocate"]
    assert told(world, "started") == []


async def test_a_machine_started_in_the_portal_over_budget_is_deallocated_again():
    settings = some_settings(HUBLET_MONTHLY_BUDGET="0.10")
    world = await a_ready_world(MONDAY, world=World(settings=settings, start=MONDAY))
    await run_to(world, "2026-03-02 11:00")
    await world.stop()
    await run_to(world, "2026-03-02 12:00")
    since = in_the_portal(world, "running")
    await sweeps(world, 2)
    assert state(world) is HubState.STOPPED
    assert power(world) == "deallocated"
    assert power_writes(world, since) == ["deallocate"]


async def test_a_machine_that_bills_against_our_will_is_on_the_meter():
    world = await ready(expires_at=utc("2026-03-02 12:00"))
    await run_to(world, "2026-03-02 13:00")
    world.cloud.fail_begin("deallocate", RetryableError("Odd", "Not now."), times=30)
    in_the_portal(world, "running")
    await sweeps(world)
    assert state(world) is HubState.STOPPING
    assert world.hub.meter.billing == "running"
    await run_to(world, "2026-03-02 16:00")
    assert world.hub.meter.billing == "stopped"


async def test_a_machine_started_in_the_portal_and_shut_down_from_inside_is_deallocated():
    world = await stopped()
    since = in_the_portal(world, "stopped")
    await sweeps(world, 2)
    assert state(world) is HubState.STOPPED
    assert power(world) == "deallocated"
    assert power_writes(world, since) == ["deallocate"]


async def test_the_machine_of_a_failed_hub_that_was_started_in_the_portal_is_deallocated():
    world = World(start=MONDAY)
    world.cloud.fail_poll("vm", FatalError("RequestDisallowedByPolicy", "No."), power="running")
    await world.create("demo")
    await world.run_to_rest(HubState.FAILED)
    await run_to(world, "2026-03-02 10:00")
    assert power(world) == "deallocated"
    since = in_the_portal(world, "running")
    await sweeps(world, 2)
    assert state(world) is HubState.FAILED
    assert power(world) == "deallocated"
    assert power_writes(world, since) == ["deallocate"]
    assert world.hub.meter.billing == "stopped"


async def test_a_hub_whose_budget_cannot_be_read_is_left_for_the_next_sweep():
    settings = some_settings(HUBLET_MONTHLY_BUDGET="100")
    world = await a_ready_world(MONDAY, world=World(settings=settings, start=MONDAY))
    await world.stop()
    await run_to(world, "2026-03-02 10:02")
    in_the_portal(world, "running")
    world.storage.tape.fail("hubs.admission", RetryableError("StorageUnavailable", "no"))
    await run_to(world, "2026-03-02 10:09")
    assert state(world) is HubState.STOPPED
    await sweeps(world)
    assert state(world) is HubState.READY


# ------------------------------------------------------------------ resized


async def test_a_machine_that_was_resized_and_started_in_the_portal_has_its_new_size_and_price():
    world = await stopped()
    world.cloud.prices["Standard_D4s_v3", False] = 0.192
    vm = world.cloud.vm(world.hub.group_name, world.hub.vm_name)
    vm.plan = replace(vm.plan, size="Standard_D4s_v3")
    in_the_portal(world, "running")
    await sweeps(world)
    assert state(world) is HubState.READY
    assert world.hub.size == "Standard_D4s_v3"
    assert world.hub.price is not None
    assert world.hub.price.vm == 0.192
    assert len(told(world, "capacity-changed")) == 1


# ------------------------------------------------------------------ gone


@pytest.mark.parametrize("begin", [ready, stopped])
async def test_a_machine_deleted_in_the_portal_is_shown_and_not_made_again(begin):
    world = await begin(schedule=a_schedule())
    since = deleted_in_the_portal(world)
    await sweeps(world)
    assert conditions(world) == []  # seen once only
    await sweeps(world)
    assert "Drifted" in conditions(world)
    assert state(world) is HubState.STOPPED
    assert world.hub.machine.missing_since is not None
    assert world.hub.meter.billing == "nothing"
    await run_to(world, "2026-03-04 12:00")
    assert state(world) is HubState.STOPPED
    assert world.cloud.vms() == []
    assert world.cloud.count("vm") == 1
    assert power_writes(world, since) == []
    with pytest.raises(UserError) as refusal:
        await world.start()
    assert refusal.value.code == "MachineGone"


async def test_the_hub_of_a_deleted_machine_can_be_deleted():
    world = await ready()
    deleted_in_the_portal(world)
    await sweeps(world, 2)
    await world.delete(world.hub)
    await world.run_until_gone(limit_s=3600)
    assert world.cloud.groups == {}


async def test_after_a_machine_was_found_missing_nothing_more_is_written_about_it():
    """The row's ETag is a client's If-Match: it must not change every five minutes."""
    world = await ready()
    deleted_in_the_portal(world)
    await sweeps(world, 3)
    before = world.hub
    assert [condition.type for condition in before.conditions] == ["Drifted"]
    await run_to(world, "2026-03-03 12:00")
    assert world.hub.etag == before.etag
    assert len(told(world, "stopped")) == 1


@pytest.mark.parametrize("begin", [ready, stopped])
async def test_a_machine_that_was_not_to_be_found_once_and_is_back_is_as_before(begin):
    world = await begin(schedule=a_schedule())
    there = world.cloud.groups[world.hub.group_name.lower()].vms
    vm = there.pop(world.hub.vm_name.lower())
    await sweeps(world)
    there[world.hub.vm_name.lower()] = vm
    await sweeps(world, 3)
    assert conditions(world) == []
    await run_to(world, "2026-03-03 08:00")
    assert resting(world)[-1] == "03 07:30 ready"
    await world.stop()
    await run_to(world, "2026-03-03 09:00")
    await world.start()
    await world.run_to_rest(HubState.READY)


async def test_two_short_absences_far_apart_do_not_add_up():
    world = await ready()
    there = world.cloud.groups[world.hub.group_name.lower()].vms
    for _ in range(3):
        vm = there.pop(world.hub.vm_name.lower())
        await sweeps(world)
        there[world.hub.vm_name.lower()] = vm
        await sweeps(world, 6)
    assert state(world) is HubState.READY
    assert conditions(world) == []


async def test_a_machine_that_comes_back_after_it_was_shown_as_gone_can_be_used_again():
    """Restored from a backup under its name, deallocated."""
    world = await ready(schedule=a_schedule())
    there = world.cloud.groups[world.hub.group_name.lower()].vms
    vm = there[world.hub.vm_name.lower()]
    deleted_in_the_portal(world)
    await sweeps(world, 3)
    assert conditions(world) == ["Drifted"]
    vm.power = vm.next_power = "deallocated"
    there[world.hub.vm_name.lower()] = vm
    await run_to(world, world.clock.now() + 70 * MINUTE)
    assert conditions(world) == []
    assert world.hub.meter.billing == "stopped"
    await run_to(world, "2026-03-03 08:00")
    assert resting(world)[-1] == "03 07:30 ready"


async def test_a_machine_that_comes_back_running_is_adopted():
    world = await ready()
    there = world.cloud.groups[world.hub.group_name.lower()].vms
    vm = there[world.hub.vm_name.lower()]
    deleted_in_the_portal(world)
    await sweeps(world, 3)
    there[world.hub.vm_name.lower()] = vm
    await sweeps(world)
    assert state(world) is HubState.READY
    assert conditions(world) == []
    assert world.hub.machine.missing_since is None
    assert world.hub.meter.billing == "running"


async def test_a_machine_that_a_stop_did_not_find_and_that_is_there_bills_again():
    world = await ready()
    there = world.cloud.groups[world.hub.group_name.lower()].vms
    vm = there.pop(world.hub.vm_name.lower())
    await world.stop()
    await world.run_to_rest(HubState.STOPPED, limit_s=600)
    assert world.hub.meter.billing == "nothing"
    vm.power = vm.next_power = "deallocated"
    there[world.hub.vm_name.lower()] = vm
    await run_to(world, world.clock.now() + HOUR)
    assert world.hub.meter.billing == "stopped"
    assert conditions(world) == []


async def test_a_machine_that_only_the_list_lacks_is_there():
    world = await ready()

    async def powers() -> Sequence[VmPower]:
        return []

    replace_port(world, "compute", powers=powers)
    await sweeps(world, 6)
    assert state(world) is HubState.READY
    assert world.hub.machine.missing_since is None
    assert conditions(world) == []


# ------------------------------------------------------------------ lists that lag


async def test_a_hub_that_changed_a_minute_ago_is_not_judged():
    """Everything Azure shows is as it was before the stop, for some minutes."""
    world = await ready()
    list_all, get = world.app.compute.powers, world.app.compute.vm
    old: list[Any] = [await list_all(), await get(world.hub.group_name, world.hub.vm_name, with_power=True)]
    await world.stop()
    await world.run_to_rest(HubState.STOPPED)
    stopped_at = world.clock.now()

    async def powers() -> Sequence[VmPower]:
        return old[0] if world.clock.now() - stopped_at < 2.5 * MINUTE else await list_all()

    async def vm(*args: Any, **kwargs: Any) -> Any:
        return old[1] if world.clock.now() - stopped_at < 2.5 * MINUTE else await get(*args, **kwargs)

    replace_port(world, "compute", powers=powers, vm=vm)
    for _ in range(12):
        await sweep(world.app)
        world.clock.advance(30)
    assert state(world) is HubState.STOPPED
    assert power_writes(world, stopped_at) == []


async def test_an_old_list_alone_never_changes_a_hub():
    world = await stopped()
    (shown,) = await world.app.compute.powers()

    async def powers() -> Sequence[VmPower]:
        return [replace(shown, power="running")]

    replace_port(world, "compute", powers=powers)
    before = world.hub
    await sweeps(world, 6)
    assert world.hub == before


async def test_a_machine_without_a_power_state_is_not_judged():
    world = await ready()
    world.cloud.vms()[0].power = world.cloud.vms()[0].next_power = None
    before = world.hub
    await sweeps(world, 3)
    assert world.hub == before


async def test_a_hub_that_is_being_changed_is_not_judged():
    world = World(start=MONDAY)
    for name, its in (("a", HubState.STOPPING), ("b", HubState.STARTING), ("c", HubState.VERIFYING)):
        seed(world, a_ready_hub(name=name, state=its, next_look_at=MONDAY + HOUR), "stopped")
    before = dict(world.storage.hubs.hubs)
    swept = await sweep(world.app)
    assert swept.suspects == 0
    assert world.storage.hubs.hubs == before
    assert world.storage.queue.waiting == []


# ------------------------------------------------------------------ other people's machines


async def test_other_peoples_machines_are_ignored():
    world = World(start=MONDAY)
    hub = seed_ready(world, "mine")
    for group, name in (
        ("theirs", "db-vm"),
        ("theirs", "unknown-zzzzzz-a1-vm"),
        ("hublet-x-a1", "x-a1-vm"),
        ("t", "-a1-vm"),
    ):
        plant_vm(world, hub, "stopped", group_name=group, name=name)
    swept = await sweep(world.app)
    assert (swept.hubs, swept.suspects) == (1, 0)
    assert world.cloud.writes == []


@pytest.mark.parametrize("name", ["{hub}-a1-vm", "{hub}-a7-vm", "{HUB}-A1-VM"])
@pytest.mark.parametrize(("ours", "copy"), [("running", "deallocated"), ("stopped", "running")])
async def test_a_copy_of_a_machine_in_another_group_says_nothing_about_the_hub(name: str, ours: str, copy: str):
    world = World(start=MONDAY)
    hub = seed_ready(world, "mine", ours)
    copied = name.format(hub=hub.id, HUB=hub.id.upper())
    for group in ("a-restored", "z-restored"):
        plant_vm(world, hub, copy, group_name=group, name=copied)
    swept = await sweep(world.app)
    assert swept.suspects == (0 if ours == "running" else 1)
    assert present(world, hub).state is (HubState.READY if ours == "running" else HubState.STOPPING)


async def test_names_are_compared_without_their_case():
    world = World(start=MONDAY)
    hub = seed_ready(world, "mine", None)
    plant_vm(world, hub, "running", group_name=hub.group_name.upper(), name=hub.vm_name.upper())
    assert (await sweep(world.app)).suspects == 0


# ------------------------------------------------------------------ trouble


async def test_azure_out_of_reach_costs_a_run_and_nothing_else():
    world = World(start=MONDAY)
    hubs = [seed_ready(world, f"h{number}", "deallocated") for number in range(3)]
    world.cloud.fail_read("powers", RetryableError("AzureUnreachable", "No answer."))
    before = dict(world.storage.hubs.hubs)
    with pytest.raises(RetryableError):
        await sweep(world.app)
    assert world.storage.hubs.hubs == before
    await sweep(world.app)
    assert {present(world, hub).state for hub in hubs} == {HubState.STOPPING}


async def test_hubs_nobody_drives_are_driven_although_azure_is_out_of_reach():
    world = World(start=MONDAY)
    seed(world, a_ready_hub(name="late", state=HubState.STARTING, next_look_at=MONDAY - 6 * MINUTE), "running")
    world.cloud.fail_read("powers", RetryableError("AzureUnreachable", "No answer."))
    with pytest.raises(RetryableError):
        await sweep(world.app)
    assert len(world.storage.queue.waiting) == 1


@pytest.mark.parametrize(
    "error",
    [
        RetryableError("AzureUnreachable", "No answer."),
        UserError("AuthorizationFailed", "May not."),
        FatalError("Odd", "No."),
        ValueError("a bug"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_trouble_with_one_hub_does_not_stop_the_others(error: Exception):
    world = World(start=MONDAY)
    hubs = [seed_ready(world, f"h{number}", "deallocated") for number in range(3)]
    get = world.app.compute.vm

    async def vm(group: str, name: str, **kwargs: Any) -> Any:
        if name == hubs[0].vm_name:
            raise error
        return await get(group, name, **kwargs)

    replace_port(world, "compute", vm=vm)
    await sweep(world.app)
    assert [present(world, hub).state for hub in hubs] == [HubState.READY, HubState.STOPPING, HubState.STOPPING]


async def test_a_hub_that_cannot_be_read_does_not_stop_the_others():
    world = World(start=MONDAY)
    first, second = (seed_ready(world, name, "deallocated") for name in ("a", "b"))
    world.storage.hubs.unreadable[first.owner, first.name] = "RowTooNew"
    await sweep(world.app)
    assert present(world, second).state is HubState.STOPPING


async def test_hubs_that_stay_suspicious_do_not_keep_others_from_being_looked_at():
    """A sweep looks at a limited number of hubs: it must not always be the same ones."""
    world = World(start=MONDAY)
    for number in range(3 * LOOKS):
        hub = seed_ready(world, f"a{number:03}", "deallocated")
        world.storage.hubs.unreadable[hub.owner, hub.name] = "RowTooNew"
    last = seed_ready(world, "z", "deallocated")
    for _ in range(8):
        await sweep(world.app)
        world.clock.advance(300)
    assert present(world, last).state is HubState.STOPPING


async def test_a_hub_that_changes_while_it_is_looked_at_is_left_alone():
    world = World(start=MONDAY)
    hub = seed_ready(world, "h", "deallocated")
    get = world.app.compute.vm

    async def vm(*args: Any, **kwargs: Any) -> Any:
        fresh = present(world, hub)
        await steer.stop_hub(world.app, fresh, world.asking())
        return await get(*args, **kwargs)

    replace_port(world, "compute", vm=vm)
    swept = await sweep(world.app)
    assert swept.suspects == 1
    assert present(world, hub).life.stop_why == "asked for"
    assert present(world, hub).generation == 2


# ------------------------------------------------------------------ hubs nobody drives, the index


async def test_a_hub_that_is_overdue_is_put_on_the_queue_again():
    world = World(start=MONDAY)
    for name, late in (("on-time", 4), ("late", 6), ("very-late", 600)):
        seed(world, a_ready_hub(name=name, state=HubState.STARTING, next_look_at=MONDAY - late * MINUTE), "running")
    swept = await sweep(world.app)
    assert swept.driven == 2
    assert sorted(getattr(queued.message, "name", "") for queued in world.storage.queue.waiting) == [
        "late",
        "very-late",
    ]
    assert sorted(row.name for row in world.storage.due.rows.values()) == ["late", "very-late"]


async def test_an_index_entry_that_is_behind_is_put_right_and_the_hub_judged_by_the_next_sweep():
    world = World(start=MONDAY)
    hub = seed_stopped(world, "h", "running")
    world.storage.index.entries[hub.id] = IndexEntry(hub_id=hub.id, owner=hub.owner, name=hub.name, state="ready")
    plant_vm(world, hub, "stopped")
    await sweep(world.app)
    assert world.storage.index.entries[hub.id].state == "stopped"
    assert present(world, hub).state is HubState.STOPPED
    await sweep(world.app)
    assert present(world, hub).state is HubState.STOPPING


async def test_entries_of_hubs_that_are_gone_are_nobodys_business():
    world = World(start=MONDAY)
    for number, its in enumerate(("deleted", "ready", "stopping", "a state of a newer version")):
        hub_id = f"gone{number}-ab2cd3"
        world.storage.index.entries[hub_id] = IndexEntry(hub_id=hub_id, owner="o", name=f"gone{number}", state=its)
    swept = await sweep(world.app)
    assert swept.driven == 0
    assert world.cloud.writes == []


# ------------------------------------------------------------------ cost (P6)


def lists(world: World) -> Counter[str]:
    """Reads of Azure by verb."""
    return Counter(call.verb for call in world.cloud.reads)


@pytest.mark.parametrize(("hubs", "powers", "tagged"), [(100, 1, 2), (1_000, 1, 7), (1_100, 2, 9)])
async def test_a_sweep_of_hubs_that_are_as_they_should_be_reads_lists_and_nothing_else(
    hubs: int, powers: int, tagged: int
):
    """A page of each: 1,000 machines; 1,000 groups; 1,000 of the six things a hub has."""
    world = World(start=MONDAY, through_json=False)
    for number in range(hubs):
        seed_ready(world, f"h{number}")
    swept = await sweep(world.app)
    assert (swept.hubs, swept.suspects) == (hubs, 0)
    assert lists(world) == {"powers": powers, "tagged": tagged}
    assert world.cloud.writes == []
    assert world.storage.tape.writes == []


async def test_a_sweep_never_takes_more_than_twelve_reads_a_minute():
    world = World(start=MONDAY, through_json=False)
    for number in range(1_000):
        seed_ready(world, f"h{number}", "deallocated" if number % 3 == 0 else "running")
    await sweep(world.app)
    assert len(world.cloud.reads) <= 12 * 5


async def test_what_many_people_did_at_once_is_found_within_a_few_sweeps():
    world = World(start=MONDAY, through_json=False)
    for number in range(100):
        seed_ready(world, f"h{number}", "deallocated")
    world.clock.advance(5)
    for _ in range(4):
        await run_to(world, world.clock.now() + 5 * MINUTE)
    assert {hub.state for hub in world.storage.hubs.hubs.values()} == {HubState.STOPPED}


async def test_an_hour_of_running_hubs_is_an_hour_of_lists():
    world = World(start=MONDAY, through_json=False)
    hubs: list[Hub] = [seed_ready(world, f"h{number}", spec=a_spec(idle_minutes=60)) for number in range(60)]
    world.people.start_server("ada")
    await wake(world, *hubs[:20])
    await run_to(world, MONDAY + HOUR)
    assert {hub.state for hub in world.storage.hubs.hubs.values()} == {HubState.READY}
    assert lists(world) == {"powers": 12, "tagged": 24, "sizes_list": 1}
    assert world.cloud.writes == []
