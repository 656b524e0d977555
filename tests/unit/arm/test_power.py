"""Power, size and the list of all VMs on the wire: what is asked, and what the answers mean."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from shared.adapters.arm.compute import ArmCompute, vm_power
from shared.adapters.arm.operations import ArmLongOperations
from shared.errors import CapacityError, FatalError, RetryableError
from shared.hubs.ports import Begun, VmPower
from tests.support.arm_wire import Answer
from tests.unit.arm.wire_world import OPERATION_URL, Wire, refused, status_of, urls

GROUP, VM, SIZE = "hublet-physics-ab2cd3-a1", "physics-ab2cd3-a1-vm", "Standard_D4s_v3"
VM_ID = f"/subscriptions/s/resourceGroups/{GROUP}/providers/Microsoft.Compute/virtualMachines/{VM}"

type Verb = Callable[[ArmCompute], Awaitable[Begun]]

VERBS: Mapping[str, Verb] = {
    "start": lambda compute: compute.begin_start(GROUP, VM),
    "restart": lambda compute: compute.begin_restart(GROUP, VM),
    "resize": lambda compute: compute.begin_resize(GROUP, VM, SIZE),
}
every_verb = pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)


def posted() -> Answer:
    """The first answer to a power verb: no body, two addresses (recorded)."""
    headers = {"Azure-AsyncOperation": OPERATION_URL, "Location": f"{OPERATION_URL}&monitor=true", "Retry-After": "10"}
    return Answer(202, b"", headers)


def patched(**headers: str) -> Answer:
    """The first answer to a PATCH: the VM as it will be (recorded)."""
    properties = {"hardwareProfile": {"vmSize": SIZE}, "provisioningState": "Updating"}
    return Answer(200, {"id": VM_ID, "name": VM, "location": "eastus", "properties": properties}, headers)


def taken(verb: Verb) -> Answer:
    """The first answer that this verb gets when all is well."""
    operation = {"Azure-AsyncOperation": OPERATION_URL, "Retry-After": "10"}
    return patched(**operation) if verb is VERBS["resize"] else posted()


def a_listed_vm(group: str = GROUP, name: str = VM, power: str | None = "running", **changes: Any) -> dict[str, Any]:
    """An entry of the list with `statusOnly`: the id's group comes in upper case (recorded)."""
    statuses = [{"code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Provisioning succeeded"}]
    if power is not None:
        statuses.append({"code": f"PowerState/{power}", "level": "Info", "displayStatus": f"VM {power}"})
    return {
        "id": f"/subscriptions/s/resourceGroups/{group.upper()}/providers/Microsoft.Compute/virtualMachines/{name}",
        "name": name,
        "location": "eastus",
        "properties": {"vmId": "v", "provisioningState": "Succeeded", "instanceView": {"statuses": statuses}},
        **changes,
    }


# ---- verbs


@pytest.mark.parametrize("verb", ["start", "restart"])
async def test_a_power_verb_is_one_post_without_a_body(verb: str) -> None:
    wire = Wire(posted())

    begun = await VERBS[verb](ArmCompute(wire.arm))

    (sent,) = wire.transport.sent
    assert (sent.method, sent.body) == ("POST", b"")
    assert sent.path.endswith(f"/resourceGroups/{GROUP}/providers/Microsoft.Compute/virtualMachines/{VM}/{verb}")
    assert begun.retry_after_s == 10.0


async def test_a_resize_is_one_patch_of_the_size_alone() -> None:
    wire = Wire(patched(**{"Azure-AsyncOperation": OPERATION_URL}))

    await ArmCompute(wire.arm).begin_resize(GROUP, VM, SIZE)

    (sent,) = wire.transport.sent
    assert sent.method == "PATCH"
    assert sent.path.endswith(f"/resourceGroups/{GROUP}/providers/Microsoft.Compute/virtualMachines/{VM}")
    assert sent.json() == {"properties": {"hardwareProfile": {"vmSize": SIZE}}}
    assert sent.headers["Content-Type"] == "application/json"


@every_verb
async def test_the_operation_is_looked_at_from_its_handle_alone(verb: Verb) -> None:
    wire = Wire(taken(verb))
    handle = (await verb(ArmCompute(wire.arm))).handle
    assert handle is not None
    elsewhere = Wire(status_of("InProgress", headers={"Retry-After": "9"}), status_of("Succeeded"))
    operations = ArmLongOperations(elsewhere.arm)

    first, second = await operations.poll(handle), await operations.poll(handle)

    assert (first.done, first.retry_after_s) == (False, 9.0)
    assert second.done and second.failure is None
    assert urls(elsewhere.transport.sent) == [OPERATION_URL, OPERATION_URL]


