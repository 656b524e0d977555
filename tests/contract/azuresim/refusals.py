"""How to make the simulator refuse: one entry per code, each on a fresh subscription."""

from collections.abc import Awaitable, Callable
from typing import Any

from localdev.azuresim.envelope import Json, Response
from tests.support import azure_requests as bodies
from tests.support.azure_requests import DISKS, GROUP, NIC, NSG, PIP, SUBNET, VM, VNET, Caller

type Refusal = Callable[[Caller], Awaitable[Response]]


async def no_group(call: Caller) -> Response:
    return await call("GET", DISKS)


async def group_absent(call: Caller) -> Response:
    return await call("GET", f"/resourcegroups/{GROUP}")


async def group_absent_head(call: Caller) -> Response:
    return await call("HEAD", f"/resourcegroups/{GROUP}")


async def vm_absent(call: Caller) -> Response:
    await call.has_group()
    return await call("GET", VM)


async def vm_just_gone(call: Caller) -> Response:
    await call.has_vm()
    await call.sim("POST", "transitions", {"VirtualMachines_Delete": 30})
    await call("DELETE", VM)
    call.clock.advance(31)
    return await call("GET", VM)


async def subnet_absent(call: Caller) -> Response:
    await call.has_network()
    return await call("GET", f"{VNET}/subnets/other")


async def subnet_without_network(call: Caller) -> Response:
    await call.has_group()
    return await call("PUT", SUBNET, {"properties": {"addressPrefix": "10.0.0.0/24"}})


async def cores_used_up(call: Caller) -> Response:
    await call.has_network()
    await call.sim("POST", "settings", {"quotas": {"eastus/cores": 1}})
    return await call("PUT", VM, call.inline_vm())


async def family_used_up(call: Caller) -> Response:
    await call.has_network()
    await call.sim("POST", "settings", {"quotas": {"standardDSv3Family": 1}})
    return await call("PUT", VM, call.inline_vm())


async def no_admin_name(call: Caller) -> Response:
    await call.has_network()
    body = call.inline_vm()
    del body["properties"]["osProfile"]["adminUsername"]
    return await call("PUT", VM, body)


async def priority_changed(call: Caller) -> Response:
    await call.has_vm()
    return await call("PATCH", VM, {"properties": {"priority": "Spot"}})


async def restart_when_off(call: Caller) -> Response:
    await call.has_vm()
    await call.finish(await call("POST", f"{VM}/deallocate"))
    return await call("POST", f"{VM}/restart")


async def size_restricted(call: Caller) -> Response:
    region = "germanywestcentral"
    await call("PUT", f"/resourceGroups/{GROUP}", {"location": region})
    await call.finish(await call("PUT", VNET, {**bodies.vnet_body(), "location": region}))
    body = call.inline_vm(hardwareProfile={"vmSize": "Standard_D4as_v5"})
    return await call("PUT", VM, {**body, "location": region})


async def vm_throttled(call: Caller) -> Response:
    await call.has_vm()
    for _ in range(40):
        answer = await call("GET", VM)
        if answer.status == 429:
            return answer
    raise AssertionError("never throttled")


async def arm_throttled(call: Caller) -> Response:
    await call.has_group()
    for _ in range(300):
        answer = await call("GET", f"/resourceGroups/{GROUP}")
        if answer.status == 429:
            return answer
    raise AssertionError("never throttled")


async def not_registered(call: Caller) -> Response:
    await call.has_group()
    await call.sim("POST", "settings", {"unregistered": ["Microsoft.Network"]})
    return await call("PUT", NSG, bodies.nsg_body())


async def nic_in_use(call: Caller) -> Response:
    vm = await call.has_vm()
    nic_id = vm["properties"]["networkProfile"]["networkInterfaces"][0]["id"]
    return await call("DELETE", nic_id.removeprefix(call.subscription))


async def nic_reserved(call: Caller) -> Response:
    await call.has_network()
    await call.finish(await call("PUT", NIC, bodies.nic_body(call.id(SUBNET))))
    await call.finish(await call("PUT", VM, bodies.vm_body({"networkInterfaces": [{"id": call.id(NIC)}]})))
    await call.finish(await call("DELETE", VM))
    return await call("DELETE", NIC)


async def subnet_in_use(call: Caller) -> Response:
    await call.has_vm()
    network = bodies.vnet_body()
    network["properties"]["subnets"] = []
    return await call("PUT", VNET, network)


async def nsg_in_use(call: Caller) -> Response:
    await call.has_network()
    return await call("DELETE", NSG)


