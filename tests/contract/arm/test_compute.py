"""`Compute`: fakes and simulated Azure alike."""

import pytest

from shared.errors import CapacityError, FatalError, UserError
from tests.contract.arm.backends import GROUP, TAGS, Azure, SimulatedAzure, finish, has_network, has_vm, vm_plan

VM = vm_plan().name


async def test_a_vm_is_made_and_runs(azure: Azure) -> None:
    await has_vm(azure)

    view = await azure.compute.vm(GROUP, VM, with_power=True)

    assert view is not None
    assert (view.provisioning, view.power, view.size) == ("succeeded", "running", "Standard_D2s_v3")
    assert view.vm_id.lower().endswith(f"/virtualmachines/{VM}")
    assert len(view.nic_ids) == 1
    assert dict(view.tags) == TAGS


async def test_while_it_is_made_a_vm_says_so(azure: Azure) -> None:
    await has_network(azure)

    begun = await azure.compute.begin_vm(vm_plan())

    view = await azure.compute.vm(GROUP, VM)
    assert begun.handle is not None
    assert view is not None and view.provisioning == "creating"


async def test_power_is_not_told_unless_asked(azure: Azure) -> None:
    await has_vm(azure)

    view = await azure.compute.vm(GROUP, VM)

    assert view is not None and view.power is None


async def test_an_absent_vm_is_none(azure: Azure) -> None:
    assert await azure.compute.vm("nowhere", VM) is None
    await has_network(azure)
    assert await azure.compute.vm(GROUP, VM) is None


async def test_the_same_plan_again_makes_no_second_vm(azure: Azure) -> None:
    await has_vm(azure)
    first = await azure.compute.vm(GROUP, VM)

    assert await finish(azure, await azure.compute.begin_vm(vm_plan())) is None

    second = await azure.compute.vm(GROUP, VM)
    assert first is not None and second is not None
    assert (second.vm_id, second.nic_ids) == (first.vm_id, first.nic_ids)


async def test_other_custom_data_is_refused_for_an_existing_vm(azure: Azure) -> None:
    await has_vm(azure)

    with pytest.raises(FatalError) as refused:
        await azure.compute.begin_vm(vm_plan(custom_data=b"#cloud-config\n{other: 1}\n"))

    assert refused.value.code == "PropertyChangeNotAllowed"


async def test_a_dns_name_somebody_has_is_the_callers_problem(azure: Azure) -> None:
    await has_vm(azure)

    with pytest.raises(UserError) as refused:
        begun = await azure.compute.begin_vm(vm_plan(name="physics-ab2cd3-a2-vm"))
        failure = await finish(azure, begun)
        assert failure is not None
        raise failure

    assert refused.value.code == "DnsRecordInUse"


async def test_no_capacity_comes_out_in_the_poll_and_leaves_a_failed_vm(azure: Azure) -> None:
    await has_network(azure)
    azure.refuse("vm", "AllocationFailed")

    failure = await finish(azure, await azure.compute.begin_vm(vm_plan()))

    assert isinstance(failure, CapacityError) and failure.code == "AllocationFailed"
    view = await azure.compute.vm(GROUP, VM)
    assert view is not None and view.provisioning == "failed"


async def test_an_os_that_does_not_report_is_fatal_for_now(azure: Azure) -> None:
    await has_network(azure)
    azure.refuse("vm", "OSProvisioningTimedOut")

    failure = await finish(azure, await azure.compute.begin_vm(vm_plan()))

    assert isinstance(failure, FatalError) and failure.code == "OSProvisioningTimedOut"


async def test_a_deallocated_vm_is_seen_deallocated(azure: Azure) -> None:
    await has_vm(azure)

    assert await finish(azure, await azure.compute.begin_deallocate(GROUP, VM)) is None

    view = await azure.compute.vm(GROUP, VM, with_power=True)
    assert view is not None and view.power == "deallocated"


async def test_deallocating_twice_ends_well_twice(azure: Azure) -> None:
    await has_vm(azure)
    await finish(azure, await azure.compute.begin_deallocate(GROUP, VM))

    assert await finish(azure, await azure.compute.begin_deallocate(GROUP, VM)) is None


async def test_deallocating_an_absent_vm_is_over_at_once(azure: Azure) -> None:
    await has_network(azure)

    assert (await azure.compute.begin_deallocate(GROUP, VM)).handle is None


async def test_one_begin_is_one_write(azure: Azure) -> None:
    await has_network(azure)
    before = azure.writes()

    await azure.compute.begin_vm(vm_plan())
    assert azure.writes() == before + 1


async def test_a_vm_is_one_put_and_nothing_else_on_the_wire(simulated: SimulatedAzure) -> None:
    await has_network(simulated)
    before = len(simulated.wire.sent)

    await simulated.compute.begin_vm(vm_plan())

    assert [sent.method for sent in simulated.wire.sent[before:]] == ["PUT"]


async def test_a_hub_is_four_writes_until_its_vm_exists(simulated: SimulatedAzure) -> None:
    await has_vm(simulated)

    assert simulated.writes() == 4


async def test_a_quota_of_cores_is_capacity_and_says_which(simulated: SimulatedAzure) -> None:
    await has_network(simulated)
    simulated.simulator.services.settings.quotas["cores"] = 1

    with pytest.raises(CapacityError) as refused:
        await simulated.compute.begin_vm(vm_plan())

    assert refused.value.code == "RegionalQuotaExceeded"
    assert "Total Regional Cores" in refused.value.message


async def test_a_vm_is_made_in_the_zone_it_names(azure: Azure) -> None:
    await has_network(azure)
    azure.zones("Standard_D2s_v3", "1", "2")

    assert await finish(azure, await azure.compute.begin_vm(vm_plan(zone="2"))) is None

    assert await finish(azure, await azure.compute.begin_vm(vm_plan(zone="2"))) is None
    with pytest.raises(FatalError) as moved:
        await azure.compute.begin_vm(vm_plan(zone="1"))
    assert moved.value.code == "PropertyChangeNotAllowed"


async def test_a_zone_the_region_lacks_is_capacity_at_once(azure: Azure) -> None:
    await has_network(azure)

    with pytest.raises(CapacityError) as refused:
        await azure.compute.begin_vm(vm_plan(zone="9"))

    assert refused.value.code == "AvailabilityZoneNotSupported"
    assert await azure.compute.vm(GROUP, vm_plan().name) is None


@pytest.mark.parametrize(
    ("zone", "code"), [(None, "AllocationFailed"), ("1", "ZonalAllocationFailed")], ids=["no zone", "zone"]
)
async def test_a_create_without_room_fails_in_the_poll_and_leaves_a_vm(
    azure: Azure, zone: str | None, code: str
) -> None:
    await has_network(azure)
    azure.zones("Standard_D2s_v3", "1", "2")
    azure.room("Standard_D2s_v3", here=False)

    failure = await finish(azure, await azure.compute.begin_vm(vm_plan(zone=zone)))

    assert isinstance(failure, CapacityError) and failure.code == code
    view = await azure.compute.vm(GROUP, vm_plan().name)
    assert view is not None and view.provisioning == "failed"


async def test_a_spot_vm_is_accepted(simulated: SimulatedAzure) -> None:
    await has_network(simulated)

    assert await finish(simulated, await simulated.compute.begin_vm(vm_plan(spot=True))) is None


async def test_the_other_ubuntu_is_accepted(simulated: SimulatedAzure) -> None:
    await has_network(simulated)

    assert await finish(simulated, await simulated.compute.begin_vm(vm_plan(image="ubuntu-22.04"))) is None