async def test_a_resize_without_an_operation_address_is_followed_at_the_vm() -> None:
    """2 of 44 recorded answers to a PATCH named none."""
    wire = Wire(patched())
    handle = (await ArmCompute(wire.arm).begin_resize(GROUP, VM, SIZE)).handle
    assert handle is not None
    over = Answer(200, {"id": VM_ID, "properties": {"provisioningState": "Succeeded"}})
    elsewhere = Wire(patched(), over)
    operations = ArmLongOperations(elsewhere.arm)

    polls = [await operations.poll(handle) for _ in range(2)]

    assert [poll.done for poll in polls] == [False, True]
    assert [(sent.method, sent.path.rsplit("/", 1)[-1]) for sent in elsewhere.transport.sent] == [("GET", VM)] * 2


async def test_a_resize_that_changes_nothing_is_over_at_once() -> None:
    wire = Wire(Answer(200, {"id": VM_ID, "properties": {"provisioningState": "Succeeded"}}))

    assert (await ArmCompute(wire.arm).begin_resize(GROUP, VM, SIZE)).handle is None


@pytest.mark.parametrize("verb", ["start", "restart"])
async def test_a_power_verb_that_is_answered_at_once_is_over(verb: str) -> None:
    """The API allows 200 without anything to follow."""
    wire = Wire(Answer(200))

    assert (await VERBS[verb](ArmCompute(wire.arm))).handle is None


@every_verb
@pytest.mark.parametrize("code", ["ResourceNotFound", "ResourceGroupNotFound", "NotFound"])
async def test_a_vm_that_is_gone_is_said_to_be_gone(verb: Verb, code: str) -> None:
    wire = Wire(refused(404, code))

    with pytest.raises(FatalError) as gone:
        await verb(ArmCompute(wire.arm))

    assert gone.value.code == "VmNotFound"


@every_verb
async def test_a_404_that_is_not_about_the_vm_says_nothing_about_it(verb: Verb) -> None:
    wire = Wire(refused(404, "SubscriptionNotFound"))

    with pytest.raises(RetryableError):
        await verb(ArmCompute(wire.arm))


CAPACITY = [
    ("AllocationFailed", "Allocation failed.", "AllocationFailed"),
    ("ZonalAllocationFailed", "Allocation failed.", "ZonalAllocationFailed"),
    ("OverconstrainedAllocationRequest", "Allocation failed.", "OverconstrainedAllocationRequest"),
    ("OverconstrainedZonalAllocationRequest", "Allocation failed.", "OverconstrainedZonalAllocationRequest"),
    ("SkuNotAvailable", "The requested VM size is currently not available.", "SkuNotAvailable"),
    ("OperationNotAllowed", "... exceeding approved Total Regional Cores quota.", "RegionalQuotaExceeded"),
    ("OperationNotAllowed", "... exceeding approved standardDSv3Family Cores quota.", "QuotaExceeded"),
    ("OperationNotAllowed", "... X is not available in the current hardware cluster.", "SkuNotAvailable"),
    ("OperationNotAllowed", "... from resource disk to non-resource disk VM size ...", "SkuNotAvailable"),
    ("InvalidParameter", "The requested VM size X is not available in the current region.", "SkuNotAvailable"),
    ("InvalidParameter", "The value X provided for the VM size is not valid.", "SkuNotAvailable"),
    ("BadRequest", "The selected VM size 'X' cannot boot Hypervisor Generation '2'.", "SkuNotAvailable"),
    ("BadRequest", "The VM size 'X' is not supported for creation of VMs with 'TrustedLaunch'.", "SkuNotAvailable"),
]


@every_verb
@pytest.mark.parametrize(("code", "text", "public"), CAPACITY)
async def test_no_room_is_no_room_in_the_first_answer(verb: Verb, code: str, text: str, public: str) -> None:
    wire = Wire(refused(409, code, text))

    with pytest.raises(CapacityError) as full:
        await verb(ArmCompute(wire.arm))

    assert full.value.code == public


@every_verb
@pytest.mark.parametrize(("code", "text", "public"), CAPACITY)
async def test_no_room_is_no_room_in_the_poll(verb: Verb, code: str, text: str, public: str) -> None:
    wire = Wire(taken(verb))
    handle = (await verb(ArmCompute(wire.arm))).handle
    assert handle is not None
    wire.then(status_of("Failed", {"code": code, "message": text}))

    poll = await ArmLongOperations(wire.arm).poll(handle)

    assert poll.done
    assert isinstance(poll.failure, CapacityError) and poll.failure.code == public


