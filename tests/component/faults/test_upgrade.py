"""F14: a new release meets old rows. They are recordings of what earlier releases wrote (tests/data/rows); each test
deploys this release over them.
"""

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared.adapters.storage import codec, documents
from shared.adapters.storage.table import Row
from shared.hubs.meter import Billing, so_far
from shared.hubs.model import OperationStatus, StepName
from shared.hubs.states import Goal, HubState
from tests.support import old_rows
from tests.support.builders import a_ready_hub, an_operation

EVERY = pytest.mark.parametrize(("commit", "moment"), old_rows.every())


def of(*moments: str) -> pytest.MarkDecorator:
    cases = [one for one in old_rows.every() if one[1] in moments]
    return pytest.mark.parametrize(("commit", "moment"), cases)


# ------------------------------------------------------------------ old rows


def test_f14_every_kind_of_row_was_recorded_of_a_hub_in_every_state_of_rest_and_on_the_way():
    kinds = {row.key.split("!")[0] for one in old_rows.every() for row in old_rows.recorded(*one).rows()}
    assert kinds == {"hub", "op", "event", "quota", "idem", "secret", "gone", "outbox"}
    states = {codec.hub_from(row).state for one in old_rows.every() for row in old_rows.recorded(*one).rows(kind="hub")}
    assert states >= {HubState(name) for name in ("accepted", "provisioning", "installing", "ready", "failed")}
    assert states >= {HubState.STOPPED, HubState.STARTING, HubState.DELETING}


@EVERY
async def test_f14_every_recorded_row_and_message_is_read(commit: str, moment: str):
    found = old_rows.recorded(commit, moment)
    world = await old_rows.world_of(commit, moment)  # reads each of them
    stored = world.storage.hubs
    counted = (
        len(stored.hubs)
        + len(stored.operations)
        + sum(len(history) for history in stored.history.values())
        + len(stored.quotas)
        + len(stored.idempotencies)
        + len(stored.graves)
        + len(stored.outbox)
        + len(world.storage.secrets.rows)
    )
    assert counted == len(found.tables["hubs"])
    assert len(world.storage.index.entries) == len(found.tables["index"])
    assert len(world.storage.due.rows) == len(found.tables["due"])
    assert len(world.storage.queue.waiting) >= len(found.queues["hub-work"])
    assert not any(hub.carried for hub in stored.hubs.values())


@of("accepted", "making-the-machine", "installing")
async def test_f14_a_hub_in_the_making_goes_on_where_it_was_and_becomes_ready(commit: str, moment: str):
    world = await old_rows.world_of(commit, moment)
    before = world.hub
    hub = await world.run_to_rest()
    assert hub.state is HubState.READY, hub.reason
    assert (hub.id, hub.generation, hub.attempt) == (before.id, before.generation, before.attempt)
    done = {name: record for name, record in before.steps.items() if record.done}
    assert {name: hub.step(name).finished_at for name in done} == {n: r.finished_at for n, r in done.items()}
    assert len(world.cloud.vms_created) == 1
    assert world.operation().status is OperationStatus.SUCCEEDED


@of("making-the-machine")
async def test_f14_a_machine_whose_operation_azure_forgot_meanwhile_is_found_all_the_same(commit: str, moment: str):
    world = await old_rows.world_of(commit, moment)
    world.cloud.forget_operations()
    assert (await world.run_to_rest()).state is HubState.READY
    assert len(world.cloud.vms_created) == 1


@of("ready")
async def test_f14_a_ready_hub_stays_ready_and_can_be_stopped_started_and_deleted(commit: str, moment: str):
    world = await old_rows.world_of(commit, moment)
    await world.run(limit_s=3 * 3600)
    assert world.hub.state is HubState.READY
    await world.stop()
    await world.run_to_rest(HubState.STOPPED)
    await world.start()
    hub = await world.run_to_rest(HubState.READY)
    await world.delete(hub)
    await world.run_until_gone()
    assert world.cloud.vms() == []
    assert world.storage.hubs.quotas[hub.owner].hubs == {}


