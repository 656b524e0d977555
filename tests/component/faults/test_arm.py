"""Faults of Azure's answers to writes and of operations under way: F21, F22, F26 (docs/faults.md)."""

from datetime import timedelta
from itertools import pairwise

import pytest

from shared.errors import RetryableError
from shared.hubs.model import StepName
from shared.hubs.states import HubState
from tests.support.fake_cloud import Call
from tests.support.world import World

RESET = RetryableError("AzureUnreachable", "Azure could not be reached, or did not answer in time.")


# ---- F21


@pytest.mark.parametrize("verb", ["group_put", "nsg", "vnet", "vm"])
@pytest.mark.parametrize("taken", [False, True], ids=["Azure never got it", "Azure took it"])
async def test_f21_a_put_whose_answer_is_a_reset_is_repeated_the_same_or_found(verb: str, taken: bool):
    world = World()
    lost: list[int] = []
    """How many reads there were before."""

    def lose_once(call: Call) -> None:
        if call.verb == verb and not lost:
            lost.append(len(world.cloud.reads))
            raise RESET

    if taken:
        world.cloud.after_write = lose_once
    else:
        world.cloud.before_write = lose_once
    plans: list[object] = []
    begin_vm = world.app.compute.begin_vm

    async def noted(plan):
        plans.append(plan)
        return await begin_vm(plan)

    world.app.compute.begin_vm = noted  # type: ignore[method-assign]
    await world.create()
    hub = await world.run_to_rest()
    assert lost
    assert (hub.state, len(world.cloud.vms_created)) == (HubState.READY, 1), hub.reason
    assert all(plan == plans[0] for plan in plans), "the same name and the same body"
    if verb == "vm":
        assert world.cloud.reads[lost[0]].verb == "vm_get", "looked at before anything is sent again"
        assert len(plans) == (1 if taken else 2)


# ---- F22


@pytest.mark.parametrize("when_s", [1, 20, 59])
async def test_f22_an_operation_azure_forgot_is_judged_by_the_machine_itself(when_s: float):
    world = World()
    await world.create()
    await world.run(lambda: world.cloud.count("vm") == 1, limit_s=300)
    world.clock.advance(when_s)
    assert world.hub.operation is not None
    world.cloud.forget_operations()
    hub = await world.run_to_rest()
    assert (hub.state, world.cloud.count("vm")) == (HubState.READY, 1), hub.reason


async def test_f22_a_machine_whose_forgotten_operation_failed_is_made_once_more():
    world = World()
    world.cloud.fail_poll("vm", RESET)
    await world.create()
    await world.run(lambda: world.cloud.count("vm") == 1, limit_s=300)
    world.cloud.forget_operations()
    hub = await world.run_to_rest()
    assert (hub.state, hub.attempt) == (HubState.READY, 2)
    assert [attempt.reason.code if attempt.reason else "" for attempt in hub.attempts] == ["MachineFailed", ""]


# ---- F26

BEING_DELETED = RetryableError("ResourceGroupBeingDeleted", "The resource group is being deleted.", retry_after_s=30)


async def test_f26_a_group_that_is_being_deleted_is_waited_for():
    world = World()
    world.cloud.fail_begin("group_put", BEING_DELETED, times=8)
    await world.create()
    hub = await world.run_to_rest()
    assert (hub.state, hub.attempt) == (HubState.READY, 1), hub.reason
    calls = [call.at for call in world.cloud.writes if call.verb == "group_put"]
    assert all(late - early >= timedelta(seconds=30) for early, late in pairwise(calls))


async def test_f26_a_name_that_stays_blocked_is_left_within_ten_minutes_for_the_next_attempts():
    world = World()
    world.cloud.before_write = _blocked("-a1")
    created = await world.create()
    await world.run(lambda: world.hub.attempt == 2, limit_s=3600)
    assert timedelta(minutes=9) <= world.clock.now() - created.created_at <= timedelta(minutes=10)
    hub = await world.run_to_rest()
    assert (hub.state, hub.group_name) == (HubState.READY, f"hublet-{hub.id}-a2"), hub.reason
    assert [(attempt.number, attempt.outcome) for attempt in hub.attempts] == [(1, "failed"), (2, "ready")]
    assert "stays blocked" in " ".join(world.said("attempt"))


async def test_f26_a_hub_whose_every_name_is_blocked_fails_with_the_cause():
    world = World()
    world.cloud.before_write = _blocked("")
    await world.create()
    hub = await world.run_to_rest()
    assert (hub.state, hub.attempt) == (HubState.FAILED, 3)
    assert hub.reason is not None
    assert "is being deleted" in hub.reason.message


async def test_f26_another_operation_on_the_same_resource_is_waited_for_and_the_deadline_ends_it():
    world = World()
    busy = RetryableError("AnotherOperationInProgress", "Azure is still working on an earlier change.")
    world.cloud.fail_begin("nsg", busy, times=5)
    await world.create()
    assert (await world.run_to_rest()).state is HubState.READY
    world = World()
    world.cloud.fail_begin("vnet", busy, times=10_000)
    await world.create()
    hub = await world.run_to_rest()
    record = hub.step(StepName.NETWORK)
    assert hub.state is HubState.FAILED
    assert record.started_at is not None
    assert hub.failed_at is not None
    assert hub.failed_at - record.started_at <= timedelta(minutes=16)


def _blocked(ending: str):
    def refuse(call: Call) -> None:
        if call.verb == "group_put" and call.group.endswith(ending):
            raise BEING_DELETED

    return refuse
