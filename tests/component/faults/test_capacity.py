"""Rows of the fault matrix about a machine that cannot be had, or does not come up, where it was asked for."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.errors import CapacityError, FatalError, HubletError, RetryableError, UserError
from shared.hubs import commands, refusals_memory, steer
from shared.hubs.ladder import MOST_TRIES
from shared.hubs.meter import Billing
from shared.hubs.model import Fallback, Hub, OperationStatus, Rung
from shared.hubs.states import HubState
from tests.component.lifecycle.days import replace_port
from tests.support.fake_arm import Call, FakeVm, make_size
from tests.support.world import OWNER, World

S = HubState
ASKED, SIBLING, OTHER, LARGER = "Standard_D2s_v3", "Standard_D2as_v5", "Standard_D2s_v5", "Standard_D4s_v3"
HOME, AWAY = "eastus", "eastus2"
PRICES = {ASKED: 0.096, SIBLING: 0.086, OTHER: 0.09, LARGER: 0.192}
ZONES = ("1", "2")


def a_world(*, zones: tuple[str, ...] = ()) -> World:
    """A region with four sizes, three of them as large as each other."""
    world = World()
    for name, vcpus in ((ASKED, 2), (SIBLING, 2), (OTHER, 2), (LARGER, 4)):
        world.cloud.sizes[name] = make_size(name, vcpus=vcpus, memory_gib=4.0 * vcpus, zones=zones)
    world.cloud.prices |= {(size, False): price for size, price in PRICES.items()}
    return world


def no_room(world: World, *places: str) -> None:
    """In lower case: `size`, `region`, `region/size`, `size@zone` (tests/support/fake_cloud.py)."""
    world.cloud.no_room = {place.lower() for place in places}


def refuse(world: World, place: str, code: str, message: str = "No.", *, fix: str = "Choose another size.") -> None:
    world.cloud.refused[place.lower()] = CapacityError(code, message, fix=fix)


def quota(world: World, *places: str) -> None:
    for place in places:
        refuse(world, place, "QuotaExceeded", f"Azure says: exceeding approved {place} Family Cores quota.")


def tries(hub: Hub) -> list[tuple[int, str, str, str | None, str]]:
    return [(one.number, one.region, one.size, one.zone, one.outcome) for one in hub.attempts]


def the_machine(world: World) -> FakeVm:
    (vm,) = world.cloud.vms()
    assert len(world.cloud.groups) == 1, "what earlier attempts left must be gone"
    return vm


def machine_writes(world: World) -> list[str]:
    return [call.name for call in world.cloud.writes if call.verb == "vm"]


def never_two_machines(world: World) -> None:
    def look(_: object) -> None:
        assert len(world.cloud.vms()) <= 1
        assert len(world.cloud.groups) <= 1, "an attempt began beside another one"

    world.cloud.before_write = world.cloud.after_write = look


async def ready(world: World, fallback: Fallback = Fallback()) -> Hub:  # noqa: B008 (frozen)
    never_two_machines(world)
    await world.create("demo", fallback=fallback)
    hub = await world.run_to_rest(S.READY, S.FAILED)
    assert hub.state is S.READY, hub.reason
    await world.run(limit_s=60)
    return world.hub


async def failed(world: World, fallback: Fallback = Fallback()) -> Hub:  # noqa: B008 (frozen)
    never_two_machines(world)
    await world.create("demo", fallback=fallback)
    return await world.run_to_rest(S.FAILED, S.READY)


# ------------------------------------------------------------------ F27: quota, at the first answer


async def test_f27_a_used_up_quota_goes_on_with_the_owners_next_size_at_once_under_the_same_names():
    world = a_world()
    quota(world, ASKED)
    hub = await ready(world, Fallback(sizes=(LARGER,)))
    assert (hub.size, hub.attempt, the_machine(world).plan.size) == (LARGER, 1, LARGER)
    assert tries(hub) == [(1, HOME, ASKED, None, "refused"), (1, HOME, LARGER, None, "ready")]
    first, second = hub.attempts
    assert second.started_at - first.started_at < timedelta(seconds=10)
    assert len(machine_writes(world)) == 2, "that size is not asked for again"
    assert world.cloud.count("group_delete") == 0
    assert hub.spec.size == ASKED


async def test_f27_without_another_size_it_fails_within_30_s_and_says_which_quota():
    world = a_world()
    quota(world, ASKED, SIBLING, OTHER)
    began = world.clock.now()
    hub = await failed(world)
    assert hub.state is S.FAILED
    assert world.clock.now() - began <= timedelta(seconds=30)
    assert hub.reason is not None
    assert hub.reason.code == "QuotaExceeded"
    for size in (ASKED, SIBLING, OTHER):
        assert f"{size} in {HOME}: Azure says: exceeding approved {size} Family Cores quota." in hub.reason.message
    assert "`fallback`" in hub.reason.fix
    assert world.operation().error == hub.reason
    assert machine_writes(world) == [hub.vm_name] * 3
    assert hub.meter.billing is Billing.NOTHING


async def test_f27_the_cores_of_a_region_are_a_quota_of_all_its_sizes():
    world = a_world(zones=ZONES)
    refuse(world, HOME, "RegionalQuotaExceeded", "Total Regional Cores quota.")
    hub = await ready(world, Fallback(regions=(AWAY,)))
    assert tries(hub) == [(1, HOME, ASKED, None, "refused"), (2, AWAY, ASKED, None, "ready")]
    assert (hub.region, hub.spec.region, the_machine(world).plan.region) == (AWAY, HOME, AWAY)
    assert [group.region for group in world.cloud.groups.values()] == [AWAY]


async def test_f27_a_family_without_quota_is_not_tried_in_its_zones_either():
    world = a_world(zones=ZONES)
    quota(world, ASKED)
    hub = await ready(world)
    assert tries(hub) == [(1, HOME, ASKED, None, "refused"), (1, HOME, SIBLING, None, "ready")]


# ------------------------------------------------------------------ F28: no room


async def test_f28_the_ladder_is_zone_then_size_then_region_each_attempt_after_the_last_was_seen_gone():
    world = a_world(zones=ZONES)
    no_room(world, HOME)
    hub = await ready(world, Fallback(sizes=(LARGER,), regions=(AWAY,)))
    assert tries(hub) == [
        (1, HOME, ASKED, None, "refused"),
        (2, HOME, ASKED, "1", "refused"),
        (3, HOME, ASKED, "2", "refused"),
        (4, HOME, LARGER, None, "refused"),
        (5, HOME, LARGER, "1", "refused"),
        (6, HOME, LARGER, "2", "refused"),
        (7, AWAY, ASKED, None, "ready"),
    ]
    assert [one.reason.code for one in hub.attempts[:2] if one.reason] == ["AllocationFailed", "ZonalAllocationFailed"]
    vm = the_machine(world)
    assert (vm.plan.name, vm.plan.group, vm.plan.dns_label) == (f"{hub.id}-a7-vm", hub.group_name, f"{hub.id}-a7")
    assert vm.plan.region == AWAY


async def test_f28_a_zone_with_room_is_found_when_azures_own_choice_has_none():
    world = a_world(zones=ZONES)
    no_room(world, f"{ASKED}@none", f"{ASKED}@1")
    hub = await ready(world)
    assert (hub.size, hub.region, hub.zone, the_machine(world).plan.zone) == (ASKED, HOME, "2", "2")
    assert not world.told.of("capacity-changed"), "it is what was asked for"


async def test_f28_without_a_list_of_the_owners_a_size_as_large_and_no_dearer_will_do():
    world = a_world()
    world.cloud.prices[SIBLING, False] = PRICES[ASKED] + 0.01
    no_room(world, ASKED)
    hub = await ready(world)
    assert tries(hub) == [(1, HOME, ASKED, None, "refused"), (2, HOME, OTHER, None, "ready")]


async def test_f28_no_region_but_the_owners_is_ever_tried():
    world = a_world()
    no_room(world, ASKED, SIBLING, OTHER)
    hub = await failed(world)
    assert {one.region for one in hub.attempts} == {HOME}
    assert {call.group for call in world.cloud.writes if call.verb == "group_put"}
    assert [one.size for one in hub.attempts] == [ASKED, SIBLING, OTHER]
    assert hub.reason is not None
    assert hub.reason.code == "AllocationFailed"
    assert [condition.type for condition in hub.conditions] == []
    assert len(world.cloud.groups) == 1, "the evidence of the last attempt stays"


async def test_f28_nothing_above_the_owners_ceiling_is_tried():
    world = a_world()
    no_room(world, ASKED)
    hub = await ready(world, Fallback(sizes=(LARGER, SIBLING), max_price_per_hour=0.15))
    assert [one.size for one in hub.attempts] == [ASKED, SIBLING]


@pytest.mark.parametrize("code", ["SkuNotAvailable", "SomethingNewAboutCapacity"])
async def test_f28_a_size_that_is_not_available_closes_it_in_all_zones(code: str):
    world = a_world(zones=ZONES)
    refuse(world, ASKED, code)
    hub = await ready(world)
    assert tries(hub) == [(1, HOME, ASKED, None, "refused"), (1, HOME, SIBLING, None, "ready")]


async def test_f28_every_try_is_told_and_another_size_is_a_notice():
    world = a_world()
    no_room(world, ASKED)
    hub = await ready(world)
    assert (hub.size, hub.spec.size) == (SIBLING, ASKED)
    assert any(f"Azure refused {ASKED} in {HOME}" in message for message in world.said("capacity"))
    (told,) = world.told.of("capacity-changed")
    assert (told.data["size"], told.data["before"], told.data["region"]) == (SIBLING, ASKED, HOME)
    operation = world.operation()
    assert operation.status is OperationStatus.SUCCEEDED


async def test_f28_the_bill_is_that_of_the_size_the_hub_got():
    world = a_world()
    no_room(world, ASKED)
    hub = await ready(world)
    assert hub.price is not None
    assert hub.price.vm == PRICES[SIBLING]
    before = sum(month.vm for month in hub.meter.months.values())
    since = hub.meter.since
    await world.run(limit_s=10 * 3600)
    await world.stop()
    await world.run_to_rest(S.STOPPED)
    assert since is not None
    hours = (world.clock.now() - since).total_seconds() / 3600
    spent = sum(month.vm for month in world.hub.meter.months.values()) - before
    assert spent == pytest.approx(hours * PRICES[SIBLING], rel=0.01)


async def test_f28_a_hub_on_another_size_stops_and_starts_as_that_one_while_the_first_is_full():
    world = a_world()
    no_room(world, ASKED)
    await ready(world)
    await world.stop()
    await world.run_to_rest(S.STOPPED)
    await world.start()
    hub = await world.run_to_rest(S.READY, limit_s=1800)
    assert (hub.size, the_machine(world).plan.size) == (SIBLING, SIBLING)


async def test_f28_a_create_never_tries_without_end():
    world = a_world(zones=tuple(str(number) for number in range(1, 40)))
    no_room(world, HOME)
    hub = await failed(world)
    assert hub.state is S.FAILED
    assert len(hub.attempts) == MOST_TRIES


# ------------------------------------------------------------------ F28: what all hubs remember


async def test_f28_what_one_hub_was_refused_is_not_asked_for_by_the_next():
    world = a_world()
    no_room(world, ASKED)
    await ready(world)
    world.cloud.before_write = world.cloud.after_write = None
    before = len(machine_writes(world))
    second = (
        await commands.create_hub(
            world.app, OWNER, world.hub.spec, name="other", idempotency=None, request_id="r", price=None
        )
    ).hub
    await world.run(lambda: hub_of(world, second).state in (S.READY, S.FAILED), limit_s=3600)
    hub = hub_of(world, second)
    assert tries(hub) == [(1, HOME, SIBLING, None, "ready")]
    assert len(machine_writes(world)) == before + 1
    history = world.storage.hubs.history[hub.owner, hub.id]
    assert any("refused it lately" in event.message and ASKED in event.message for event in history.values())


def hub_of(world: World, hub: Hub) -> Hub:
    return world.storage.hubs.hubs[hub.owner, hub.name]


@pytest.mark.parametrize(
    ("code", "minutes"), [("AllocationFailed", 10), ("QuotaExceeded", 10), ("SkuNotAvailable", 360)]
)
async def test_f28_a_refusal_is_forgotten_after_its_time(code: str, minutes: int):
    world = a_world()
    rung = Rung(region=HOME, size=ASKED)
    await refusals_memory.remember(world.app, rung, code)
    world.clock.advance(minutes * 60 - 1)
    assert refusals_memory.says_no(await refusals_memory.recall(world.app, HOME), rung)
    world.clock.advance(2)
    assert not refusals_memory.says_no(await refusals_memory.recall(world.app, HOME), rung)


async def test_f28_nobody_is_told_no_from_memory_alone():
    world = a_world()
    for size in (ASKED, SIBLING, OTHER):
        await refusals_memory.remember(world.app, Rung(region=HOME, size=size), "SkuNotAvailable")
    hub = await ready(world)
    assert tries(hub) == [(1, HOME, ASKED, None, "ready")]


async def test_f28_what_was_asked_for_is_tried_at_last_when_memory_alone_was_against_it():
    world = a_world()
    for size in (ASKED, OTHER):
        await refusals_memory.remember(world.app, Rung(region=HOME, size=size), "SkuNotAvailable")
    no_room(world, SIBLING)
    hub = await ready(world)
    assert tries(hub) == [(1, HOME, SIBLING, None, "refused"), (2, HOME, ASKED, None, "ready")]


async def test_f28_when_that_one_try_is_refused_what_was_not_tried_is_named():
    world = a_world()
    for size in (ASKED, SIBLING, OTHER):
        await refusals_memory.remember(world.app, Rung(region=HOME, size=size), "SkuNotAvailable")
    quota(world, ASKED)
    hub = await failed(world)
    assert [one.size for one in hub.attempts] == [ASKED]
    assert hub.reason is not None
    assert f"{SIBLING} in {HOME} (SkuNotAvailable, until " in hub.reason.message


async def test_f28_trouble_with_the_cache_stops_no_hub():
    world = a_world()
    no_room(world, ASKED)
    for call in ("cache.get", "cache.put"):
        world.storage.tape.fail(call, RetryableError("StorageUnavailable", "no"), times=10_000)
    hub = await ready(world)
    assert hub.size == SIBLING


async def test_f28_a_start_passes_over_what_another_hub_was_refused():
    world = a_world()
    hub = await ready(world, Fallback(sizes=(LARGER, OTHER)))
    await world.stop()
    await world.run_to_rest(S.STOPPED)
    await world.run(limit_s=120)
    no_room(world, ASKED, LARGER)
    for size in (ASKED, LARGER):
        await refusals_memory.remember(world.app, Rung(region=HOME, size=size), "AllocationFailed")
    since = len(world.cloud.writes)
    await world.start()
    hub = await world.run_to_rest(S.READY, limit_s=1800)
    assert hub.size == OTHER
    assert [call.verb for call in world.cloud.writes[since:]][:2] == ["resize", "start"]


async def test_f28_a_quota_that_others_met_does_not_keep_a_machine_that_exists_from_starting():
    world = a_world()
    no_room(world, ASKED)
    assert (await ready(world)).size == SIBLING
    await world.stop()
    await world.run_to_rest(S.STOPPED)
    await refusals_memory.remember(world.app, Rung(region=HOME, size=LARGER), "RegionalQuotaExceeded")
    await world.start()
    hub = await world.run_to_rest(S.READY, limit_s=240)
    assert hub.size == SIBLING


async def test_f28_a_catalogue_that_cannot_be_read_leaves_the_owners_own_sizes():
    world = a_world(zones=ZONES)
    no_room(world, ASKED)
    world.cloud.fail_read("sizes", RetryableError("Unavailable", "no"), times=10_000)
    hub = await ready(world, Fallback(sizes=(LARGER,)))
    assert tries(hub) == [(1, HOME, ASKED, None, "refused"), (2, HOME, LARGER, None, "ready")]


# ------------------------------------------------------------------ F28: delete and retry in between


@pytest.mark.parametrize("after_s", [30, 75, 100, 180, 260, 330])
async def test_f28_a_delete_while_the_ladder_is_walked_leaves_nothing(after_s: int):
    world = a_world(zones=ZONES)
    no_room(world, HOME)
    never_two_machines(world)
    created = await world.create("demo", fallback=Fallback(regions=(AWAY,)))
    await world.run(limit_s=after_s)
    await world.delete(created)
    await world.run_until_gone()
    await world.run(limit_s=900)
    assert world.cloud.groups == {}


async def test_f28_a_retry_begins_at_the_top_of_the_ladder_again():
    world = a_world()
    no_room(world, ASKED, SIBLING, OTHER)
    before = await failed(world)
    no_room(world)
    await world.run(limit_s=20 * 60)
    await steer.retry_hub(world.app, world.hub, world.asking())
    hub = await world.run_to_rest(S.READY)
    assert (hub.size, hub.attempt) == (ASKED, before.attempt + 1)
    assert hub.price is not None
    assert hub.price.vm == PRICES[ASKED]


# ------------------------------------------------------------------ F23, F24, F29: the same machine once more


PASSING = RetryableError("InternalExecutionError", "An internal execution error occurred.")
NO_SIGN = FatalError("OSProvisioningTimedOut", "The machine did not report in time that it has started.")


@pytest.mark.parametrize(
    ("row", "failure", "power"), [("F23", PASSING, None), ("F29", NO_SIGN, "running"), ("F29", NO_SIGN, None)]
)
async def test_f29_f23_a_machine_that_fails_without_a_refusal_is_made_once_more(
    row: str, failure: HubletError, power: str | None
):
    world = a_world()
    world.cloud.fail_poll("vm", failure, power=power)
    hub = await ready(world)
    assert tries(hub) == [(1, HOME, ASKED, None, "failed"), (2, HOME, ASKED, None, "ready")]
    assert the_machine(world).plan.name == f"{hub.id}-a2-vm"
    assert len(world.cloud.vms_created) == 2


async def test_f23_a_failure_that_passes_at_first_is_made_once_more_and_no_third_time():
    world = a_world()
    world.cloud.fail_poll("vm", PASSING, times=5)
    hub = await failed(world)
    assert hub.state is S.FAILED
    assert hub.reason is not None
    assert PASSING.message in hub.reason.message
    assert len(world.cloud.vms_created) == 2


async def test_f23_a_refusal_of_the_second_machine_still_walks_the_ladder():
    world = a_world()
    world.cloud.fail_poll("vm", PASSING)

    def full_by_now(call: Call) -> None:
        if call.verb == "group_put" and call.name.endswith("-a2"):
            no_room(world, ASKED)

    world.cloud.before_write = full_by_now
    await world.create("demo")
    hub = await world.run_to_rest(S.READY, S.FAILED)
    assert [(one.size, one.outcome) for one in hub.attempts] == [
        (ASKED, "failed"),
        (ASKED, "refused"),
        (SIBLING, "ready"),
    ]


async def test_f23_a_put_that_was_taken_although_nobody_answered_is_cleared_away_before_another_zone_is_tried():
    """The machine of the first PUT shows late, and a second PUT is refused meanwhile: what is there is of no zone."""
    world = a_world(zones=ZONES)
    never_two_machines(world)
    lost = [True]

    def lose_the_answer(call: Call) -> None:
        if call.verb == "vm" and lost:
            lost.clear()
            world.cloud.fail_begin("vm", CapacityError("AllocationFailed", "No room."))
            raise RetryableError("AzureUnreachable", "No answer.")

    world.cloud.after_write = lose_the_answer
    view = world.app.compute.vm

    async def late(group: str, name: str, **how: bool) -> object:
        return await view(group, name, **how) if len(machine_writes(world)) > 2 else None

    replace_port(world, "compute", vm=late)
    await world.create("demo")
    hub = await world.run_to_rest(S.READY, S.FAILED)
    assert tries(hub) == [
        (1, HOME, ASKED, None, "refused"),
        (1, HOME, ASKED, "1", "failed"),
        (2, HOME, ASKED, "1", "ready"),
    ]
    assert the_machine(world).plan.zone == "1"


async def test_f23_the_size_that_the_machine_really_has_is_the_one_that_is_billed():
    world = a_world()
    await world.create("demo")
    await world.run(lambda: bool(world.cloud.vms()), limit_s=600)
    (vm,) = world.cloud.vms()
    vm.plan = replace(vm.plan, size=LARGER)  # of an earlier PUT that nobody saw answered
    hub = await world.run_to_rest(S.READY)
    assert hub.size == LARGER
    assert hub.price is not None
    assert hub.price.vm == PRICES[LARGER]
    assert [notice.data["size"] for notice in world.told.of("capacity-changed")] == [LARGER]


async def test_f29_a_machine_that_does_not_report_twice_fails_with_the_cause_and_stops_billing():
    world = a_world()
    world.cloud.fail_poll("vm", NO_SIGN, times=2, power="running")
    hub = await failed(world)
    assert hub.reason is not None
    assert (hub.state, hub.reason.code) == (S.FAILED, "OSProvisioningTimedOut")
    assert [one.outcome for one in hub.attempts] == ["failed", "failed"]
    await world.run(limit_s=600)
    assert the_machine(world).power == "deallocated"


async def test_f24_an_operation_that_never_ends_is_given_up_after_45_minutes_and_made_once_more():
    world = a_world()
    never_two_machines(world)
    world.cloud.durations["vm"] = 100 * 3600
    await world.create("demo")
    began = world.clock.now()
    await world.run(lambda: world.hub.life.clearing, limit_s=2 * 3600)
    waited = world.clock.now() - began
    assert timedelta(minutes=45) <= waited < timedelta(minutes=50)
    world.cloud.durations["vm"] = 60
    hub = await world.run_to_rest(S.READY)
    assert tries(hub) == [(1, HOME, ASKED, None, "failed"), (2, HOME, ASKED, None, "ready")]
    assert hub.attempts[0].reason is not None
    assert hub.attempts[0].reason.code == "DeadlinePassed"
    the_machine(world)


async def test_f24_a_refusal_that_comes_when_the_time_is_up_is_still_a_refusal():
    world = a_world()
    never_two_machines(world)
    world.cloud.durations["vm"] = 45 * 60 - 1
    no_room(world, ASKED)
    await world.create("demo")
    await world.run(lambda: world.hub.life.clearing, limit_s=3600)
    asked_for = next(call.at for call in world.cloud.writes if call.verb == "vm")
    assert world.clock.now() - asked_for > timedelta(minutes=45)
    world.cloud.durations["vm"] = 60
    hub = await world.run_to_rest(S.READY, S.FAILED)
    assert tries(hub) == [(1, HOME, ASKED, None, "refused"), (2, HOME, SIBLING, None, "ready")]


async def test_f24_a_second_operation_that_never_ends_fails_the_hub():
    world = a_world()
    world.cloud.durations["vm"] = 100 * 3600
    hub = await failed(world)
    assert hub.reason is not None
    assert (hub.state, hub.reason.code, hub.attempt) == (S.FAILED, "DeadlinePassed", 2)
    assert len(world.cloud.vms_created) == 2


# ------------------------------------------------------------------ F30: label taken, no address left


@pytest.mark.parametrize("late", [False, True], ids=["first-answer", "poll"])
async def test_f30_a_taken_dns_label_gets_another_suffix(late: bool):
    world = a_world()
    world.cloud.labels_checked_late = late
    never_two_machines(world)
    created = await world.create("demo")
    world.cloud.take_label(HOME, created.dns_label)
    hub = await world.run_to_rest(S.READY)
    label = the_machine(world).plan.dns_label
    assert label == (f"{hub.id}-a2" if late else f"{hub.id}-a1-2")
    assert hub.machine.fqdn is not None
    assert hub.machine.fqdn.startswith(f"{label}.")
    assert [one.outcome for one in hub.attempts] == ["failed", "ready"]
    assert hub.attempt == (2 if late else 1)


async def test_f30_a_repeated_put_repeats_the_label():
    world = a_world()
    created = await world.create("demo")
    world.cloud.take_label(HOME, created.dns_label)
    await world.run(lambda: world.hub.dns_label != created.dns_label, limit_s=600)
    world.cloud.fail_begin("vm", RetryableError("AzureUnreachable", "no answer"), times=2)
    hub = await world.run_to_rest(S.READY)
    assert the_machine(world).plan.dns_label == hub.dns_label == f"{hub.id}-a1-2"


@pytest.mark.parametrize("late", [False, True], ids=["first-answer", "poll"])
async def test_f30_after_three_labels_it_fails(late: bool):
    world = a_world()
    world.cloud.labels_checked_late = late
    created = await world.create("demo")
    suffixes = ("", "-a2", "-a3", "-a4") if late else ("", "-a1-2", "-a1-3", "-a1-4")
    for suffix in suffixes:
        world.cloud.take_label(HOME, f"{created.id}{suffix}")
    hub = await world.run_to_rest(S.FAILED, S.READY)
    assert hub.reason is not None
    assert (hub.state, hub.reason.code) == (S.FAILED, "DnsRecordInUse")
    assert len(machine_writes(world)) == 3


async def test_f30_without_an_address_left_the_region_is_closed():
    world = a_world(zones=ZONES)
    full = CapacityError("PublicIPCountLimitReached", "The quota of public IPs is used up.", fix="Ask for more.")
    world.cloud.fail_poll("vm", full)
    hub = await ready(world, Fallback(sizes=(SIBLING,), regions=(AWAY,)))
    assert tries(hub) == [(1, HOME, ASKED, None, "refused"), (2, AWAY, ASKED, None, "ready")]


async def test_f30_another_users_mistake_is_not_taken_for_a_label():
    world = a_world()
    world.cloud.fail_begin("vm", UserError("InvalidParameter", "The image is unknown."))
    hub = await failed(world)
    assert hub.reason is not None
    assert (hub.state, hub.reason.code) == (S.FAILED, "InvalidParameter")