@of("ready")
async def test_f14_a_schedule_that_was_only_stored_is_kept_from_now_on(commit: str, moment: str):
    world = await old_rows.world_of(commit, moment)
    await world.run(lambda: world.hub.state is HubState.STOPPED, limit_s=12 * 3600)
    assert world.hub.state is HubState.STOPPED
    assert world.hub.state_since - datetime.fromisoformat("2026-03-02T18:00:00+00:00") < timedelta(minutes=5)


@of("stopped", "starting")
async def test_f14_a_hub_at_rest_or_starting_can_be_used_again(commit: str, moment: str):
    world = await old_rows.world_of(commit, moment)
    if moment == "stopped":
        await world.run(limit_s=3600)
        assert world.hub.state is HubState.STOPPED
        await world.start()
    hub = await world.run_to_rest(HubState.READY)
    assert world.told.of("stopped"), "the notice that waited in the outbox"
    await world.delete(hub)
    await world.run_until_gone()


@of("failed")
async def test_f14_a_failed_hub_is_kept_for_its_day_and_then_deleted(commit: str, moment: str):
    world = await old_rows.world_of(commit, moment)
    failed_at = world.hub.failed_at
    assert failed_at is not None
    await world.run(limit_s=20 * 3600)
    assert world.hub.state is HubState.FAILED
    await world.run_until_gone(limit_s=8 * 3600)
    assert not world.storage.hubs.hubs
    assert world.cloud.vms() == []


@of("deleting")
async def test_f14_a_deletion_under_way_ends_as_the_deletion_it_was(commit: str, moment: str):
    world = await old_rows.world_of(commit, moment)
    before = world.operation()
    await world.run_until_gone()
    after = world.storage.hubs.operations[before.owner, before.hub_id, before.generation]
    assert (after.kind, after.status) == ("delete", OperationStatus.SUCCEEDED)
    assert after.created_at == before.created_at
    assert world.cloud.vms() == []


@of("gone")
async def test_f14_what_is_left_of_a_deleted_hub_stays_readable_and_its_name_is_free(commit: str, moment: str):
    world = await old_rows.world_of(commit, moment)
    ((owner, hub_id),) = world.storage.hubs.graves
    gone = await world.app.hubs.gone(owner, hub_id)
    assert gone is not None
    assert gone.hub.state is HubState.DELETED
    assert so_far(gone.hub.meter, gone.hub.price, world.clock.now()) == so_far(
        gone.hub.meter, gone.hub.price, gone.deleted_at
    )
    await world.run(limit_s=600)
    await world.create()
    assert (await world.run_to_rest()).state is HubState.READY


@pytest.mark.parametrize("moment", old_rows.moments(old_rows.FIRST))
def test_f14_a_hub_from_before_meters_costs_what_its_machine_costs(moment: str):
    for row in old_rows.recorded(old_rows.FIRST, moment).rows(kind="hub"):
        assert "meter" not in json.loads(documents.join(row.values) or "")
        hub = codec.hub_from(row)
        begun = hub.step(StepName.MACHINE).started_at
        expected = {
            "accepted": (Billing.NOTHING, None),
            "failed": (Billing.STOPPED, hub.deallocated_at),
        }.get(moment, (Billing.RUNNING, begun))
        assert (hub.meter.billing, hub.meter.since) == expected
        assert hub.operation_kind == ("delete" if hub.goal is Goal.DELETED else "create")


async def test_f14_a_row_of_this_release_is_not_migrated():
    hub = a_ready_hub()
    assert codec.hub_from(Row(codec.hub_entity(hub), "e")) == replace(hub, etag="e")


async def test_f14_an_operation_that_was_recorded_keeps_its_kind():
    found = {
        codec.operation_from(row).kind for one in old_rows.every() for row in old_rows.recorded(*one).rows(kind="op")
    }
    assert found >= {"create", "delete", "stop", "start"}
    assert an_operation().kind in found
