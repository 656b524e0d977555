"""The VM with its network interface, public IP and disk: made in one PUT, gone together; and its power and size.

Shapes: https://learn.microsoft.com/rest/api/compute/virtual-machines/create-or-update (2026-04-01), examples in
Azure/azure-rest-api-specs `VirtualMachine_Create_WithNetworkInterfaceConfigurationDnsSettings.json` and
`VirtualMachine_Create_WithUefiSettings.json`. Bodies are REST JSON: the SDK sends them as they are.
"""

import base64
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shared.adapters.arm.errors import says_absent, translated
from shared.adapters.arm.ids import ResourceId, parse_id
from shared.adapters.arm.network import NSG_TYPE, VNET_TYPE
from shared.adapters.arm.operations import begun, one_look_polling
from shared.errors import FatalError
from shared.hubs.ports import Begun, VmPlan, VmPower, VmSize, VmView

if TYPE_CHECKING:
    from azure.core.polling import AsyncLROPoller
    from azure.mgmt.compute.aio.operations import VirtualMachinesOperations
    from azure.mgmt.core.polling.async_arm_polling import AsyncARMPolling

    from shared.adapters.arm.client import ArmClients

_log = logging.getLogger(__name__)

VM_TYPE = "Microsoft.Compute/virtualMachines"

IMAGES: Mapping[str, Mapping[str, str]] = {
    "ubuntu-24.04": {"publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server"},
    "ubuntu-22.04": {"publisher": "Canonical", "offer": "0001-com-ubuntu-server-jammy", "sku": "22_04-lts-gen2"},
}
"""Generation 2, x64 (Trusted Launch needs generation 2). https://documentation.ubuntu.com/azure/azure-how-to/"""

NETWORK_API_VERSION = "2022-11-01"
"""Which network API compute uses for the inline interface: the newest one azure-mgmt-compute 39 names."""

# A VM has two states that Azure keeps apart: how its last change went (`provisioningState`) and whether it runs
# (`PowerState/...` in the instance view). Both are needed: a VM can be `Succeeded` and deallocated, `Updating` while
# it stops, or `Failed` and running (and billed) when its OS did not report in time.
# https://learn.microsoft.com/azure/virtual-machines/states-billing
_PROVISIONING: Mapping[str, str] = {
    "creating": "creating",
    "updating": "updating",
    "migrating": "updating",  # Azure moves it to other hardware by itself; it goes on afterwards
    "succeeded": "succeeded",
    "failed": "failed",
    "canceled": "failed",  # an operation somebody stopped has left it half done
    "deleting": "deleting",
}
_POWER: Mapping[str, str | None] = {
    "starting": "starting",
    "running": "running",
    "stopping": "stopping",
    "stopped": "stopped",  # the OS is off, the hardware still reserved and billed
    "deallocating": "deallocating",
    "deallocated": "deallocated",  # the only one that is not billed (a Spot VM that was evicted shows this, too)
    "unknown": None,
}