async def pip_in_use(call: Caller) -> Response:
    await call.has_network()
    await call.finish(await call("PUT", PIP, bodies.pip_body()))
    await call.finish(await call("PUT", NIC, bodies.nic_body(call.id(SUBNET), call.id(PIP))))
    return await call("DELETE", PIP)


async def label_in_use(call: Caller) -> Response:
    await call.has_network()
    await call.finish(await call("PUT", PIP, bodies.pip_body("taken")))
    return await call("PUT", PIP + "2", bodies.pip_body("taken"))


async def basic_address(call: Caller) -> Response:
    await call.has_group()
    return await call("PUT", PIP, {**bodies.pip_body(), "sku": {"name": "Basic"}})


async def subnet_elsewhere(call: Caller) -> Response:
    await call.has_group()
    return await call("PUT", NIC, bodies.nic_body(call.id(SUBNET)))


async def network_busy(call: Caller) -> Response:
    await call.has_group()
    await call("PUT", NSG, bodies.nsg_body())
    return await call("PUT", NSG, bodies.nsg_body())


def bad_rule(**changes: Any) -> Refusal:
    async def put(call: Caller) -> Response:
        await call.has_group()
        return await call("PUT", NSG, bodies.nsg_body(bodies.rule(**changes)))

    return put


def bad_address(label: str | None = None, **properties: Any) -> Refusal:
    async def put(call: Caller) -> Response:
        await call.has_group()
        return await call("PUT", PIP, bodies.pip_body(label, **properties))

    return put


async def subnet_outside(call: Caller) -> Response:
    await call.has_network()
    return await call("PUT", f"{VNET}/subnets/far", {"properties": {"addressPrefix": "192.168.0.0/24"}})


async def poll_failed(call: Caller) -> Response:
    """The poll of a create that finds no room."""
    await call.has_network()
    await call.sim("POST", "settings", {"outOfCapacity": ["eastus/Standard_D2s_v3"]})
    return await _failed(call, await call("PUT", VM, call.inline_vm()))


async def zonal_poll_failed(call: Caller) -> Response:
    await call.has_network()
    await call.sim("POST", "settings", {"outOfCapacity": ["eastus/Standard_D2s_v3"]})
    return await _failed(call, await call("PUT", VM, {**call.inline_vm(), "zones": ["1"]}))


def injected_poll(code: str) -> Refusal:
    async def poll(call: Caller) -> Response:
        await call.has_network()
        fault = {"operation": "VirtualMachines_CreateOrUpdate", "when": "poll", "code": code}
        await call.sim("POST", "faults", fault)
        return await _failed(call, await call("PUT", VM, call.inline_vm()))

    return poll


async def network_poll_failed(call: Caller) -> Response:
    await call.has_group()
    fault: Json = {"operation": "NetworkSecurityGroups_*", "when": "poll", "code": "AnotherOperationInProgress"}
    await call.sim("POST", "faults", fault)
    return await _failed(call, await call("PUT", NSG, bodies.nsg_body()))


async def group_delete_failed(call: Caller) -> Response:
    await call.has_network()
    await call.sim("POST", "faults", {"operation": "ResourceGroups_Delete", "when": "poll", "status": 409})
    deleted = await call("DELETE", f"/resourceGroups/{GROUP}")
    call.clock.advance(3600)
    return await call.follow(deleted.headers["Location"])


async def _failed(call: Caller, begun: Response) -> Response:
    call.clock.advance(3600)
    return await call.follow(begun.headers["Azure-AsyncOperation"])


