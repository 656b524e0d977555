"""`Compute` after the VM was made: start, restart, resize, the power of all. Fakes and simulated Azure alike."""

from collections.abc import Awaitable, Callable, Mapping

import pytest

from shared.adapters.arm.operations import ArmLongOperations
from shared.errors import CapacityError, FatalError, RetryableError
from shared.hubs.ports import Begun, VmPower, VmSize
from tests.contract.arm.backends import (
    GROUP,
    Azure,
    SimulatedAzure,
    finish,
    has_group,
    has_network,
    has_vm,
    has_vm_that_is_off,
    power_of,
    vm_plan,
)

VM, SIZE, LARGER = vm_plan().name, vm_plan().size, "Standard_D4s_v3"

type Verb = Callable[[Azure], Awaitable[Begun]]

VERBS: Mapping[str, Verb] = {
    "start": lambda azure: azure.compute.begin_start(GROUP, VM),
    "restart": lambda azure: azure.compute.begin_restart(GROUP, VM),
    "resize": lambda azure: azure.compute.begin_resize(GROUP, VM, LARGER),
}
every_verb = pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)


async def the_only_power(azure: Azure) -> VmPower:
    (only,) = await azure.compute.powers()
    return only


# ---- start


async def test_a_deallocated_vm_starts_and_is_still_the_same(azure: Azure) -> None:
    await has_vm_that_is_off(azure)
    before = await azure.compute.vm(GROUP, VM)

    assert await finish(azure, await azure.compute.begin_start(GROUP, VM)) is None

    after = await azure.compute.vm(GROUP, VM, with_power=True)
    assert before is not None and after is not None
    assert (after.power, after.provisioning) == ("running", "succeeded")
    assert (after.vm_id, after.nic_ids, after.size) == (before.vm_id, before.nic_ids, before.size)


async def test_a_start_takes_its_time(azure: Azure) -> None:
    await has_vm_that_is_off(azure)

    begun = await azure.compute.begin_start(GROUP, VM)

    assert begun.handle is not None
    assert not (await azure.operations.poll(begun.handle)).done
    assert await power_of(azure) == "starting"


async def test_starting_a_vm_that_runs_ends_well(azure: Azure) -> None:
    await has_vm(azure)

    assert await finish(azure, await azure.compute.begin_start(GROUP, VM)) is None

    assert await power_of(azure) == "running"


async def test_a_start_without_room_says_so_in_the_poll_and_leaves_the_vm_off(azure: Azure) -> None:
    await has_vm_that_is_off(azure)
    azure.room(SIZE, here=False)

    failure = await finish(azure, await azure.compute.begin_start(GROUP, VM))

    assert isinstance(failure, CapacityError) and failure.code == "AllocationFailed"
    assert await power_of(azure) == "deallocated"


async def test_a_start_works_again_once_there_is_room(azure: Azure) -> None:
    await has_vm_that_is_off(azure)
    azure.room(SIZE, here=False)
    await finish(azure, await azure.compute.begin_start(GROUP, VM))
    azure.room(SIZE, here=True)

    assert await finish(azure, await azure.compute.begin_start(GROUP, VM)) is None

    assert await power_of(azure) == "running"


async def test_a_vm_that_keeps_its_hardware_needs_no_room(azure: Azure) -> None:
    await has_vm(azure)
    azure.room(SIZE, here=False)

    assert await finish(azure, await azure.compute.begin_start(GROUP, VM)) is None
    assert await finish(azure, await azure.compute.begin_restart(GROUP, VM)) is None


# ---- restart


async def test_a_restarted_vm_runs(azure: Azure) -> None:
    await has_vm(azure)

    begun = await azure.compute.begin_restart(GROUP, VM)

    assert begun.handle is not None
    assert await finish(azure, begun) is None
    assert await power_of(azure) == "running"


async def test_what_is_off_is_not_restarted(azure: Azure) -> None:
    await has_vm_that_is_off(azure)

    with pytest.raises(RetryableError) as refused:
        await azure.compute.begin_restart(GROUP, VM)

    assert refused.value.code == "OperationNotAllowed"
    assert await power_of(azure) == "deallocated"


# ---- resize


async def test_a_deallocated_vm_gets_another_size_and_nothing_else(azure: Azure) -> None:
    await has_vm_that_is_off(azure)
    before = await azure.compute.vm(GROUP, VM, with_power=True)

    assert await finish(azure, await azure.compute.begin_resize(GROUP, VM, LARGER)) is None

    after = await azure.compute.vm(GROUP, VM, with_power=True)
    assert before is not None and after is not None
    assert (after.size, after.power, after.provisioning) == (LARGER, "deallocated", "succeeded")
    assert (after.vm_id, after.nic_ids, dict(after.tags)) == (before.vm_id, before.nic_ids, dict(before.tags))


async def test_the_size_it_has_may_be_asked_for_again(azure: Azure) -> None:
    await has_vm_that_is_off(azure)

    for _ in range(2):
        assert await finish(azure, await azure.compute.begin_resize(GROUP, VM, LARGER)) is None


async def test_another_size_is_the_way_out_when_there_is_no_room(azure: Azure) -> None:
    await has_vm_that_is_off(azure)
    azure.room(SIZE, here=False)
    assert isinstance(await finish(azure, await azure.compute.begin_start(GROUP, VM)), CapacityError)

    assert await finish(azure, await azure.compute.begin_resize(GROUP, VM, LARGER)) is None
    assert await finish(azure, await azure.compute.begin_start(GROUP, VM)) is None

    assert await power_of(azure) == "running"