class ArmCompute:
    """`Compute` over azure-mgmt-compute."""

    def __init__(self, arm: "ArmClients") -> None:
        self._arm = arm

    async def begin_vm(self, plan: VmPlan) -> Begun:
        """One PUT. The same plan again changes nothing; a plan with other customData, image or admin is refused
        (FatalError PropertyChangeNotAllowed). Capacity and quota may be refused here or in the poll."""
        polling = one_look_polling()
        with translated():
            poller = await self._arm.compute().virtual_machines.begin_create_or_update(
                plan.group, plan.name, vm_body(plan, self._arm.subscription_id), polling=polling
            )
            return begun("vm", [plan.group, plan.name], poller, polling)

    async def vm(self, group: str, name: str, *, with_power: bool = False) -> VmView | None:
        """One GET; absent (the VM or its group) = None."""
        from azure.core.exceptions import HttpResponseError

        virtual_machines = self._arm.compute().virtual_machines
        with translated():
            try:
                if with_power:
                    found = await virtual_machines.get(group, name, expand="instanceView")
                else:
                    found = await virtual_machines.get(group, name)
            except HttpResponseError as error:
                if says_absent(error):
                    return None
                raise
        return vm_view(found.as_dict())

    async def powers(self) -> Sequence[VmPower]:
        """One GET for each page of the subscription's VMs; all pages, or it raises.

        `statusOnly` leaves little but the instance view. A VM that is being made may have none: its power is None.
        https://learn.microsoft.com/rest/api/compute/virtual-machines/list-all
        """
        found: list[VmPower] = []
        with translated():
            async for vm in self._arm.compute().virtual_machines.list_all(status_only="true"):
                power = vm_power(vm.as_dict())
                if power is not None:
                    found.append(power)
        return found

    async def sizes(self) -> Sequence[VmSize]:
        """One GET for each page of the subscription's VMs; all pages, or it raises. `statusOnly`, which `powers` asks
        for, leaves the size out."""
        found: list[VmSize] = []
        with translated():
            async for vm in self._arm.compute().virtual_machines.list_all():
                size = vm_size(vm.as_dict())
                if size is not None:
                    found.append(size)
        return found

    async def begin_deallocate(self, group: str, name: str) -> Begun:
        """Stops the VM and gives its hardware back. A VM that is deallocated stays so; an absent one = over."""
        from azure.core.exceptions import HttpResponseError

        polling = one_look_polling()
        with translated():
            try:
                poller = await self._arm.compute().virtual_machines.begin_deallocate(group, name, polling=polling)
            except HttpResponseError as error:
                if says_absent(error):
                    return Begun(handle=None)
                raise
            return begun("deallocate", [group, name], poller, polling)

    async def begin_start(self, group: str, name: str) -> Begun:
        """One POST. Room is looked for only now, so a start after a deallocation may end without any (CapacityError,
        mostly in the poll). A VM that runs is left alone: its operation is over at the first look."""
        return await self._begin(
            "start", [group, name], lambda vms, polling: vms.begin_start(group, name, polling=polling)
        )

    async def begin_restart(self, group: str, name: str) -> Begun:
        """One POST; the VM keeps hardware and address. Twice = it reboots twice. A VM that does not run is refused
        (RetryableError OperationNotAllowed)."""
        return await self._begin(
            "restart", [group, name], lambda vms, polling: vms.begin_restart(group, name, polling=polling)
        )

    async def begin_resize(self, group: str, name: str, size: str) -> Begun:
        """One PATCH of the size alone: what a PATCH does not name stays. The same size again changes nothing. A VM that
        runs would be rebooted by it. https://learn.microsoft.com/rest/api/compute/virtual-machines/update"""
        body: Any = {"properties": {"hardwareProfile": {"vmSize": size}}}
        return await self._begin(
            "resize", [group, name, size], lambda vms, polling: vms.begin_update(group, name, body, polling=polling)
        )

    async def _begin(
        self,
        operation: str,
        args: Sequence[str],
        send: "Callable[[VirtualMachinesOperations, AsyncARMPolling], Awaitable[AsyncLROPoller[Any]]]",
    ) -> Begun:
        """One request about a VM that must be there. Absent (it or its group) = FatalError VmNotFound."""
        from azure.core.exceptions import HttpResponseError

        polling = one_look_polling()
        with translated():
            try:
                poller = await send(self._arm.compute().virtual_machines, polling)
            except HttpResponseError as error:
                if says_absent(error):
                    raise vm_not_found() from error
                raise
            return begun(operation, args, poller, polling)


def vm_not_found() -> FatalError:
    """The VM of a hub is not there (any more): nothing can be done to it."""
    return FatalError(
        "VmNotFound",
        "The virtual machine is not in Azure: somebody deleted it there.",
        fix="Delete the hub and create it again; people's files went with the machine's disk.",
    )


def vm_body(plan: VmPlan, subscription: str) -> Any:
    """What is PUT. A pure function of the plan, so a repeated PUT repeats it byte for byte."""
    if plan.image not in IMAGES:
        raise FatalError("UnknownImage", f"There is no image {plan.image!r}.")
    tags = dict(plan.tags)
    properties: dict[str, Any] = {
        "hardwareProfile": {"vmSize": plan.size},
        "storageProfile": {
            "imageReference": {**IMAGES[plan.image], "version": "latest"},
            "osDisk": {
                "createOption": "FromImage",
                "caching": "ReadWrite",
                "deleteOption": "Delete",
                "diskSizeGB": plan.os_disk_gib,
                "managedDisk": {"storageAccountType": "StandardSSD_LRS"},
            },
        },
        "osProfile": {
            "computerName": plan.name,
            "adminUsername": plan.admin_username,
            # customData only: userData could be read by every person on the hub, from the metadata service
            "customData": base64.b64encode(plan.custom_data).decode("ascii"),
            "linuxConfiguration": {
                "disablePasswordAuthentication": True,
                "ssh": {
                    "publicKeys": [
                        {"path": f"/home/{plan.admin_username}/.ssh/authorized_keys", "keyData": key}
                        for key in plan.ssh_public_keys
                    ]
                },
            },
        },
        "securityProfile": {
            "securityType": "TrustedLaunch",
            "uefiSettings": {"secureBootEnabled": True, "vTpmEnabled": True},
        },
        "diagnosticsProfile": {"bootDiagnostics": {"enabled": True}},  # no address = storage that Azure manages
        "networkProfile": {
            "networkApiVersion": NETWORK_API_VERSION,
            "networkInterfaceConfigurations": [_nic_configuration(plan, subscription, tags)],
        },
    }
    if plan.spot:
        # -1: pay up to the regular price, be evicted only when Azure needs the hardware
        properties |= {"priority": "Spot", "evictionPolicy": "Deallocate", "billingProfile": {"maxPrice": -1}}
    body = {"location": plan.region, "tags": tags, "properties": properties}
    return body if plan.zone is None else {**body, "zones": [plan.zone]}


