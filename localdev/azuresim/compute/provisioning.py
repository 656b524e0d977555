"""What happens while a VM is being created, and when it is deleted: interfaces, addresses, disk, the machine itself."""

from datetime import datetime

from localdev.azuresim.clock import scaled
from localdev.azuresim.compute import errors
from localdev.azuresim.compute.models import (
    AGENT_AFTER_S,
    Disk,
    NicReference,
    OsDisk,
    Power,
    VirtualMachine,
    upper_group,
)
from localdev.azuresim.envelope import ArmError, Json
from localdev.azuresim.identifiers import new_guid, new_hex, new_suffix
from localdev.azuresim.network.errors import interface_in_use, interface_reserved
from localdev.azuresim.network.inbound import LiveInboundRules
from localdev.azuresim.network.interfaces import reserved_for
from localdev.azuresim.network.models import Interface, PublicAddress
from localdev.azuresim.network.routes import Network
from localdev.azuresim.operations import Operation
from localdev.azuresim.services import Services
from localdev.azuresim.store import ProvisioningState
from localdev.azuresim.vm.ports import VmSpec

#: Interfaces and addresses of an inline VM exist this long after the PUT.
_NETWORK_AFTER_S = 4.0

#: With these the machine runs, although its create operation fails.
_RUNS_ANYWAY = frozenset({"OSProvisioningTimedOut", "OSProvisioningClientError", "VMExtensionProvisioningError"})


