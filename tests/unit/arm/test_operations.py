"""Long operations on the wire: what is asked, what is not, and what each answer means."""

import json

import pytest
from azure.core.exceptions import ServiceRequestError

from shared.adapters.arm.compute import ArmCompute
from shared.adapters.arm.groups import ArmResourceGroups
from shared.adapters.arm.operations import ArmLongOperations
from shared.errors import CapacityError, FatalError, RetryableError
from tests.support.arm_wire import Answer
from tests.unit.arm.test_bodies import a_vm_plan
from tests.unit.arm.wire_world import OPERATION_URL, Wire, accepted, refused, status_of, urls

RESULT_URL = "https://arm.test/subscriptions/s/operationresults/eyJqb2Ii?api-version=2025-04-01&t=1&c=x%2B"


async def begun_vm(wire: Wire) -> str:
    begun = await ArmCompute(wire.arm).begin_vm(a_vm_plan())
    assert begun.handle is not None
    wire.transport.sent.clear()
    return begun.handle


async def begun_delete(wire: Wire) -> str:
    begun = await ArmResourceGroups(wire.arm).begin_delete("g")
    assert begun.handle is not None
    wire.transport.sent.clear()
    return begun.handle


def deleting() -> Answer:
    return Answer(202, b"", {"Location": RESULT_URL, "Retry-After": "15"})


async def test_a_begin_sends_one_request_and_takes_azures_wish() -> None:
    wire = Wire(accepted())

    begun = await ArmCompute(wire.arm).begin_vm(a_vm_plan())

    assert wire.methods == ["PUT"]
    assert begun.retry_after_s == 10.0


async def test_nothing_to_wait_for_means_no_handle() -> None:
    wire = Wire(Answer(200, {"id": "vm", "properties": {"provisioningState": "Succeeded"}}))

    assert (await ArmCompute(wire.arm).begin_vm(a_vm_plan())).handle is None


async def test_without_an_operation_address_the_resource_itself_is_looked_at() -> None:
    wire = Wire(Answer(200, {"id": "vm", "properties": {"provisioningState": "Updating"}}))
    handle = await begun_vm(wire)
    wire.then(
        Answer(200, {"id": "vm", "properties": {"provisioningState": "Updating"}}),
        Answer(200, {"id": "vm", "properties": {"provisioningState": "Succeeded"}}),
    )
    operations = ArmLongOperations(wire.arm)

    assert not (await operations.poll(handle)).done
    assert (await operations.poll(handle)).done
    assert [sent.path.rsplit("/", 1)[-1] for sent in wire.transport.sent] == ["physics-ab2cd3-a1-vm"] * 2


async def test_a_signed_address_is_followed_byte_for_byte() -> None:
    wire = Wire(accepted())
    handle = await begun_vm(wire)
    wire.then(status_of("InProgress"))

    await ArmLongOperations(wire.arm).poll(handle)

    assert urls(wire.transport.sent) == [OPERATION_URL]


async def test_success_costs_no_second_request_for_the_result() -> None:
    wire = Wire(accepted())
    handle = await begun_vm(wire)
    wire.then(status_of("Succeeded"))

    poll = await ArmLongOperations(wire.arm).poll(handle)

    assert poll.done and poll.failure is None
    assert wire.methods == ["GET"]


@pytest.mark.parametrize(("header", "seconds"), [("50", 50.0), ("", None)])
async def test_the_wish_for_the_next_look_is_that_of_the_last_answer(header: str, seconds: float | None) -> None:
    wire = Wire(accepted())
    handle = await begun_vm(wire)
    wire.then(status_of("InProgress", headers={"Retry-After": header} if header else {}))

    assert (await ArmLongOperations(wire.arm).poll(handle)).retry_after_s == seconds


async def test_a_failed_operation_is_classified_by_the_polls_body() -> None:
    wire = Wire(accepted())
    handle = await begun_vm(wire)
    wire.then(status_of("Failed", {"code": "ZonalAllocationFailed", "message": "Allocation failed."}))

    poll = await ArmLongOperations(wire.arm).poll(handle)

    assert poll.done
    assert isinstance(poll.failure, CapacityError) and poll.failure.code == "ZonalAllocationFailed"