def _nic_configuration(plan: VmPlan, subscription: str, tags: Mapping[str, str]) -> dict[str, Any]:
    """Interface and public IP inline. ARM gives the resources names of its own: they are read back, never computed.

    `deleteOption` stands on both: the default leaves them behind when the VM goes. An inline address has no zones of
    its own (SDK model): a Standard one that names none serves VMs of every zone.
    """
    vnet = ResourceId(subscription, plan.group, VNET_TYPE, plan.vnet_name)
    nsg = ResourceId(subscription, plan.group, NSG_TYPE, plan.nsg_name)
    public_ip = {
        "name": f"{plan.name}-ip",
        "sku": {"name": "Standard", "tier": "Regional"},
        "tags": dict(tags),
        "properties": {
            "deleteOption": "Delete",
            "publicIPAllocationMethod": "Static",
            "publicIPAddressVersion": "IPv4",
            "dnsSettings": {"domainNameLabel": plan.dns_label},
        },
    }
    return {
        "name": f"{plan.name}-nic",
        "tags": dict(tags),
        "properties": {
            "primary": True,
            "deleteOption": "Delete",
            "networkSecurityGroup": {"id": str(nsg)},
            "ipConfigurations": [
                {
                    "name": "ipconfig",
                    "properties": {
                        "primary": True,
                        "privateIPAddressVersion": "IPv4",
                        "subnet": {"id": f"{vnet}/subnets/{plan.subnet}"},
                        "publicIPAddressConfiguration": public_ip,
                    },
                }
            ],
        },
    }


def vm_view(document: Mapping[str, Any]) -> VmView:
    """A VM as ARM answers it. States it does not name (or that are new) are `updating` and power None: look again."""
    properties = document.get("properties") or {}
    interfaces = (properties.get("networkProfile") or {}).get("networkInterfaces") or []
    interfaces = sorted(interfaces, key=lambda nic: not (nic.get("properties") or {}).get("primary"))
    state = str(properties.get("provisioningState", "")).lower()
    return VmView(
        vm_id=document["id"],
        size=(properties.get("hardwareProfile") or {}).get("vmSize", ""),
        provisioning=_PROVISIONING.get(state, "updating"),
        power=_power(properties.get("instanceView") or {}),
        nic_ids=tuple(nic["id"] for nic in interfaces if nic.get("id")),
        tags=dict(document.get("tags") or {}),
    )


def vm_power(document: Mapping[str, Any]) -> VmPower | None:
    """An entry of the list of all VMs; None when its id is none of a VM in a group (then it is none of ours).

    That list returns ids with the group's name in upper case (recorded answers), so they are compared in lower case.
    """
    vm = _listed_id(document)
    if vm is None:
        return None
    view = (document.get("properties") or {}).get("instanceView") or {}
    return VmPower(group=vm.group.lower(), name=vm.name.lower(), power=_power(view))


def vm_size(document: Mapping[str, Any]) -> VmSize | None:
    """The same list without `statusOnly`. None also when it does not say the size."""
    vm = _listed_id(document)
    size = ((document.get("properties") or {}).get("hardwareProfile") or {}).get("vmSize")
    return VmSize(group=vm.group.lower(), name=vm.name.lower(), size=size) if vm is not None and size else None


def _listed_id(document: Mapping[str, Any]) -> ResourceId | None:
    try:
        return parse_id(str(document.get("id", "")), VM_TYPE)
    except FatalError:
        _log.warning("azure_vm_id_unknown", extra={"vm_id": document.get("id")})
        return None


def _power(instance_view: Mapping[str, Any]) -> str | None:
    for status in instance_view.get("statuses") or []:
        kind, _, state = str(status.get("code", "")).partition("/")
        if kind.lower() == "powerstate":
            return _POWER.get(state.lower())
    return None
