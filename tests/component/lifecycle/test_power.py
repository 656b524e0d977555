"""The machine goes off and on: what is seen counts, not what an operation says, and the bill follows the machine."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.errors import CapacityError, FatalError, HubletError, RetryableError, UserError
from shared.hubs.lifecycle import poisoned
from shared.hubs.meter import Billing
from shared.hubs.model import Fallback, Message, OperationStatus
from shared.hubs.ports import Begun
from shared.hubs.power import START_LIMIT
from shared.hubs.states import Goal, HubState
from tests.component.lifecycle.lives import (
    SETTLED_S,
    a_failed,
    a_ready,
    a_stopped,
    conditions,
    delete,
    ended,
    machine,
    operations,
    power_calls,
    restart,
    set_power,
    start,
    stop,
    throttled,
    watch_overlaps,
)
from tests.support.builders import a_schedule
from tests.support.world import World

S = HubState
ASKED = "Standard_D2s_v3"
FIRST, SECOND, DEAR = "Standard_D2as_v5", "Standard_B2ms", "Standard_D8s_v5"
LADDER = Fallback(sizes=(DEAR, FIRST, SECOND), max_price_per_hour=0.2)
PRICES = {ASKED: 0.096, FIRST: 0.086, SECOND: 0.0832, DEAR: 0.384}


class Instead:
    """A port with some of its methods replaced."""

    def __init__(self, port: Any, **methods: Any) -> None:
        self._port = port
        self.__dict__.update(methods)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)


def replace_port(world: World, name: str, **methods: Any) -> None:
    instead: dict[str, Any] = {name: Instead(getattr(world.app, name), **methods)}
    world.app = replace(world.app, **instead)


def no_room(world: World, *sizes: str) -> None:
    world.cloud.no_room = {size.lower() for size in sizes}


def sizes_tried(world: World) -> list[str]:
    """In the order in which Azure refused them."""
    begins = "Azure has no room for "
    return [line.removeprefix(begins).split(":")[0] for line in world.said("capacity") if line.startswith(begins)]


async def a_ladder() -> World:
    """A stopped hub whose owner allows other sizes, one of them too dear."""
    world = await a_stopped(fallback=LADDER)
    world.cloud.prices |= {(size, False): price for size, price in PRICES.items()}
    return world


async def rested(world: World) -> None:
    """The start is over, one way or the other, and so is what follows from it."""
    await world.run_to_rest(S.READY, S.STOPPED, limit_s=2 * 3600)
    await world.run(limit_s=SETTLED_S)


# ------------------------------------------------------------------ off


async def test_a_stop_is_over_when_the_machine_was_seen_deallocated():
    world = await a_ready()
    world.cloud.durations["deallocate"] = 100
    overlaps = watch_overlaps(world)
    await stop(world)
    assert (world.hub.state, world.hub.goal) == (S.STOPPING, Goal.STOPPED)
    while world.hub.state is S.STOPPING:
        assert world.operation().status is OperationStatus.RUNNING
        assert world.hub.meter.billing is Billing.RUNNING, "what is not seen deallocated bills"
        assert world.hub.deallocated_at is None
        await world.run(limit_s=1)
    assert machine(world).power == "deallocated"
    operation = world.operation()
    assert (operation.kind, operation.status) == ("stop", OperationStatus.SUCCEEDED)
    assert operation.ended_at is not None
    assert operation.ended_at - operation.created_at >= timedelta(seconds=100)
    hub = world.hub
    assert (hub.meter.billing, hub.meter.since) == (Billing.STOPPED, hub.deallocated_at)
    await world.run(limit_s=60)
    assert [notice.data["why"] for notice in world.told.of("stopped")] == ["asked for"]
    assert power_calls(world) == ["deallocate"]
    assert not overlaps


async def test_an_operation_that_claims_to_be_done_is_not_believed():
    world = await a_ready()
    world.cloud.fail_poll("deallocate", RetryableError("Never", "asked for"), power="running")
    await stop(world)
    await world.run(lambda: world.hub.operation is not None, limit_s=30)
    world.cloud.forget_operations()  # its handle polls as done now, and the machine runs on
    await world.run(limit_s=25)
    assert world.hub.state is S.STOPPING
    await world.run_to_rest(S.STOPPED)
    assert machine(world).power == "deallocated"
    assert power_calls(world) == ["deallocate", "deallocate"]


async def test_a_stop_that_azure_says_is_over_at_once_is_not_believed_either():
    world = await a_ready()
    deallocate, lies = world.app.compute.begin_deallocate, [True, True]

    async def begin_deallocate(group: str, name: str) -> Begun:
        return Begun(handle=None) if lies and lies.pop() else await deallocate(group, name)

    replace_port(world, "compute", begin_deallocate=begin_deallocate)
    await stop(world)
    await world.run_to_rest(S.STOPPED)
    assert machine(world).power == "deallocated"


@pytest.mark.parametrize("power", ["stopped", "stopping"])
async def test_a_machine_that_is_only_powered_off_is_deallocated(power: str):
    """`stopped` still bills."""
    world = await a_ready()
    set_power(world, "stopped" if power == "stopped" else "stopping")
    await stop(world)
    if power == "stopping":
        await world.run(limit_s=30)
        assert world.hub.state is S.STOPPING
        set_power(world, "stopped")
    await world.run_to_rest(S.STOPPED)
    assert machine(world).power == "deallocated"
    assert power_calls(world) == ["deallocate"]


async def test_a_machine_that_is_deallocated_already_is_left_alone():
    world = await a_ready()
    set_power(world, "deallocated")
    await stop(world)
    await world.run_to_rest(S.STOPPED)
    assert power_calls(world) == []
    assert world.operation().status is OperationStatus.SUCCEEDED


async def test_a_stop_whose_handles_get_lost_ends_all_the_same():
    world = await a_ready()
    await stop(world)
    for _ in range(12):
        world.cloud.forget_operations()
        await world.run(limit_s=4)
    await world.run_to_rest(S.STOPPED)
    assert power_calls(world) == ["deallocate"]
    assert machine(world).power == "deallocated"


TROUBLE: Mapping[str, HubletError] = {
    "429 with a time": throttled(17),
    "429 without": throttled(),
    "conflict": RetryableError("Conflict", "Another operation is in progress."),
    "reset": RetryableError("ArmUnreachable", "The connection was reset."),
    "identity": RetryableError("IdentityUnavailable", "No token could be had."),
}


@pytest.mark.parametrize("trouble", TROUBLE)
@pytest.mark.parametrize("times", [1, 6])
async def test_a_stop_gets_through_trouble_that_passes(trouble: str, times: int):
    world = await a_ready()
    overlaps = watch_overlaps(world)
    for verb in ("vm_get", "poll"):
        world.cloud.fail_read(verb, TROUBLE[trouble], times=times)
    world.cloud.fail_begin("deallocate", TROUBLE[trouble], times=times)
    await stop(world)
    await world.run_to_rest(S.STOPPED, limit_s=3600)
    assert machine(world).power == "deallocated"
    assert power_calls(world) == ["deallocate"] * (times + 1)
    assert ended(world)[-1] == ("stop", "Succeeded")
    assert not overlaps


@pytest.mark.parametrize("trouble", TROUBLE)
@pytest.mark.parametrize("times", [1, 6])
async def test_a_start_gets_through_trouble_that_passes(trouble: str, times: int):
    world = await a_stopped()
    overlaps = watch_overlaps(world)
    for verb in ("vm_get", "poll"):
        world.cloud.fail_read(verb, TROUBLE[trouble], times=times)
    world.cloud.fail_begin("start", TROUBLE[trouble], times=times)
    await start(world)
    await world.run_to_rest(S.READY, limit_s=3600)
    assert power_calls(world) == ["deallocate"] + ["start"] * (times + 1)
    assert ended(world)[-1] == ("start", "Succeeded")
    assert not overlaps


@pytest.mark.parametrize(("begin", "wish", "verb"), [(a_ready, stop, "deallocate"), (a_stopped, start, "start")])
async def test_azures_wish_for_the_next_try_is_obeyed(begin: Any, wish: Any, verb: str):
    world = await begin()
    world.cloud.fail_begin(verb, throttled(45))
    await wish(world)
    await rested(world)
    first, second = [call.at for call in world.cloud.writes if call.verb == verb][-2:]
    assert second - first >= timedelta(seconds=45)


async def test_an_operation_that_failed_in_a_passing_way_is_begun_again():
    world = await a_ready()
    world.cloud.fail_poll("deallocate", RetryableError("InternalExecutionError", "An internal error."), times=2)
    await stop(world)
    await world.run_to_rest(S.STOPPED)
    assert power_calls(world) == ["deallocate"] * 3
    world.cloud.fail_poll("start", RetryableError("InternalExecutionError", "An internal error."), times=2)
    await start(world)
    await world.run_to_rest(S.READY)
    assert power_calls(world)[3:] == ["start"] * 3


async def test_a_stop_that_somebody_forbids_is_shown_tried_again_and_the_condition_goes_with_it():
    """A read-only lock."""
    world = await a_ready()
    world.cloud.fail_begin("deallocate", FatalError("ScopeLocked", "The resource group is locked."), times=2)
    await stop(world)
    await world.run(limit_s=SETTLED_S)
    assert (world.hub.state, conditions(world)) == (S.STOPPING, ["ActionNeeded"])
    assert world.operation().status is OperationStatus.RUNNING
    await world.run_to_rest(S.STOPPED, limit_s=3 * 3600)
    assert machine(world).power == "deallocated"
    assert conditions(world) == []


async def test_a_machine_that_hangs_in_a_change_is_asked_for_again_and_not_looked_at_all_the_time():
    """A start that Azure never ends, of a hub that is to stop: it bills."""
    world = await a_stopped()
    world.cloud.durations["start"] = 10 * 3600
    await start(world)
    await world.run(limit_s=10)
    reads = len(world.cloud.reads)
    await stop(world)
    await world.run(limit_s=9 * 60)
    assert power_calls(world)[-1] == "start", "one change at a time"
    await world.run(limit_s=51 * 60)
    assert world.hub.state is S.STOPPING
    assert power_calls(world).count("deallocate") in range(2, 25)
    assert len([read for read in world.cloud.reads[reads:] if read.verb == "vm_get"]) < 60
    await world.run_to_rest(S.STOPPED, limit_s=12 * 3600)
    assert machine(world).power == "deallocated"


# ------------------------------------------------------------------ on


async def test_a_start_brings_the_same_machine_back():
    world = await a_ready()
    before, vm = world.hub, machine(world)
    secrets = dict(world.storage.secrets.rows)
    was = (vm.vm_id, vm.ip, vm.disk_id, vm.nic_id)
    await stop(world)
    await world.run_to_rest(S.STOPPED)
    await start(world)
    hub = await world.run_to_rest(S.READY)
    vm = machine(world)
    assert (vm.vm_id, vm.ip, vm.disk_id, vm.nic_id) == was
    assert (hub.machine, hub.url, hub.id) == (before.machine, before.url, before.id)
    assert hub.host_public_keys == before.host_public_keys
    assert world.storage.secrets.rows == secrets
    assert len(world.cloud.vms_created) == 1
    assert hub.deallocated_at is None


async def test_a_start_is_over_when_the_hub_answers_and_not_before():
    world = await a_stopped()
    world.hub_http.reachable = lambda: False
    await start(world)
    await world.run(limit_s=300)
    assert machine(world).power == "running"
    assert (world.hub.state, world.operation().status) == (S.STARTING, OperationStatus.RUNNING)
    assert world.hub.meter.billing is Billing.RUNNING
    world.hub_http.reachable = lambda: True
    await world.run(limit_s=30)
    assert (world.hub.state, world.operation().status) == (S.READY, OperationStatus.SUCCEEDED)
    await world.run(limit_s=60)
    assert len(world.told.of("started")) == 1


async def test_the_bill_of_a_start_begins_with_its_request():
    world = await a_stopped()
    await world.run(limit_s=3600)
    await start(world)
    asked = world.clock.now()
    await world.run(lambda: "start" in power_calls(world), limit_s=60)
    assert (world.hub.meter.billing, world.hub.meter.since) == (Billing.RUNNING, asked)
    await world.run_to_rest(S.READY)
    assert world.hub.meter.since == asked


async def test_a_start_whose_handles_get_lost_ends_all_the_same():
    world = await a_stopped()
    await start(world)
    for _ in range(12):
        world.cloud.forget_operations()
        await world.run(limit_s=4)
    await world.run_to_rest(S.READY)
    assert power_calls(world) == ["deallocate", "start"]


async def test_a_machine_that_somebody_started_meanwhile_is_not_started_again():
    world = await a_stopped()
    set_power(world, "running")
    await start(world)
    await world.run_to_rest(S.READY)
    assert power_calls(world) == ["deallocate"]
    assert world.hub.meter.billing is Billing.RUNNING


async def test_a_hub_that_never_answers_is_stopped_again_after_half_an_hour():
    world = await a_stopped()
    world.hub_http.reachable = lambda: False
    await start(world)
    asked = world.clock.now()
    await rested(world)
    assert (world.hub.state, world.hub.goal, machine(world).power) == (S.STOPPED, Goal.STOPPED, "deallocated")
    assert conditions(world) == ["StartFailed"]
    (begun,) = [operation for operation in operations(world) if operation.kind == "start"]
    assert (begun.status, begun.error and begun.error.code) == (OperationStatus.FAILED, "StartTimedOut")
    assert begun.ended_at is not None
    assert START_LIMIT <= begun.ended_at - asked < START_LIMIT + timedelta(minutes=2)
    assert world.hub.meter.billing is Billing.STOPPED
    assert len(world.told.of("start-failed")) == 1
    assert world.cloud.count("start") == 1


@pytest.mark.parametrize("verb", ["vm_get", "start"])
async def test_trouble_that_never_passes_ends_a_start_and_its_cause_is_named(verb: str):
    world = await a_stopped()
    plant = world.cloud.fail_read if verb == "vm_get" else world.cloud.fail_begin
    plant(verb, throttled(), times=10_000)
    await start(world)
    await world.run(lambda: "StartFailed" in conditions(world), limit_s=3600)
    begun = next(operation for operation in operations(world) if operation.kind == "start")
    assert begun.status is OperationStatus.FAILED
    assert begun.error is not None
    assert "Slow down." in begun.error.message
    if verb == "vm_get":
        world.cloud.fail_read(verb, throttled(), times=0)
    await rested(world)
    assert (world.hub.state, machine(world).power) == (S.STOPPED, "deallocated")


async def test_a_start_that_azure_forbids_fails_with_what_azure_said():
    world = await a_stopped()
    world.cloud.fail_begin("start", FatalError("ScopeLocked", "The resource group is locked.", fix="Remove the lock."))
    await start(world)
    await rested(world)
    assert world.hub.state is S.STOPPED
    assert [condition.message for condition in world.hub.conditions] == [
        "The resource group is locked. Remove the lock."
    ]
    begun = next(operation for operation in operations(world) if operation.kind == "start")
    assert (begun.status, begun.error and begun.error.code) == (OperationStatus.FAILED, "ScopeLocked")


async def test_after_a_start_that_failed_the_next_one_clears_the_condition():
    world = await a_stopped()
    world.cloud.fail_begin("start", FatalError("ScopeLocked", "The resource group is locked."))
    await start(world)
    await rested(world)
    await start(world)
    await rested(world)
    assert (world.hub.state, conditions(world)) == (S.READY, [])
    assert ended(world)[-1] == ("start", "Succeeded")


@pytest.mark.parametrize("wish", [start, stop, delete])
@pytest.mark.parametrize("state", [S.STOPPING, S.STOPPED])
async def test_what_is_asked_for_after_a_start_that_failed_does_not_change_its_operation(wish: Any, state: HubState):
    """Somebody polls the start: that it failed, and why, stays; and a stop is not answered with a failed start."""
    world = await a_stopped()
    world.hub_http.reachable = lambda: False
    await start(world)
    generation = world.hub.generation
    await world.run_to_rest(state)
    world.hub_http.reachable = lambda: True
    hub = await wish(world)
    begun = next(operation for operation in operations(world) if operation.generation == generation)
    assert (begun.status, begun.error and begun.error.code) == (OperationStatus.FAILED, "StartTimedOut")
    present = world.storage.hubs.operations[hub.owner, hub.id, hub.generation]
    assert present.kind == wish.__name__
    if wish is delete:
        await world.run_until_gone()
    else:
        await rested(world)
    assert ended(world, hub.id)[-1] == (wish.__name__, "Succeeded")


async def test_a_start_whose_worker_fails_again_and_again_ends_and_stops_billing():
    """Five visits in a row met a bug of ours; the machine may be running for nobody."""
    world = await a_stopped()
    await start(world)
    await world.run(lambda: machine(world).power == "running", limit_s=60)
    message = next(q.message for q in reversed(world.storage.queue.sent) if isinstance(q.message, Message))
    await poisoned(world.app, message, "ValueError: planted")
    await rested(world)
    assert (world.hub.state, machine(world).power) == (S.STOPPED, "deallocated")
    assert conditions(world) == ["StartFailed"]
    begun = next(operation for operation in operations(world) if operation.kind == "start")
    assert (begun.status, begun.error and begun.error.code) == (OperationStatus.FAILED, "WorkerGaveUp")


# ------------------------------------------------------------------ no room


async def test_without_room_the_owners_other_sizes_are_tried_in_order_under_the_ceiling():
    world = await a_ladder()
    no_room(world, ASKED, FIRST)
    await start(world)
    await rested(world)
    hub = world.hub
    assert (hub.state, hub.size, machine(world).plan.size) == (S.READY, SECOND, SECOND)
    assert hub.spec.size == ASKED
    resized = [call for call in world.cloud.writes if call.verb == "resize"]
    assert len(resized) == 2  # FIRST was refused, DEAR never asked for
    assert sizes_tried(world) == [ASKED, FIRST]
    assert hub.price is not None
    assert hub.price.vm == PRICES[SECOND]
    (told,) = world.told.of("capacity-changed")
    assert (told.data["size"], told.data["before"]) == (SECOND, ASKED)
    assert ended(world)[-1] == ("start", "Succeeded")
    assert hub.life.tries == ()


async def test_each_refusal_is_shown_while_the_start_goes_on():
    world = await a_ladder()
    no_room(world, ASKED, FIRST)
    await start(world)
    most: tuple[str, ...] = ()
    while world.hub.state is S.STARTING:
        tried = tuple(one.size for one in world.hub.life.tries)
        most = max(most, tried, key=len)
        await world.run(limit_s=1)
    assert most == (ASKED, FIRST)


async def test_the_bill_follows_the_size_the_machine_really_has():
    world = await a_ladder()
    await world.run(limit_s=60)
    no_room(world, ASKED)
    await start(world)
    await world.run_to_rest(S.READY)
    hub, now = world.hub, world.clock.now()
    assert hub.meter.billing is Billing.RUNNING
    before = sum(month.vm for month in hub.meter.months.values())
    await world.run(limit_s=10 * 3600)
    await stop(world)
    await world.run_to_rest(S.STOPPED)
    hours = (world.clock.now() - now).total_seconds() / 3600
    spent = sum(month.vm for month in world.hub.meter.months.values()) - before
    assert spent == pytest.approx(hours * PRICES[FIRST], rel=0.01)


async def test_a_refused_start_does_not_bill_the_machine():
    world = await a_stopped()
    no_room(world, ASKED)
    await start(world)
    await world.run(lambda: bool(world.said("capacity")), limit_s=120)
    assert world.hub.meter.billing is Billing.STOPPED


async def test_without_any_room_it_is_tried_for_half_an_hour_and_then_stopped_with_the_refusal_as_cause():
    world = await a_ladder()
    no_room(world, ASKED, FIRST, SECOND)
    disk = machine(world).disk_id
    await start(world)
    asked = world.clock.now()
    await world.run_to_rest(S.STOPPED, limit_s=3600)
    assert START_LIMIT <= world.clock.now() - asked < START_LIMIT + timedelta(minutes=5)
    await world.run(limit_s=SETTLED_S)
    hub = world.hub
    assert (hub.state, hub.goal, machine(world).power) == (S.STOPPED, Goal.STOPPED, "deallocated")
    assert machine(world).disk_id == disk
    assert len(world.cloud.groups) == 1
    assert conditions(world) == ["StartFailed"]
    assert "no capacity" in hub.conditions[0].message
    begun = next(operation for operation in operations(world) if operation.kind == "start")
    assert begun.status is OperationStatus.FAILED
    assert begun.error is not None
    assert "no capacity" in begun.error.message
    assert hub.meter.billing is Billing.STOPPED
    rounds = [message for message in world.said("capacity") if f"no room for {ASKED}" in message]
    assert 10 <= len(rounds) <= 31, "room comes and goes within minutes"


async def test_room_that_comes_later_is_found():
    world = await a_stopped()
    no_room(world, ASKED)
    await start(world)
    await world.run(limit_s=600)
    assert world.hub.state is S.STARTING
    no_room(world)
    await world.run_to_rest(S.READY, limit_s=180)
    assert world.hub.size == ASKED


async def test_the_next_start_prefers_the_size_that_was_asked_for():
    world = await a_ladder()
    no_room(world, ASKED)
    await start(world)
    await rested(world)
    assert world.hub.size == FIRST
    no_room(world)
    await stop(world)
    await world.run_to_rest(S.STOPPED)
    await start(world)
    await rested(world)
    assert (world.hub.size, machine(world).plan.size) == (ASKED, ASKED)
    assert world.hub.price is not None
    assert world.hub.price.vm == PRICES[ASKED]
    last = world.told.of("capacity-changed")[-1]
    assert last.data["size"] == ASKED
    assert "no room" not in last.message, "there is room again"


async def test_a_size_without_a_price_is_not_under_the_ceiling():
    world = await a_ladder()

    async def hourly_price(region: str, size: str, **more: Any) -> Any:
        return None if size == FIRST else await prices(region, size, **more)

    prices = world.app.catalog.hourly_price
    replace_port(world, "catalog", hourly_price=hourly_price)
    no_room(world, ASKED)
    await start(world)
    await rested(world)
    assert world.hub.size == SECOND


async def test_a_quota_that_is_used_up_is_a_refusal_of_that_size():
    world = await a_ladder()
    world.cloud.fail_begin("start", CapacityError("SKUFamilyQuotaExceeded", "No quota left for this family."))
    await start(world)
    await rested(world)
    assert (world.hub.state, world.hub.size) == (S.READY, FIRST)
    assert sizes_tried(world) == [ASKED]


async def test_an_old_refusal_is_not_the_cause_of_a_later_failure():
    world = await a_stopped()
    no_room(world, ASKED)
    await start(world)
    await rested(world)
    no_room(world)
    world.hub_http.reachable = lambda: False
    await start(world)
    generation = world.hub.generation
    await rested(world)
    begun = next(operation for operation in operations(world) if operation.generation == generation)
    assert begun.error is not None
    assert "no capacity" not in begun.error.message


async def test_trouble_that_has_passed_is_not_the_cause_of_a_hub_that_never_answers():
    world = await a_stopped()
    world.hub_http.reachable = lambda: False
    world.cloud.fail_begin("start", throttled(), times=2)
    await start(world)
    generation = world.hub.generation
    await rested(world)
    begun = next(operation for operation in operations(world) if operation.generation == generation)
    assert begun.error is not None
    assert "Slow down." not in begun.error.message


async def test_an_old_refusal_is_not_the_cause_of_a_start_that_azure_never_ends_either():
    world = await a_stopped()
    no_room(world, ASKED)
    await start(world)
    await rested(world)
    no_room(world)
    world.cloud.durations["start"] = 5 * 3600
    await start(world)
    generation = world.hub.generation
    await world.run_to_rest(S.STOPPING, limit_s=3600)
    begun = next(operation for operation in operations(world) if operation.generation == generation)
    assert begun.error is not None
    assert "no capacity" not in begun.error.message


async def test_a_machine_that_somebody_resized_and_started_has_its_own_price():
    world = await a_ladder()
    vm = machine(world)
    vm.plan = replace(vm.plan, size=DEAR)
    set_power(world, "running")
    await start(world)
    await rested(world)
    assert (world.hub.state, world.hub.size) == (S.READY, DEAR)
    assert world.hub.price is not None
    assert world.hub.price.vm == PRICES[DEAR]


async def test_a_stop_during_the_search_for_room_ends_it():
    world = await a_ladder()
    no_room(world, ASKED, FIRST, SECOND)
    await start(world)
    await world.run(limit_s=200)
    await stop(world)
    await rested(world)
    assert (world.hub.state, machine(world).power, world.hub.life.tries) == (S.STOPPED, "deallocated", ())
    tried = len(world.said("capacity"))
    await world.run(limit_s=1800)
    assert len(world.said("capacity")) == tried


async def test_a_failed_resize_for_another_reason_fails_the_start_and_keeps_the_disk():
    world = await a_ladder()
    no_room(world, ASKED)
    world.cloud.fail_begin("resize", FatalError("PropertyChangeNotAllowed", "This size cannot be had."))
    disk = machine(world).disk_id
    await start(world)
    await rested(world)
    assert (world.hub.state, world.hub.size, machine(world).disk_id) == (S.STOPPED, ASKED, disk)


async def test_the_schedule_goes_on_after_a_start_that_failed():
    world = await a_stopped(schedule=a_schedule())
    no_room(world, ASKED)
    await world.run(lambda: "StartFailed" in conditions(world), limit_s=24 * 3600)
    no_room(world)
    await world.run(limit_s=3600)
    assert world.hub.state is S.STOPPED, "it is not tried again before its next time"
    await world.run_to_rest(S.READY, limit_s=25 * 3600)
    assert (f"{world.clock.now():%a %H:%M}", conditions(world)) == ("Wed 07:30", [])


# ------------------------------------------------------------------ somebody deleted the machine


async def test_a_machine_that_was_deleted_is_not_made_again():
    world = await a_stopped()
    world.cloud.lose_vm(world.hub.group_name, world.hub.vm_name)
    await start(world)
    await world.run_to_rest(S.STOPPED, S.READY)
    assert world.hub.state is S.STOPPED
    assert set(conditions(world)) == {"StartFailed", "Drifted"}
    assert world.cloud.vms() == []
    assert world.hub.meter.billing is Billing.NOTHING
    begun = next(operation for operation in operations(world) if operation.kind == "start")
    assert (begun.status, begun.error and begun.error.code) == (OperationStatus.FAILED, "VmNotFound")
    await still_gone(world)


async def still_gone(world: World) -> None:
    for wish in (start, restart):
        with pytest.raises(UserError) as refused:
            await wish(world)
        assert refused.value.code == "MachineGone"
    await delete(world)
    await world.run_until_gone()
    assert world.cloud.groups == {}


async def test_a_restart_of_a_machine_that_was_deleted_says_so():
    world = await a_ready()
    world.cloud.lose_vm(world.hub.group_name, world.hub.vm_name)
    await restart(world)
    await rested(world)
    assert (world.hub.state, world.hub.meter.billing) == (S.STOPPED, Billing.NOTHING)
    assert "Drifted" in conditions(world)


async def test_a_stop_of_a_machine_that_was_deleted_ends_and_says_so():
    world = await a_ready()
    world.cloud.lose_vm(world.hub.group_name, world.hub.vm_name)
    await stop(world)
    await rested(world)
    assert (world.hub.state, world.hub.meter.billing) == (S.STOPPED, Billing.NOTHING)
    assert "Drifted" in conditions(world)
    assert ended(world)[-1] == ("stop", "Succeeded")


def blind(world: World, looks: int) -> list[int]:
    """The next looks at the machine find nothing, as just after a change or during trouble at Azure's."""
    vm, left = world.app.compute.vm, [looks]

    async def look(*args: Any, **more: Any) -> Any:
        if left[0] > 0:
            left[0] -= 1
            return None
        return await vm(*args, **more)

    replace_port(world, "compute", vm=look)
    return left


