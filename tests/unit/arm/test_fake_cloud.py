"""The in-memory Azure does what component tests rely on (what it shares with Azure is in tests/contract/arm)."""

from datetime import UTC, datetime

import pytest

from shared.errors import CapacityError, FatalError, RetryableError
from tests.contract.arm.backends import (
    GROUP,
    FakeAzure,
    finish,
    has_group,
    has_network,
    has_vm,
    has_vm_that_is_off,
    nsg_plan,
    power_of,
    shutdown_plan,
    vm_plan,
)
from tests.support.fake_cloud import Call

VM, SIZE, LARGER = vm_plan().name, vm_plan().size, "Standard_D4s_v3"


async def test_a_planted_refusal_changes_nothing_and_ends_by_itself() -> None:
    azure = FakeAzure()
    await has_network(azure)
    azure.cloud.fail_begin("vm", CapacityError("SkuNotAvailable", "No."), times=2)

    for _ in range(2):
        with pytest.raises(CapacityError):
            await azure.compute.begin_vm(vm_plan())
    assert azure.cloud.vms() == []

    await azure.compute.begin_vm(vm_plan())
    assert len(azure.cloud.vms_created) == 1
    assert azure.cloud.count("vm") == 3


async def test_a_planted_failure_in_the_poll_leaves_the_vm_in_the_power_asked_for() -> None:
    azure = FakeAzure()
    await has_network(azure)
    azure.cloud.fail_poll("vm", FatalError("OSProvisioningTimedOut", "Slow."), power="running")

    failure = await finish(azure, await azure.compute.begin_vm(vm_plan()))

    assert failure is not None
    view = await azure.compute.vm(GROUP, vm_plan().name, with_power=True)
    assert view is not None and (view.provisioning, view.power) == ("failed", "running")


async def test_a_crash_after_a_write_leaves_what_was_written() -> None:
    azure = FakeAzure()
    await has_network(azure)

    def crash(call: Call) -> None:
        raise KeyboardInterrupt

    azure.cloud.after_write = crash
    with pytest.raises(KeyboardInterrupt):
        await azure.compute.begin_vm(vm_plan())
    azure.cloud.after_write = None

    assert len(azure.cloud.vms()) == 1
    await azure.compute.begin_vm(vm_plan())
    assert len(azure.cloud.vms_created) == 1


async def test_a_planted_read_failure_is_raised_as_often_as_asked() -> None:
    azure = FakeAzure()
    await has_group(azure)
    azure.cloud.fail_read("group_get", RetryableError("AzureUnreachable", "Gone."))

    with pytest.raises(RetryableError):
        await azure.groups.get(GROUP)
    assert await azure.groups.get(GROUP) is not None


async def test_the_address_can_come_late() -> None:
    azure = FakeAzure()
    azure.cloud.address_delay_s = 30
    await has_vm(azure)
    nic_id = azure.cloud.vms()[0].nic_id

    assert await azure.network.address(nic_id) is None
    azure.advance(30)
    assert await azure.network.address(nic_id.upper()) is not None


async def test_azure_can_forget_its_operations() -> None:
    azure = FakeAzure()
    await has_group(azure)
    begun = await azure.network.begin_nsg(nsg_plan())
    assert begun.handle is not None

    azure.cloud.forget_operations()

    assert (await azure.operations.poll(begun.handle)).done


async def test_people_change_things_behind_our_back() -> None:
    azure = FakeAzure()
    await has_vm(azure)
    name = vm_plan().name

    azure.cloud.set_power(GROUP, name, "stopped")
    view = await azure.compute.vm(GROUP, name, with_power=True)
    assert view is not None and view.power == "stopped"

    azure.cloud.lose_vm(GROUP, name)
    assert await azure.compute.vm(GROUP, name) is None


async def test_an_operation_of_no_duration_is_over_at_once() -> None:
    azure = FakeAzure()
    azure.cloud.durations["nsg"] = 0
    await has_group(azure)

    assert (await azure.network.begin_nsg(nsg_plan())).handle is None
    assert azure.cloud.nsg(GROUP, "hublet-nsg") == nsg_plan()


