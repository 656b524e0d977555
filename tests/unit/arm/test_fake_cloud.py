"""The in-memory Azure does what component tests rely on (what it shares with Azure is in tests/contract/arm)."""

import pytest

from shared.errors import CapacityError, FatalError, RetryableError
from tests.contract.arm.backends import GROUP, FakeAzure, finish, has_group, has_network, has_vm, nsg_plan, vm_plan
from tests.support.fake_cloud import Call


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
