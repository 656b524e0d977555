"""`LongOperations`: fakes and simulated Azure alike."""

import json

from shared.adapters.arm.operations import ArmLongOperations
from shared.errors import RetryableError
from tests.contract.arm.backends import GROUP, Azure, SimulatedAzure, finish, has_group, has_network, vm_plan


async def test_a_look_before_the_end_says_not_yet(azure: Azure) -> None:
    await has_network(azure)
    begun = await azure.compute.begin_vm(vm_plan())
    assert begun.handle is not None

    poll = await azure.operations.poll(begun.handle)

    assert not poll.done and poll.failure is None


async def test_looks_after_the_end_all_say_done(azure: Azure) -> None:
    await has_network(azure)
    begun = await azure.compute.begin_vm(vm_plan())
    assert begun.handle is not None
    azure.advance(600)

    assert [(await azure.operations.poll(begun.handle)).done for _ in range(2)] == [True, True]


async def test_a_handle_nobody_knows_is_done(azure: Azure) -> None:
    for handle in ("", "nonsense", "{}", "[]", '{"v":1,"token":"%%%"}', '{"v":99,"token":"e30="}', "null"):
        poll = await azure.operations.poll(handle)
        assert poll.done and poll.failure is None, handle


async def test_one_look_is_one_get(simulated: SimulatedAzure) -> None:
    await has_network(simulated)
    begun = await simulated.compute.begin_vm(vm_plan())
    assert begun.handle is not None

    for after in (0, 600):  # still going; over
        simulated.advance(after)
        before = len(simulated.wire.sent)
        await simulated.operations.poll(begun.handle)
        assert [sent.method for sent in simulated.wire.sent[before:]] == ["GET"]


async def test_azures_wish_for_the_next_look_is_passed_on(simulated: SimulatedAzure) -> None:
    await has_network(simulated)
    begun = await simulated.compute.begin_vm(vm_plan())
    assert begun.handle is not None

    poll = await simulated.operations.poll(begun.handle)

    assert begun.retry_after_s == 10
    assert poll.retry_after_s is not None and poll.retry_after_s > 0


async def test_a_handle_survives_storage_and_another_process(simulated: SimulatedAzure) -> None:
    await has_network(simulated)
    begun = await simulated.compute.begin_vm(vm_plan())
    stored = json.loads(json.dumps({"handle": begun.handle}))["handle"]
    simulated.advance(600)

    poll = await ArmLongOperations(simulated.arm).poll(stored)

    assert poll.done and poll.failure is None


async def test_a_handle_fits_into_a_table_property(simulated: SimulatedAzure) -> None:
    """64 KiB of UTF-16, so 32,000 characters; addresses alone are up to 3.5 kB each, and there may be two."""
    await has_network(simulated)

    begun = await simulated.compute.begin_vm(vm_plan())

    assert begun.handle is not None and len(begun.handle) < 30_000


async def test_an_operation_azure_forgot_is_done(simulated: SimulatedAzure) -> None:
    await has_network(simulated)
    begun = await simulated.compute.begin_vm(vm_plan())
    assert begun.handle is not None
    simulated.simulator.services.operations.clear()

    poll = await simulated.operations.poll(begun.handle)

    assert poll.done and poll.failure is None


async def test_a_group_that_cannot_be_deleted_says_so_in_the_poll(simulated: SimulatedAzure) -> None:
    await has_group(simulated)
    simulated.refuse("group_delete", "InternalServerError")

    failure = await finish(simulated, await simulated.groups.begin_delete(GROUP))

    assert isinstance(failure, RetryableError)
    assert await simulated.groups.get(GROUP) is not None