async def test_a_dns_name_can_be_taken_by_somebody_else() -> None:
    azure = FakeAzure()
    await has_network(azure)
    azure.cloud.take_label("eastus", vm_plan().dns_label)

    with pytest.raises(Exception, match="DnsRecordInUse"):
        await azure.compute.begin_vm(vm_plan())


# ---- power, size, the list of all


async def test_a_refused_start_changes_nothing() -> None:
    azure = FakeAzure()
    await has_vm_that_is_off(azure)
    azure.cloud.fail_begin("start", CapacityError("SkuNotAvailable", "No."))

    with pytest.raises(CapacityError):
        await azure.compute.begin_start(GROUP, VM)

    assert await power_of(azure) == "deallocated"
    assert azure.cloud.count("start") == 1


@pytest.mark.parametrize(
    ("verb", "power", "after"),
    [("start", None, "deallocated"), ("start", "running", "running"), ("restart", "stopped", "stopped")],
)
async def test_a_planted_failure_in_the_poll_leaves_the_power_asked_for_or_that_of_before(
    verb: str, power: str | None, after: str
) -> None:
    azure = FakeAzure()
    await (has_vm if verb == "restart" else has_vm_that_is_off)(azure)
    azure.cloud.fail_poll(verb, RetryableError("InternalExecutionError", "Oops."), power=power)
    begin = azure.compute.begin_restart if verb == "restart" else azure.compute.begin_start

    failure = await finish(azure, await begin(GROUP, VM))

    assert failure is not None and failure.code == "InternalExecutionError"
    view = await azure.compute.vm(GROUP, VM, with_power=True)
    assert view is not None and (view.provisioning, view.power) == ("failed", after)
    assert await finish(azure, await azure.compute.begin_start(GROUP, VM)) is None, "only as often as asked"


@pytest.mark.parametrize("size", [LARGER, LARGER.upper()])
async def test_a_resize_to_a_size_without_room_leaves_the_size_it_has(size: str) -> None:
    azure = FakeAzure()
    await has_vm_that_is_off(azure)
    azure.room(LARGER, here=False)

    failure = await finish(azure, await azure.compute.begin_resize(GROUP, VM, size))

    assert isinstance(failure, CapacityError) and failure.code == "AllocationFailed"
    view = await azure.compute.vm(GROUP, VM)
    assert view is not None and (view.size, view.provisioning) == (SIZE, "failed")


async def test_a_resize_takes_effect_at_its_end() -> None:
    azure = FakeAzure()
    await has_vm_that_is_off(azure)
    await azure.compute.begin_resize(GROUP, VM, LARGER)

    sizes = []
    for wait_s in (0, 5):
        azure.advance(wait_s)
        view = await azure.compute.vm(GROUP, VM)
        sizes.append(view.size if view else None)

    assert sizes == [SIZE, LARGER]


async def test_a_crash_after_a_resize_was_sent_leaves_it_sent() -> None:
    azure = FakeAzure()
    await has_vm_that_is_off(azure)

    def crash(call: Call) -> None:
        raise KeyboardInterrupt

    azure.cloud.after_write = crash
    with pytest.raises(KeyboardInterrupt):
        await azure.compute.begin_resize(GROUP, VM, LARGER)
    azure.cloud.after_write = None
    azure.advance(5)

    view = await azure.compute.vm(GROUP, VM)
    assert view is not None and view.size == LARGER


async def test_starting_what_runs_is_over_at_once() -> None:
    azure = FakeAzure()
    await has_vm(azure)

    assert (await azure.compute.begin_start(GROUP, VM)).handle is None


async def test_a_stopped_machine_starts_on_the_hardware_it_has_kept() -> None:
    azure = FakeAzure()
    await has_vm(azure)
    azure.cloud.set_power(GROUP, VM, "stopped")
    azure.room(SIZE, here=False)

    assert await finish(azure, await azure.compute.begin_start(GROUP, VM)) is None

    assert await power_of(azure) == "running"


async def test_a_group_that_is_being_deleted_takes_no_power_verbs() -> None:
    azure = FakeAzure()
    await has_vm_that_is_off(azure)
    await azure.groups.begin_delete(GROUP)

    with pytest.raises(RetryableError, match="ResourceGroupBeingDeleted"):
        await azure.compute.begin_start(GROUP, VM)