class Provisioning:
    """Makes and unmakes what belongs to a VM.  Every step may be repeated: it finds what is there."""

    def __init__(self, services: Services, network: Network) -> None:
        self._services = services
        self._store = services.store
        self._network = network

    # creating

    def check_interfaces(self, vm_id: str, location: str, nics: tuple[NicReference, ...], now: datetime) -> None:
        """Refuse interfaces that are absent, elsewhere, in use or reserved.

        Raises:
            ArmError: 400 with Microsoft.Network's codes.
        """
        for nic in nics:
            interface = self._store.find(Interface, nic.id)
            if interface is None or interface.location != location:
                raise errors.no_such_interface(nic.id, vm_id)
            if interface.vm_id is not None and interface.vm_id.lower() != vm_id.lower():
                raise interface_in_use(interface.id, interface.vm_id)
            holder = reserved_for(interface, now)
            if holder is not None and holder.lower() != vm_id.lower():
                raise interface_reserved(holder)

    def schedule_network(self, vm: VirtualMachine, operation: Operation) -> None:
        """Make the inline interfaces and addresses a few seconds into the create operation."""

        async def make(moment: datetime) -> None:
            if operation.over or self._store.find(VirtualMachine, vm.id) is not vm:
                return
            try:
                await self.make_network(vm, moment)
            except ArmError as refusal:
                await self._services.operations.break_off(operation, moment, refusal)

        soon = operation.started + scaled(self._services.clock, _NETWORK_AFTER_S)
        self._services.operations.at(min(soon, operation.ends), make)

    async def make_network(self, vm: VirtualMachine, moment: datetime) -> None:
        """The interfaces and public addresses of ``networkInterfaceConfigurations``, once.

        Raises:
            ArmError: a reference that is absent, a label that is taken, a quota that is used up.
        """
        if vm.nics or not vm.inline:
            return
        made: list[NicReference] = []
        for index, configuration in enumerate(vm.inline):
            interface = await self._make_interface(vm, configuration, moment)
            properties: Json = configuration.get("properties") or {}
            echoed = {key: properties[key] for key in ("primary", "deleteOption") if key in properties}
            made.append(NicReference(id=interface.id, properties={"primary": index == 0} | echoed))
        vm.nics = made

    async def _make_interface(self, vm: VirtualMachine, configuration: Json, moment: datetime) -> Interface:
        properties: Json = dict(configuration.get("properties") or {})
        bodies: list[Json] = []
        for each in properties.get("ipConfigurations") or []:
            inner: Json = dict(each.get("properties") or {})
            wanted = inner.pop("publicIPAddressConfiguration", None)
            if wanted is not None:
                address = await self._make_address(vm, wanted, moment)
                inner["publicIPAddress"] = {"id": address.id}
                option = (wanted.get("properties") or {}).get("deleteOption")
                if option is not None:
                    inner["publicIPAddress"]["properties"] = {"deleteOption": option}
            bodies.append({"name": each.get("name"), "properties": inner})
        body = {"tags": configuration.get("tags"), "properties": {**properties, "ipConfigurations": bodies}}
        name = self._made_up(str(configuration.get("name")))
        interface_id = self._store.resource_id(vm.group, Interface, name)
        interfaces = self._network.interfaces
        interface = interfaces.describe(name, interface_id, vm.group, vm.location, body, moment)
        self._store.save(interface)
        return interface

    async def _make_address(self, vm: VirtualMachine, wanted: Json, moment: datetime) -> PublicAddress:
        name = self._made_up(str(wanted.get("name")))
        address_id = self._store.resource_id(vm.group, PublicAddress, name)
        addresses = self._network.public_addresses
        body = {**wanted, "zones": wanted.get("zones") or list(vm.zones)}
        address = addresses.describe(name, address_id, vm.group, vm.location, body, moment)
        addresses.settle_inline(address, await self._services.runtime.reserve_address(vm.id))
        return address

    def _made_up(self, name: str) -> str:
        # ARM makes the names of inline resources unique in a way nobody documents: nobody may compute them.
        return f"{name}-{new_suffix(self._services.rng, 8)}"

    async def succeed(self, vm: VirtualMachine, moment: datetime) -> None:
        """The end of a create: everything is attached and the machine boots.

        Raises:
            ArmError: what only now turned out to be impossible.
        """
        await self.make_network(vm, moment)
        self._attach(vm, moment)
        vm.power = Power.RUNNING
        vm.agent_ready = moment + scaled(self._services.clock, AGENT_AFTER_S)
        vm.failure = None
        self.settle(vm, ProvisioningState.SUCCEEDED, moment)
        await self._boot(vm)

    async def fail(self, vm: VirtualMachine, moment: datetime, error: ArmError) -> None:
        """The end of a create that failed: the VM stays, in state Failed, and its interfaces stay reserved for it."""
        vm.failure = error.code
        self.settle(vm, ProvisioningState.FAILED, moment)
        if error.code in _RUNS_ANYWAY:
            await self.make_network(vm, moment)
            self._attach(vm, moment)
            vm.power = Power.RUNNING
            self._store.save(vm)
            await self._boot(vm)
            return
        self._store.save(vm)
        for interface in self.interfaces(vm):
            self._network.interfaces.reserve(interface, vm.id, moment)

    def settle(self, vm: VirtualMachine, state: ProvisioningState, moment: datetime) -> None:
        """Put the VM in a lasting state."""
        vm.state = state
        vm.changed = moment
        vm.version += 1
        self._store.save(vm)

    def _attach(self, vm: VirtualMachine, moment: datetime) -> None:
        for interface in self.interfaces(vm):
            self._network.interfaces.attach(interface, vm.id)
        self._make_disk(vm, moment)

    def _make_disk(self, vm: VirtualMachine, moment: datetime) -> None:
        described: OsDisk = vm.os_disk
        if described.disk_id is not None:
            return
        described.name = described.name or f"{vm.name}_OsDisk_1_{new_hex(self._services.rng)}"
        described.disk_id = self._store.resource_id(vm.group, Disk, described.name)
        image = vm.image
        self._store.save(
            Disk(
                id=described.disk_id,
                name=described.name,
                group=vm.group,
                location=vm.location,
                created=moment,
                tags=dict(vm.tags) if vm.tags else None,
                size_gb=described.size_gb,
                sku=described.storage_type,
                unique_id=new_guid(self._services.rng),
                image_id=f"/Subscriptions/{self._services.subscription_id}/Providers/Microsoft.Compute/Locations/"
                f"{vm.location}/Publishers/{image['publisher']}/ArtifactTypes/VMImage/Offers/{image['offer']}/Skus/"
                f"{image['sku']}/Versions/{image['exactVersion']}",
                generation=vm.generation,
                zones=vm.zones,
                managed_by=upper_group(vm.id),
            )
        )

    async def _boot(self, vm: VirtualMachine) -> None:
        runtime = self._services.runtime
        if vm.born:
            await runtime.start(vm.id)
            return
        interfaces = self.interfaces(vm)
        address = self.public_address(vm)
        keys = vm.os_profile["linuxConfiguration"].get("ssh", {}).get("publicKeys", [])
        spec = VmSpec(
            vm_id=vm.id,
            name=vm.name,
            region=vm.location,
            size=vm.size,
            admin_username=vm.os_profile["adminUsername"],
            ssh_public_keys=tuple(key["keyData"] for key in keys),
            custom_data=vm.custom_data,
            fqdn=address.fqdn if address else None,
        )
        vm.born = True
        if address is None or address.reserved is None:
            reserved = await runtime.reserve_address(vm.id)
        else:
            reserved = address.reserved
            # An address made on its own was set aside under its own id: hand it over to the VM.
            await runtime.delete(address.id)
        await runtime.create(spec, reserved, LiveInboundRules(self._store, interfaces[0].id if interfaces else ""))

    # looking

    def interfaces(self, vm: VirtualMachine) -> list[Interface]:
        """The VM's interfaces, the primary one first."""
        found = [interface for nic in vm.nics if (interface := self._store.find(Interface, nic.id)) is not None]
        primary = {nic.id.lower() for nic in vm.nics if nic.properties.get("primary")}
        return sorted(found, key=lambda interface: interface.id.lower() not in primary)

    def public_address(self, vm: VirtualMachine) -> PublicAddress | None:
        """The public IP of the VM's primary interface."""
        for interface in self.interfaces(vm)[:1]:
            for configuration in interface.configurations:
                if configuration.public_address_id is not None:
                    return self._store.find(PublicAddress, configuration.public_address_id)
        return None

    # deleting

    async def remove(self, vm: VirtualMachine, moment: datetime) -> None:
        """The end of a delete: the machine goes, and with it what was asked to go."""
        await self._services.runtime.delete(vm.id)
        for nic in vm.nics:
            interface = self._store.find(Interface, nic.id)
            if interface is None:
                continue
            if nic.deleted_with_vm:
                await self._remove_interface(interface, moment)
            else:
                self._network.interfaces.reserve(interface, vm.id, moment)
        disk = self._store.find(Disk, vm.os_disk.disk_id) if vm.os_disk.disk_id else None
        if disk is not None:
            disk.managed_by = None
            if vm.os_disk.delete_option.lower() == "delete":
                self._store.remove(disk, moment)
        self._store.remove(vm, moment)

    async def _remove_interface(self, interface: Interface, moment: datetime) -> None:
        self._store.remove(interface, moment)
        for configuration in interface.configurations:
            if configuration.public_address_id is None:
                continue
            address = self._store.find(PublicAddress, configuration.public_address_id)
            if address is not None and str(configuration.public_delete_option).lower() == "delete":
                await self._services.runtime.delete(address.id)
                self._store.remove(address, moment)