#: (operation, status, code) as recorded or quoted, to how the simulator is brought to the same answer.
REFUSALS: dict[tuple[str, int, str], Refusal] = {
    ("VirtualMachines_CreateOrUpdate", 409, "OperationNotAllowed"): cores_used_up,
    ("VirtualMachines_CreateOrUpdate", 409, "SkuNotAvailable"): size_restricted,
    ("VirtualMachines_CreateOrUpdate", 400, "InvalidParameter"): no_admin_name,
    ("VirtualMachines_Update", 409, "PropertyChangeNotAllowed"): priority_changed,
    ("VirtualMachines_Restart", 409, "OperationNotAllowed"): restart_when_off,
    ("VirtualMachines_Get", 404, "ResourceNotFound"): vm_absent,
    ("VirtualMachines_Get", 404, "NotFound"): vm_just_gone,
    ("Disks_ListByResourceGroup", 404, "ResourceGroupNotFound"): no_group,
    ("ResourceGroups_Get", 404, "ResourceGroupNotFound"): group_absent,
    ("Subnets_Get", 404, "NotFound"): subnet_absent,
    ("Subnets_CreateOrUpdate", 404, "ParentResourceNotFound"): subnet_without_network,
    ("Subnets_CreateOrUpdate", 400, "NetcfgInvalidSubnet"): subnet_outside,
    ("NetworkInterfaces_Delete", 400, "NicInUse"): nic_in_use,
    ("NetworkInterfaces_Delete", 400, "NicReservedForAnotherVm"): nic_reserved,
    ("NetworkInterfaces_CreateOrUpdate", 400, "InvalidResourceReference"): subnet_elsewhere,
    ("VirtualNetworks_CreateOrUpdate", 400, "InUseSubnetCannotBeDeleted"): subnet_in_use,
    ("NetworkSecurityGroups_Delete", 400, "InUseNetworkSecurityGroupCannotBeDeleted"): nsg_in_use,
    ("PublicIPAddresses_Delete", 400, "PublicIPAddressCannotBeDeleted"): pip_in_use,
    ("PublicIPAddresses_CreateOrUpdate", 400, "DnsRecordInUse"): label_in_use,
    ("PublicIPAddresses_CreateOrUpdate", 400, "IPv4BasicSkuPublicIpCountLimitReached"): basic_address,
    ("PublicIPAddresses_CreateOrUpdate", 400, "PublicIPIdleTimeoutIsOutOfRange"): bad_address(idleTimeoutInMinutes=3),
    ("PublicIPAddresses_CreateOrUpdate", 400, "InvalidDomainNameLabel"): bad_address("l-a_b-1-e"),
    ("ComputeOperations_Get", 200, "AllocationFailed"): poll_failed,
    ("ComputeOperations_Get", 200, "ZonalAllocationFailed"): zonal_poll_failed,
    ("ComputeOperations_Get", 200, "OverconstrainedAllocationRequest"): injected_poll(
        "OverconstrainedAllocationRequest"
    ),
    ("ComputeOperations_Get", 200, "OverconstrainedZonalAllocationRequest"): injected_poll(
        "OverconstrainedZonalAllocationRequest"
    ),
    ("ComputeOperations_Get", 200, "InternalExecutionError"): injected_poll("InternalExecutionError"),
    ("ComputeOperations_Get", 200, "InvalidParameter"): injected_poll("InvalidParameter"),
    ("ComputeOperations_Get", 200, "ImageBlobNotFound"): injected_poll("ImageBlobNotFound"),
    ("NetworkOperations_Get", 200, "AnotherOperationInProgress"): network_poll_failed,
    ("VirtualMachines_Start", 429, "SubscriptionRequestsThrottled"): arm_throttled,
}

#: Refusals whose recorded request is of a resource type that is not simulated; the answer is the same for ours.
ELSEWHERE: dict[tuple[int, str], Refusal] = {
    (400, "SecurityRuleInvalidPortRange"): bad_rule(destinationPortRange="66600"),
    (400, "SecurityRuleInvalidAddressPrefix"): bad_rule(sourceAddressPrefix="10.0.0.0/42"),
    (400, "SecurityRuleInvalidPriority"): bad_rule(priority=4097),
    (409, "AnotherOperationInProgress"): network_busy,
    (409, "MissingSubscriptionRegistration"): not_registered,
    (429, "OperationNotAllowed"): vm_throttled,
}

#: Recorded, and not simulated: why.
NOT_SIMULATED: dict[tuple[str, int, str], str] = {
    ("VirtualMachines_CreateOrUpdate", 400, "ResourcePurchaseValidationFailed"): "marketplace plans",
    ("VirtualMachines_CreateOrUpdate", 400, "LinkedInvalidPropertyId"): "Key Vault secrets",
    ("VirtualMachines_CreateOrUpdate", 409, "ConflictingUserInput"): "unmanaged disks",
    ("VirtualMachines_CreateOrUpdate", 409, "PropertyChangeNotAllowed"): "told by property, not as 'osProfile'",
    ("VirtualMachines_CreateOrUpdate", 504, "ResourceReadFailed"): "Azure Policy; inject it",
    ("VirtualMachines_Update", 409, "OperationNotAllowed"): "Spot price and placement groups",
    ("NetworkInterfaces_CreateOrUpdate", 400, "PrivateIPAddressInUse"): "static private addresses",
    ("PublicIPAddresses_CreateOrUpdate", 400, "ZonesNotAllowedInBasicSkuResource"): "Basic is refused altogether",
    ("ComputeOperations_Get", 500, "MultipleErrorsOccurred"): "inject it",
}