@pytest.mark.parametrize(("vms", "pages"), [(0, 1), (2, 1), (3, 2), (4, 2), (5, 3)])
async def test_the_list_of_all_is_one_read_for_each_page(vms: int, pages: int) -> None:
    azure = FakeAzure()
    azure.cloud.page_size = 2
    await has_network(azure)
    for number in range(vms):
        await azure.compute.begin_vm(vm_plan(name=f"vm-{number}", dns_label=f"vm-{number}"))
    azure.cloud.reads.clear()

    assert len(await azure.compute.powers()) == vms

    assert [call.verb for call in azure.cloud.reads] == ["powers"] * pages


async def test_the_list_of_all_can_fail() -> None:
    azure = FakeAzure()
    await has_vm(azure)
    azure.cloud.fail_read("powers", RetryableError("AzureThrottled", "Slower."))

    with pytest.raises(RetryableError):
        await azure.compute.powers()
    assert len(await azure.compute.powers()) == 1


# ---- daily shutdowns


async def test_a_daily_shutdown_that_came_is_remembered_with_its_time() -> None:
    azure = FakeAzure()
    await has_vm(azure)
    await azure.shutdowns.put(shutdown_plan(time="0200"))

    azure.advance(2 * 24 * 3600)

    assert await power_of(azure) == "deallocated"
    # once: the second night found nothing to do
    assert azure.cloud.fired == [Call("deallocate", GROUP, VM, datetime(2026, 3, 3, 2, 0, tzinfo=UTC))]
    assert azure.cloud.count("deallocate") == 0, "it is nothing that we wrote"


async def test_a_daily_shutdown_is_a_write_that_can_be_refused() -> None:
    azure = FakeAzure()
    await has_vm(azure)
    azure.cloud.fail_begin("shutdown", FatalError("RequestDisallowedByPolicy", "No."))

    with pytest.raises(FatalError):
        await azure.shutdowns.put(shutdown_plan())
    assert azure.cloud.shutdown(GROUP, VM) is None

    await azure.shutdowns.put(shutdown_plan())
    assert azure.cloud.shutdown(GROUP, VM) == shutdown_plan()
    assert azure.cloud.count("shutdown") == 2


async def test_a_daily_shutdown_finds_a_machine_that_came_up_just_before() -> None:
    """Within one leap of the clock: first the start ends, then the shutdown comes."""
    azure = FakeAzure()
    await has_vm_that_is_off(azure)
    await azure.shutdowns.put(shutdown_plan(time="0200"))
    azure.advance((datetime(2026, 3, 3, 1, 59, tzinfo=UTC) - azure.clock.now()).total_seconds())
    await azure.compute.begin_start(GROUP, VM)

    azure.advance(300)

    assert await power_of(azure) == "deallocated"
    assert len(azure.cloud.fired) == 1


async def test_a_machine_that_is_being_changed_escapes_the_daily_shutdown_until_the_next_day() -> None:
    azure = FakeAzure()
    await has_vm(azure)
    await azure.shutdowns.put(shutdown_plan(time="0200"))
    azure.advance((datetime(2026, 3, 3, 1, 59, 45, tzinfo=UTC) - azure.clock.now()).total_seconds())
    await azure.compute.begin_restart(GROUP, VM)

    azure.advance(3600)
    assert await power_of(azure) == "running"

    azure.advance(24 * 3600)
    assert await power_of(azure) == "deallocated"


async def test_a_machine_deleted_behind_our_back_leaves_its_daily_shutdown_behind() -> None:
    azure = FakeAzure()
    await has_vm(azure)
    await azure.shutdowns.put(shutdown_plan())

    azure.cloud.lose_vm(GROUP, VM)
    azure.advance(24 * 3600)

    assert azure.cloud.fired == []
    assert azure.cloud.shutdown(GROUP, VM) == shutdown_plan()


async def test_a_deleted_group_takes_its_daily_shutdowns_along() -> None:
    azure = FakeAzure()
    await has_vm(azure)
    await azure.shutdowns.put(shutdown_plan())
    await finish(azure, await azure.groups.begin_delete(GROUP))

    await has_vm(azure)

    assert azure.cloud.shutdown(GROUP, VM) is None