@every_verb
@pytest.mark.parametrize(
    ("status", "code", "text"),
    [
        (409, "Conflict", "The request failed due to conflict with a concurrent request."),
        (409, "AnotherOperationInProgress", "Another operation on this or dependent resource is in progress."),
        (409, "OperationNotAllowed", "The operation requires the VM to be running (or set to run)."),
        (429, "OperationNotAllowed", "The server rejected the request because too many requests have been received."),
    ],
)
async def test_what_ends_by_itself_is_tried_again(verb: Verb, status: int, code: str, text: str) -> None:
    wire = Wire(refused(status, code, text))

    with pytest.raises(RetryableError):
        await verb(ArmCompute(wire.arm))

    assert len(wire.transport.sent) == 1


async def test_an_operation_that_a_later_one_displaced_is_tried_again() -> None:
    wire = Wire(posted())
    handle = (await ArmCompute(wire.arm).begin_start(GROUP, VM)).handle
    assert handle is not None
    wire.then(status_of("Failed", {"code": "OperationPreempted", "message": "Operation execution has been preempted."}))

    assert isinstance((await ArmLongOperations(wire.arm).poll(handle)).failure, RetryableError)


# ---- the list of all


async def test_the_power_of_all_vms_is_one_list_of_states_only() -> None:
    wire = Wire(Answer(200, {"value": [a_listed_vm(), a_listed_vm("g2", "vm2", "deallocated")]}))

    powers = await ArmCompute(wire.arm).powers()

    assert powers == [
        VmPower(group=GROUP, name=VM, power="running"),
        VmPower(group="g2", name="vm2", power="deallocated"),
    ]
    (sent,) = wire.transport.sent
    assert sent.path.endswith("/providers/Microsoft.Compute/virtualMachines")
    assert set(sent.query.split("&")) == {"api-version=2026-04-01", "statusOnly=true"}


async def test_every_page_is_followed_by_the_address_it_names() -> None:
    following = "https://arm.test/subscriptions/s/providers/Microsoft.Compute/virtualMachines?%24skiptoken=a%2Bb&x=1"
    wire = Wire(
        Answer(200, {"value": [a_listed_vm(name="one")], "nextLink": following}),
        Answer(200, {"value": [], "nextLink": f"{following}&page=3"}),
        Answer(200, {"value": [a_listed_vm(name="two")]}),
    )

    powers = await ArmCompute(wire.arm).powers()

    assert [one.name for one in powers] == ["one", "two"]
    assert urls(wire.transport.sent)[1:] == [following, f"{following}&page=3"]


async def test_half_a_list_is_no_list() -> None:
    page = {"value": [a_listed_vm()], "nextLink": "https://arm.test/next"}
    wire = Wire(Answer(200, page), refused(429, "SubscriptionRequestsThrottled", headers={"Retry-After": "7"}))

    with pytest.raises(RetryableError) as throttled:
        await ArmCompute(wire.arm).powers()

    assert throttled.value.retry_after_s == 7.0


async def test_names_come_in_lower_case_however_azure_writes_them() -> None:
    wire = Wire(Answer(200, {"value": [a_listed_vm("Hublet-X", "Physics-VM")]}))

    assert await ArmCompute(wire.arm).powers() == [VmPower(group="hublet-x", name="physics-vm", power="running")]


@pytest.mark.parametrize(
    "entry",
    [
        a_listed_vm(power=None),
        a_listed_vm(properties=None),
        a_listed_vm(properties={"provisioningState": "Creating"}),
        a_listed_vm(properties={"instanceView": None}),
        a_listed_vm(properties={"instanceView": {"statuses": None}}),
        a_listed_vm(properties={"instanceView": {"statuses": [{"code": "PowerState/dreaming"}]}}),
    ],
)
async def test_a_vm_whose_state_azure_does_not_tell_is_listed_without_one(entry: dict[str, Any]) -> None:
    wire = Wire(Answer(200, {"value": [entry, a_listed_vm("g2", "vm2")]}))

    powers = await ArmCompute(wire.arm).powers()

    assert [(one.name, one.power) for one in powers] == [(VM, None), ("vm2", "running")]


@pytest.mark.parametrize("identifier", [None, "", "vm", "/subscriptions/s/virtualMachines/vm"])
async def test_one_strange_entry_does_not_hide_the_others(identifier: str | None) -> None:
    wire = Wire(Answer(200, {"value": [a_listed_vm(id=identifier), a_listed_vm()]}))

    assert [one.name for one in await ArmCompute(wire.arm).powers()] == [VM]


def test_an_entry_without_an_id_is_nothing() -> None:
    assert vm_power({}) is None