async def test_one_look_that_finds_no_machine_does_not_fail_a_start():
    """F25: absence is not deletion until a second look confirms it."""
    world = await a_stopped()
    left = blind(world, 1)
    await start(world)
    await rested(world)
    assert left == [0]
    assert (world.hub.state, conditions(world)) == (S.READY, [])
    assert world.hub.machine.missing_since is None


async def test_one_look_that_finds_no_machine_does_not_end_a_stop():
    world = await a_ready()
    left = blind(world, 1)
    await stop(world)
    await rested(world)
    assert left == [0]
    assert (world.hub.state, machine(world).power) == (S.STOPPED, "deallocated")
    assert world.hub.meter.billing is Billing.STOPPED
    assert world.hub.machine.missing_since is None


async def test_a_machine_that_was_out_of_sight_once_can_be_started_later():
    """One sweep did not find it (an outage of Azure's), the next one found it again."""
    world = await a_ready()
    machines = world.cloud.groups[world.hub.group_name.lower()].vms
    lost = dict(machines)
    world.cloud.lose_vm(world.hub.group_name, world.hub.vm_name)
    await world.run(limit_s=300)
    machines.update(lost)
    await world.run(limit_s=3600)
    assert world.hub.state is S.READY
    await stop(world)
    await rested(world)
    await start(world)
    await rested(world)
    assert world.hub.state is S.READY


# ------------------------------------------------------------------ failed hubs


async def test_a_failed_hub_is_deallocated_and_its_bill_follows():
    world = await a_failed()
    assert machine(world).power == "deallocated"
    assert world.hub.meter.billing is Billing.STOPPED


async def test_a_failed_hub_that_somebody_turned_on_is_deallocated_again():
    world = await a_failed()
    await world.run(limit_s=600)
    set_power(world, "running")
    await world.run(limit_s=SETTLED_S)
    assert (world.hub.state, machine(world).power) == (S.FAILED, "deallocated")
