"""What a second pair of eyes asked of the lifecycle: late writes, lagging lists, stale poison, unreadable rows."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.errors import FatalError, RetryableError
from shared.hubs.dispatch import due_after, work_message
from shared.hubs.lifecycle import advance
from shared.hubs.model import StepName
from shared.hubs.ports import ResourceRef
from shared.hubs.states import HubState
from shared.hubs.versions import DEFERRED_S
from shared.steps import STEPS
from tests.support.builders import a_hub, some_settings
from tests.support.world import World


class Instead:
    """A port with some of its methods replaced."""

    def __init__(self, port: Any, **methods: Any) -> None:
        self._port = port
        self.__dict__.update(methods)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)


def replace_port(world: World, name: str, **methods: Any) -> None:
    object.__setattr__(world.app, name, Instead(getattr(world.app, name), **methods))


# ---- deleting


async def test_f40_a_group_whose_put_is_late_is_deleted_with_its_hub():
    """A worker of the older generation saved its intention, was overtaken by a delete, and its PUT arrives late."""
    world = World()
    put, late = world.app.groups.put, []

    async def put_that_is_overtaken(*args: Any) -> None:
        await world.delete(world.storage.hubs.only_hub())
        late.append((world.clock.now() + timedelta(seconds=25), args))
        raise RetryableError("AzureUnreachable", "No answer in time.")

    replace_port(world, "groups", put=put_that_is_overtaken)
    await world.create("demo")
    await world.run(lambda: bool(late), limit_s=60)
    (at, args), *_ = late
    await world.run(lambda: world.clock.now() >= at, limit_s=60)
    await put(*args)
    await world.run_until_gone(limit_s=3600)
    assert not world.storage.hubs.hubs
    assert world.cloud.groups == {}


async def test_a_delete_ends_the_attempt_that_was_under_way():
    world = World()
    hub = await world.create("demo")
    await world.run(lambda: bool(world.storage.hubs.only_hub().attempts), limit_s=600)
    deleted = await world.delete(hub)
    assert [(attempt.outcome, attempt.ended_at is not None) for attempt in deleted.attempts] == [("canceled", True)]


async def test_a_delete_before_azure_was_asked_for_anything_does_not_wait():
    world = World()
    hub = await world.create("demo")
    await world.delete(hub)
    await world.run_until_gone(limit_s=10)
    assert not world.storage.hubs.hubs


async def test_a_listed_resource_without_tags_holds_the_burial_up():
    """A list filtered by tag comes without the tags: what it names is still there all the same."""
    world = World()
    created = await world.create("demo")
    await world.run_to_rest()
    left = [ResourceRef(id="/subscriptions/s/resourceGroups/g/providers/x/y/z", type="x/y", tags={})]

    async def tagged(tag: str, value: str) -> list[ResourceRef]:
        return left

    replace_port(world, "groups", tagged=tagged)
    await world.delete(created)
    await world.run(lambda: False, limit_s=1800)
    assert world.storage.hubs.only_hub().state is HubState.DELETING
    left.clear()
    await world.run_until_gone(limit_s=120)
    assert not world.storage.hubs.hubs


# ---- failed hubs


async def test_a_failed_hub_that_cannot_be_deallocated_is_removed_all_the_same():
    world = World()
    world.cloud.fail_poll("vm", FatalError("RequestDisallowedByPolicy", "No."), power="running")
    world.cloud.fail_begin("deallocate", RetryableError("Odd", "No."), times=10_000)
    await world.create("demo")
    await world.run_to_rest(HubState.FAILED)
    await world.run_until_gone(limit_s=26 * 3600)
    assert not world.storage.hubs.hubs
    assert world.cloud.groups == {}
    assert world.cloud.count("deallocate") < 300


async def test_a_machine_that_never_got_hardware_counts_as_not_billed_after_one_deallocation():
    world = World()
    world.cloud.fail_poll("vm", FatalError("AllocationFailed", "No room."), power=None)
    view, asked = world.app.compute.vm, []

    async def never_a_power_state(*args: Any, **kwargs: Any) -> Any:
        found = await view(*args, **kwargs)
        return found and replace(found, power=None, provisioning="failed")

    begin = world.app.compute.begin_deallocate

    async def begin_deallocate(*args: Any) -> Any:
        asked.append(args)
        return await begin(*args)

    replace_port(world, "compute", vm=never_a_power_state, begin_deallocate=begin_deallocate)
    await world.create("demo")
    await world.run_to_rest(HubState.FAILED)
    await world.run(lambda: world.storage.hubs.only_hub().deallocated_at is not None, limit_s=600)
    assert world.storage.hubs.only_hub().deallocated_at is not None
    assert len(asked) == 1


async def test_a_machine_that_appears_after_its_hub_failed_is_deallocated():
    """ARM took the PUT although it did not answer; a read right after it does not show the machine yet."""
    world = World()
    world.cloud.fail_poll("vm", FatalError("RequestDisallowedByPolicy", "No."), power="running")
    view, seen_from = world.app.compute.vm, []

    async def late(*args: Any, **kwargs: Any) -> Any:
        if not kwargs.get("with_power"):
            return await view(*args, **kwargs)
        seen_from.append(world.clock.now())
        return await view(*args, **kwargs) if world.clock.now() - seen_from[0] > timedelta(seconds=10) else None

    replace_port(world, "compute", vm=late)
    await world.create("demo")
    await world.run_to_rest(HubState.FAILED)
    await world.run(lambda: world.storage.hubs.only_hub().deallocated_at is not None, limit_s=900)
    assert [vm.power for vm in world.cloud.vms()] == ["deallocated"]


async def test_a_create_that_failed_in_a_passing_way_is_failed_with_what_azure_said():
    world = World()
    passing = RetryableError("InternalExecutionError", "An internal execution error occurred.")
    world.cloud.fail_poll("vm", passing, times=2)
    await world.create("demo")
    hub = await world.run_to_rest(HubState.FAILED)
    assert hub.reason is not None
    assert "An internal execution error occurred." in hub.reason.message


# ---- poison and storage trouble


async def test_poison_of_a_pass_that_is_over_does_not_fail_a_hub_that_went_on():
    world = World()
    await world.create("demo")
    stale = work_message(world.storage.hubs.only_hub(), world.clock.now())
    await world.run(lambda: world.storage.hubs.only_hub().pass_number > 3, limit_s=600)
    before = world.storage.hubs.only_hub()
    await world.poison(stale)
    assert world.storage.hubs.only_hub() == before


@pytest.mark.parametrize("place", ["hubs.get", "hubs.commit", "index.put"])
async def test_poison_that_meets_storage_trouble_is_not_lost(place: str):
    world = World()
    await world.create("demo")
    world.clock.advance(3)
    message = world.storage.queue.take_message()
    world.storage.queue.waiting.clear()
    world.storage.due.rows.clear()
    world.storage.tape.fail(place, RetryableError("StorageUnavailable", "no"))
    await world.poison(message)
    assert [queued.message for queued in world.storage.queue.waiting][-1:] or world.storage.due.rows
    assert (await world.run_to_rest()).state in (HubState.READY, HubState.FAILED)


@pytest.mark.parametrize("place", ["hubs.get", "hubs.commit", "index.put"])
async def test_storage_trouble_never_counts_towards_poison(place: str):
    world = World()
    await world.create("demo")
    world.clock.advance(3)
    world.storage.tape.fail(place, RetryableError("StorageUnavailable", "no"), times=7)
    for _ in range(7):
        await advance(world.app, STEPS, world.storage.queue.take_message())  # must not raise
        while world.storage.queue.next_visible_at() is None:  # an old copy gives way to its due row's
            world.clock.advance(30)
            await world.tick()
        world.clock.advance_to(world.storage.queue.next_visible_at() or world.clock.now())
    hub = await world.run_to_rest()
    assert hub.state is HubState.READY, hub.reason
    assert len(world.cloud.vms()) == 1


async def test_a_row_this_version_cannot_read_is_looked_at_again_later_and_not_poisoned():
    world = World()
    await world.create("demo")
    world.clock.advance(3)
    message = world.storage.queue.take_message()
    world.storage.tape.fail("hubs.get", FatalError("RowTooNew", "Written by a newer version."))
    await advance(world.app, STEPS, message)
    (again,) = world.storage.queue.waiting
    assert again.message == message
    assert again.visible_at == world.clock.now() + timedelta(seconds=DEFERRED_S)
    assert (await world.run_to_rest()).state is HubState.READY


async def test_one_unreadable_hub_does_not_keep_the_timer_from_the_others():
    world = World()
    hub = world.storage.hubs.seed(a_hub(owner="jaydoe", name="fine"))
    broken = replace(a_hub(owner="jaydoe", name="broken"), etag="x")
    now = world.clock.now()
    for one in (broken, hub):
        await world.app.due.put(due_after(one, now, 0, redrive_s=0))
    get = world.app.hubs.get

    async def get_or_fail(owner: str, name: str) -> Any:
        if name == "broken":
            raise FatalError("RowTooNew", "Written by a newer version.")
        return await get(owner, name)

    replace_port(world, "hubs", get=get_or_fail)
    assert await world.tick() == 1
    assert [queued.hub_message.hub_id for queued in world.storage.queue.waiting] == [hub.id]
    kept = {row.hub_id: row.at for row in world.storage.due.rows.values()}
    assert set(kept) == {broken.id, hub.id}
    assert kept[broken.id] > now


# ---- where the service connects from


async def test_port_22_is_opened_to_the_region_the_service_runs_in_not_the_hubs():
    world = World(settings=some_settings(HUBLET_APP_REGION="germanywestcentral"))
    await world.create("demo", region="eastus")
    await world.run(lambda: world.storage.hubs.only_hub().step(StepName.NETWORK).done, limit_s=600)
    hub = world.storage.hubs.only_hub()
    nsg = world.cloud.nsg(hub.group_name, "hublet-nsg")
    assert nsg is not None
    assert [rule.sources for rule in nsg.rules] == [("AzureCloud.germanywc",)]
    assert any("germanywestcentral" in condition.message for condition in hub.conditions)