async def test_a_failed_resize_is_capacity_too(azure: Azure) -> None:
    await has_vm_that_is_off(azure)
    azure.refuse("resize", "AllocationFailed")

    failure = await finish(azure, await azure.compute.begin_resize(GROUP, VM, LARGER))

    assert isinstance(failure, CapacityError)
    assert await power_of(azure) == "deallocated"


async def test_a_size_beyond_the_quota_is_capacity_at_once(simulated: SimulatedAzure) -> None:
    await has_vm_that_is_off(simulated)
    simulated.simulator.services.settings.quotas["cores"] = 2

    with pytest.raises(CapacityError) as refused:
        await simulated.compute.begin_resize(GROUP, VM, LARGER)

    assert refused.value.code == "RegionalQuotaExceeded"


async def test_a_size_nobody_has_is_capacity_at_once(simulated: SimulatedAzure) -> None:
    await has_vm_that_is_off(simulated)

    with pytest.raises(CapacityError) as refused:
        await simulated.compute.begin_resize(GROUP, VM, "Standard_X9")

    assert refused.value.code == "SkuNotAvailable"


# ---- all three


@every_verb
async def test_nothing_is_done_to_a_vm_that_is_not_there(azure: Azure, verb: Verb) -> None:
    await has_network(azure)

    with pytest.raises(FatalError) as gone:
        await verb(azure)

    assert gone.value.code == "VmNotFound"


@every_verb
async def test_nothing_is_done_in_a_group_that_is_not_there(azure: Azure, verb: Verb) -> None:
    with pytest.raises(FatalError) as gone:
        await verb(azure)

    assert gone.value.code == "VmNotFound"


@pytest.mark.parametrize("verb", [*VERBS.values(), lambda azure: azure.compute.begin_deallocate(GROUP, VM)])
async def test_one_operation_at_a_time(azure: Azure, verb: Verb) -> None:
    await has_vm_that_is_off(azure)
    begun = await azure.compute.begin_start(GROUP, VM)

    with pytest.raises(RetryableError) as busy:
        await verb(azure)

    assert busy.value.code == "Conflict"
    assert await finish(azure, begun) is None
    assert await power_of(azure) == "running"


@every_verb
async def test_one_begin_is_one_write(azure: Azure, verb: Verb) -> None:
    await has_vm(azure)
    before = azure.writes()

    await finish(azure, await verb(azure))

    assert azure.writes() == before + 1


@pytest.mark.parametrize("verb", ["start", "resize"])
async def test_a_handle_survives_storage_and_another_process(simulated: SimulatedAzure, verb: str) -> None:
    await has_vm_that_is_off(simulated)
    handle = (await VERBS[verb](simulated)).handle
    assert handle is not None and len(handle) < 30_000
    looks = []

    for wait_s in (0, 600):
        simulated.advance(wait_s)
        before = len(simulated.wire.sent)
        looks.append(await ArmLongOperations(simulated.arm).poll(handle))
        assert [sent.method for sent in simulated.wire.sent[before:]] == ["GET"]

    assert [(look.done, look.failure) for look in looks] == [(False, None), (True, None)]


# ---- the power of all


async def test_all_vms_are_listed_with_their_power(azure: Azure) -> None:
    await has_vm(azure)
    assert await the_only_power(azure) == VmPower(group=GROUP, name=VM, power="running")

    await finish(azure, await azure.compute.begin_deallocate(GROUP, VM))

    assert (await the_only_power(azure)).power == "deallocated"


async def test_the_list_is_complete_however_many_pages_it_has(azure: Azure) -> None:
    await has_network(azure)
    names = [f"vm-{number}" for number in range(5)]
    for name in names:
        assert await finish(azure, await azure.compute.begin_vm(vm_plan(name=name, dns_label=name))) is None
    azure.pages_of(2)

    powers = await azure.compute.powers()

    assert sorted(one.name for one in powers) == names
    assert {(one.group, one.power) for one in powers} == {(GROUP, "running")}


async def test_without_vms_the_list_is_empty(azure: Azure) -> None:
    assert await azure.compute.powers() == []
    await has_group(azure)
    assert await azure.compute.powers() == []


async def test_a_vm_that_is_being_made_is_listed_without_power(azure: Azure) -> None:
    await has_network(azure)

    await azure.compute.begin_vm(vm_plan())

    assert (await the_only_power(azure)).power is None


async def test_the_list_writes_nothing(azure: Azure) -> None:
    await has_vm(azure)
    before = azure.writes()

    await azure.compute.powers()

    assert azure.writes() == before


async def test_the_list_is_one_request(simulated: SimulatedAzure) -> None:
    await has_vm(simulated)
    before = len(simulated.wire.sent)

    await simulated.compute.powers()

    assert [(sent.method, "statusOnly=true" in sent.query) for sent in simulated.wire.sent[before:]] == [("GET", True)]


async def test_the_list_of_sizes_names_every_machine_with_the_size_it_has(azure: Azure) -> None:
    await has_vm_that_is_off(azure)
    assert await finish(azure, await azure.compute.begin_resize(GROUP, vm_plan().name, "Standard_D4s_v3")) is None

    assert await azure.compute.sizes() == [VmSize(group=GROUP, name=vm_plan().name, size="Standard_D4s_v3")]
