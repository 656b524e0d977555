"""A hub's life over fakes with memory, in virtual time."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.errors import CapacityError, ConcurrentUpdate, FatalError, RetryableError
from shared.hubs.dispatch import work_message
from shared.hubs.lifecycle import advance, schedule_and_save
from shared.hubs.model import PROVISION, OperationStatus
from shared.hubs.ports import HubChange
from shared.hubs.states import HubState
from shared.hubs.tags import DEPLOYMENT, HUB, OWNER_HASH
from shared.hubs.visit import Visit
from shared.steps import STEPS
from tests.support.world import World


async def test_a_request_becomes_a_ready_hub():
    world = World()
    await world.create("demo")
    hub = await world.run_to_rest()
    assert hub.state is HubState.READY, hub.reason
    assert all(hub.step(step).done for step in PROVISION)
    assert hub.acceptance is not None
    assert hub.url
    operation = await world.app.hubs.operation(hub.owner, hub.id, 1)
    assert operation is not None
    assert operation.status is OperationStatus.SUCCEEDED
    assert not world.storage.queue.waiting


async def test_tutorial_row_one_group_per_hub_everything_tagged():
    world = World()
    await world.create("demo")
    hub = await world.run_to_rest()
    for ref in await world.app.groups.tagged(HUB, hub.id):
        assert ref.tags[HUB] == hub.id
        assert ref.tags[DEPLOYMENT] == await world.app.identity.get()
        assert len(ref.tags[OWNER_HASH]) == 16
        assert hub.owner not in ref.tags.values()
    assert [group.name for group in world.cloud.groups.values()] == [f"hublet-{hub.id}-a1"]


async def test_tutorial_row_vm_defaults_and_delete_options():
    world = World()
    await world.create("demo")
    hub = await world.run_to_rest()
    (vm,) = world.cloud.vms()
    assert vm.plan.name == f"{hub.id}-a1-vm"
    assert (vm.plan.size, vm.plan.image) == ("Standard_D2s_v3", "ubuntu-24.04")
    assert vm.plan.dns_label == hub.id


async def test_four_writes_until_the_machine_exists_and_six_to_ready():
    world = World()
    await world.create("demo")
    await world.run_to_rest()
    writes = [call.verb for call in world.cloud.writes]
    assert writes == ["group_put", "nsg", "vnet", "vm", "nsg", "nsg"]


async def test_port_22_is_never_open_to_the_world_and_closed_at_ready():
    world = World()
    seen: list[tuple[str, ...]] = []
    network = world.app.network
    begin = network.begin_nsg

    async def watch(plan):
        seen.extend(rule.sources for rule in plan.rules if "22" in rule.ports)
        return await begin(plan)

    object.__setattr__(world.app, "network", _Watched(network, watch))
    await world.create("demo")
    hub = await world.run_to_rest()
    assert seen
    assert all(source not in ("*", "0.0.0.0/0", "Internet") for sources in seen for source in sources)
    assert hub.ssh.closed_proven_at is not None or hub.ssh.port22 == "controlPlane"


class _Watched:
    def __init__(self, network, begin_nsg) -> None:
        self._network, self.begin_nsg = network, begin_nsg

    def __getattr__(self, name: str):
        return getattr(self._network, name)


async def test_the_same_message_twice_does_nothing_the_second_time():
    world = World()
    await world.create("demo")
    world.clock.advance(3)
    message = world.storage.queue.take_message()
    await advance(world.app, STEPS, message)
    hub, writes = world.storage.hubs.only_hub(), len(world.storage.tape.writes)
    await advance(world.app, STEPS, replace(message, pass_number=hub.pass_number - 1))
    assert world.storage.hubs.only_hub() == hub
    assert len(world.storage.tape.writes) == writes


async def test_every_message_delivered_twice_still_makes_one_machine():
    world = World()
    await world.create("demo")
    deliver = world.deliver

    async def twice(message):
        await deliver(message)
        await deliver(message)

    world.deliver = twice  # type: ignore[method-assign]
    hub = await world.run_to_rest()
    assert hub.state is HubState.READY, hub.reason
    assert world.cloud.count("vm") == 1


async def test_a_lost_message_is_driven_again_by_the_timer():
    world = World()
    await world.create("demo")
    world.storage.queue.waiting.clear()
    hub = await world.run_to_rest()
    assert hub.state is HubState.READY


async def test_a_message_that_is_lost_again_and_again_is_driven_again_every_time():
    world = World()
    await world.create("demo")
    for _ in range(3):
        world.storage.queue.waiting.clear()
        sent = len(world.storage.queue.sent)
        await world.run(lambda: len(world.storage.queue.sent) > sent, limit_s=600)  # noqa: B023
        assert len(world.storage.queue.sent) > sent, "the due table is the truth, the queue only an accelerator"
    hub = await world.run_to_rest()
    assert hub.state is HubState.READY


async def test_the_message_of_a_hub_that_was_deleted_before_its_first_visit_ends_with_it():
    world = World()
    hub = await world.create("demo")
    (queued,) = world.storage.queue.waiting
    world.storage.queue.waiting.clear()
    await world.delete(hub)
    await world.run_until_gone()
    world.storage.queue.waiting.clear()
    await advance(world.app, STEPS, replace(queued.hub_message, first_seen=world.clock.now()))
    assert not world.storage.queue.waiting


async def test_a_worker_that_lost_the_race_leaves_no_message_behind():
    world = World()
    await world.create("demo")
    seen = world.storage.hubs.only_hub()
    await world.storage.hubs.commit(HubChange(hub=seen))  # the faster worker
    sent, due = len(world.storage.queue.sent), len(world.storage.due.rows)
    with pytest.raises(ConcurrentUpdate):
        await schedule_and_save(Visit(world.app, seen), 30.0)
    assert (len(world.storage.queue.sent), len(world.storage.due.rows)) == (sent, due)


async def test_capacity_trouble_without_another_way_fails_with_a_remedy_and_stops_billing():
    world = World()
    world.cloud.fail_poll("vm", CapacityError("AllocationFailed", "Azure has no room.", fix="Choose another size."))
    await world.create("demo")
    hub = await world.run_to_rest()
    assert hub.state is HubState.FAILED
    assert hub.reason is not None
    assert hub.reason.code == "AllocationFailed"
    assert hub.reason.fix.startswith("Choose another size. ")
    await world.run(lambda: world.storage.hubs.only_hub().deallocated_at is not None, limit_s=600)
    assert all(vm.power != "running" for vm in world.cloud.vms())


async def test_a_failed_hub_is_removed_after_its_keep_time():
    world = World()
    world.cloud.fail_begin("vm", FatalError("Forbidden", "No."))
    hub = await world.create("demo")
    failed = await world.run_to_rest()
    assert failed.state is HubState.FAILED
    await world.run(lambda: not world.storage.hubs.hubs, limit_s=23.9 * 3600)
    assert world.storage.hubs.hubs, "the evidence is kept"
    await world.run_until_gone(limit_s=2 * 3600)
    assert not world.storage.hubs.hubs
    assert world.cloud.groups == {}
    assert await world.app.hubs.gone(hub.owner, hub.id)


async def test_trouble_that_passes_is_waited_for_and_told():
    world = World()
    world.cloud.fail_begin("vnet", RetryableError("TooManyRequests", "Slow down.", retry_after_s=7), times=3)
    await world.create("demo")
    hub = await world.run_to_rest()
    assert hub.state is HubState.READY
    events = await world.app.hubs.events(hub.owner, hub.id)
    assert [event.cause.code for event in events if event.kind == "retry" and event.cause] == ["TooManyRequests"]


async def test_trouble_that_never_passes_ends_at_the_deadline_with_the_cause():
    world = World()
    world.cloud.fail_begin("vnet", RetryableError("TooManyRequests", "Slow down."), times=10_000)
    await world.create("demo")
    hub = await world.run_to_rest()
    assert hub.state is HubState.FAILED
    assert hub.reason is not None
    assert hub.reason.code == "DeadlinePassed"
    assert "Slow down." in hub.reason.message


async def test_five_failed_visits_fail_the_hub_with_the_cause():
    world = World()
    await world.create("demo")
    message = work_message(world.storage.hubs.only_hub(), world.clock.now())
    await world.poison(message)
    hub = world.storage.hubs.only_hub()
    assert hub.state is HubState.FAILED
    assert hub.reason is not None
    assert hub.reason.code == "WorkerGaveUp"
    assert "ValueError: planted" in hub.reason.fix


async def test_a_poisoned_message_of_another_generation_changes_nothing():
    world = World()
    await world.create("demo")
    before = world.storage.hubs.only_hub()
    await world.poison(replace(work_message(before, world.clock.now()), generation=9))
    assert world.storage.hubs.only_hub() == before


async def test_a_group_that_lost_our_tags_is_not_deleted():
    world = World()
    created = await world.create("demo")
    await world.run_to_rest()
    for group in world.cloud.groups.values():
        group.tags.clear()
    await world.delete(created)
    await world.run(lambda: False, limit_s=1800)
    assert len(world.cloud.groups) == 1
    assert [condition.type for condition in world.storage.hubs.only_hub().conditions][-1] == "ActionNeeded"


async def test_history_names_every_change_of_state_with_its_cause():
    world = World()
    await world.create("demo")
    hub = await world.run_to_rest()
    events = await world.app.hubs.events(hub.owner, hub.id)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [event.to_state for event in events if event.to_state] == [
        "accepted",
        "provisioning",
        "installing",
        "verifying",
        "ready",
    ]


@pytest.mark.parametrize("lost", [timedelta(minutes=3), timedelta(hours=3)])
async def test_after_an_outage_of_the_workers_the_hub_still_gets_ready(lost: timedelta):
    world = World()
    await world.create("demo")
    await world.run(lambda: False, limit_s=120)
    world.storage.queue.waiting.clear()
    world.clock.advance(lost)
    hub = await world.run_to_rest()
    assert hub.state is HubState.READY, hub.reason
    assert len(world.cloud.vms()) == 1