@pytest.mark.parametrize("status", ["Failed", "Canceled"])
async def test_a_failure_without_a_reason_is_retryable(status: str) -> None:
    wire = Wire(accepted())
    handle = await begun_vm(wire)
    wire.then(status_of(status))

    poll = await ArmLongOperations(wire.arm).poll(handle)

    assert poll.done
    assert isinstance(poll.failure, RetryableError) and poll.failure.code == f"AzureOperation{status}"


@pytest.mark.parametrize(
    "answer",
    [
        refused(500, "MultipleErrorsOccurred"),
        refused(429, "TooManyRequests"),
        refused(401, "ExpiredAuthenticationToken"),
        refused(403, "AuthorizationFailed"),
        Answer(502, b"<html>Bad Gateway</html>"),
        Answer(200, b"<html>OK</html>"),
        Answer(200, b""),
        Answer(200, {"no": "status"}),
        ServiceRequestError("connection refused"),
        TimeoutError(),
    ],
)
async def test_a_look_that_goes_wrong_says_nothing_about_the_operation(answer: Answer | Exception) -> None:
    wire = Wire(accepted())
    handle = await begun_vm(wire)
    wire.then(answer)

    with pytest.raises(RetryableError):
        await ArmLongOperations(wire.arm).poll(handle)


async def test_a_throttled_look_says_when_to_come_back() -> None:
    wire = Wire(accepted())
    handle = await begun_vm(wire)
    wire.then(refused(429, "SubscriptionRequestsThrottled", headers={"Retry-After": "6"}))

    with pytest.raises(RetryableError) as trouble:
        await ArmLongOperations(wire.arm).poll(handle)

    assert trouble.value.retry_after_s == 6.0


@pytest.mark.parametrize("status", [404, 410])
async def test_an_operation_azure_does_not_know_is_over(status: int) -> None:
    wire = Wire(accepted())
    handle = await begun_vm(wire)
    wire.then(refused(status, "NotFound"))

    poll = await ArmLongOperations(wire.arm).poll(handle)

    assert poll.done and poll.failure is None


async def test_a_group_delete_is_202_until_it_is_200() -> None:
    wire = Wire(deleting())
    handle = await begun_delete(wire)
    wire.then(deleting(), Answer(200))
    operations = ArmLongOperations(wire.arm)

    first, second = await operations.poll(handle), await operations.poll(handle)

    assert (first.done, first.retry_after_s, second.done) == (False, 15.0, True)
    assert urls(wire.transport.sent) == [RESULT_URL, RESULT_URL]


async def test_a_group_delete_that_fails_ends_in_409_with_capital_letters() -> None:
    wire = Wire(deleting())
    handle = await begun_delete(wire)
    wire.then(Answer(409, {"Error": {"Code": "ResourceGroupDeletionBlocked", "Message": "Locked.", "Details": []}}))

    poll = await ArmLongOperations(wire.arm).poll(handle)

    assert poll.done
    assert isinstance(poll.failure, RetryableError) and poll.failure.code == "ResourceGroupDeletionBlocked"


async def test_a_lock_found_by_the_delete_itself_is_for_the_operator() -> None:
    wire = Wire(deleting())
    handle = await begun_delete(wire)
    wire.then(refused(409, "ScopeLocked", "locked"))

    assert isinstance((await ArmLongOperations(wire.arm).poll(handle)).failure, FatalError)


async def test_the_handle_names_the_operation_for_people_who_read_rows() -> None:
    wire = Wire(accepted())

    document = json.loads(await begun_vm(wire))

    assert (document["v"], document["op"], document["args"]) == (1, "vm", ["g", "physics-ab2cd3-a1-vm"])


async def test_the_handle_holds_neither_token_nor_start_up_data() -> None:
    import base64

    wire = Wire(accepted())

    document = json.loads(await begun_vm(wire))

    inside = base64.b64decode(document["token"]).decode()
    assert "a-token" not in inside and "customData" not in inside
