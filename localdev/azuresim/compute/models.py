"""Virtual machines and disks, and how they look on the wire.

Shapes as recorded (Azure/azure-service-operator, Azure/azure-libraries-for-java and Azure/azure-sdk-for-python test
recordings, 2017-2025): what a PUT's answer lacks that a GET has, defaults that are filled in, what never comes back.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from localdev.azuresim.envelope import Json, timestamp
from localdev.azuresim.store import Resource, Store

#: The guest agent reports this many seconds of Azure's time after a VM came up.
AGENT_AFTER_S = 15.0


class Power(StrEnum):
    """``PowerState/...``."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    DEALLOCATING = "deallocating"
    DEALLOCATED = "deallocated"


@dataclass(kw_only=True)
class NicReference:
    """One interface of a VM."""

    id: str
    properties: Json = field(default_factory=dict)
    """As sent: ``primary``, ``deleteOption``."""

    @property
    def deleted_with_vm(self) -> bool:
        return str(self.properties.get("deleteOption", "Detach")).lower() == "delete"

    def render(self) -> Json:
        return {"id": self.id} | ({"properties": dict(self.properties)} if self.properties else {})


@dataclass(kw_only=True)
class OsDisk:
    """A VM's OS disk as its storage profile describes it."""

    name: str | None
    """None until ARM has made one up."""
    size_gb: int
    storage_type: str = "Standard_LRS"
    caching: str = "ReadWrite"
    delete_option: str = "Detach"
    disk_id: str | None = None

    def render(self) -> Json:
        body: Json = {"osType": "Linux"}
        if self.name is not None:
            body["name"] = self.name
        managed: Json = {"storageAccountType": self.storage_type}
        if self.disk_id is not None:
            managed["id"] = upper_group(self.disk_id)
        return body | {
            "createOption": "FromImage",
            "caching": self.caching,
            "managedDisk": managed,
            "deleteOption": self.delete_option,
            "diskSizeGB": self.size_gb,
        }


@dataclass(kw_only=True)
class VirtualMachine(Resource):
    """A virtual machine."""

    TYPE: ClassVar[str] = "Microsoft.Compute/virtualMachines"

    guid: str
    size: str
    image: Json
    generation: str
    os_disk: OsDisk
    os_profile: Json
    """As it comes back: without password and custom data."""
    custom_data: bytes
    nics: list[NicReference]
    inline: list[Json] = field(default_factory=list)
    """``networkInterfaceConfigurations`` as sent."""
    network_api_version: str | None = None
    zones: tuple[str, ...] = ()
    extra: Json = field(default_factory=dict)
    """Other properties that come back as sent: securityProfile, diagnosticsProfile, priority and the like."""
    identity: Json | None = None
    power: Power | None = None
    """None until it has been allocated for the first time."""
    version: int = 1
    failure: str | None = None
    """Code of the error its last operation ended with."""
    changed: datetime
    agent_ready: datetime | None = None
    """From when the guest agent reports; None while the VM is off."""
    born: bool = False
    """Whether it ever came up: only then does the runtime know it."""

    def references(self) -> Iterator[tuple[str, str]]:
        for nic in self.nics:
            yield self.id, nic.id

    def render(self, store: Store) -> Json:
        body: Json = {"name": self.name, "id": self.id, "type": self.TYPE, "location": self.location}
        if self.tags is not None:
            body["tags"] = dict(self.tags)
        if self.zones:
            body["zones"] = list(self.zones)
        if self.identity is not None:
            body["identity"] = dict(self.identity)
        properties: Json = {
            "vmId": self.guid,
            "hardwareProfile": {"vmSize": self.size},
            "storageProfile": {"imageReference": dict(self.image), "osDisk": self.os_disk.render(), "dataDisks": []},
            "osProfile": copy.deepcopy(self.os_profile),
            "networkProfile": self._network_profile(),
            **copy.deepcopy(self.extra),
            "provisioningState": self.state.value,
            "timeCreated": timestamp(self.created),
        }
        return body | {"properties": properties, "etag": f'"{self.version}"'}

    def _network_profile(self) -> Json:
        if self.nics or not self.inline:
            return {"networkInterfaces": [nic.render() for nic in self.nics]}
        # Interfaces that ARM makes are named once they are made; until then only what was asked for is known.
        return {
            "networkApiVersion": self.network_api_version,
            "networkInterfaceConfigurations": copy.deepcopy(self.inline),
        }


@dataclass(kw_only=True)
class Disk(Resource):
    """A managed disk."""

    TYPE: ClassVar[str] = "Microsoft.Compute/disks"

    size_gb: int
    sku: str
    unique_id: str
    image_id: str
    generation: str
    zones: tuple[str, ...] = ()
    managed_by: str | None = None

    def render(self, store: Store) -> Json:
        body: Json = {"name": self.name, "id": self.id, "type": self.TYPE, "location": self.location}
        if self.tags is not None:
            body["tags"] = dict(self.tags)
        if self.zones:
            body["zones"] = list(self.zones)
        if self.managed_by is not None:
            body["managedBy"] = self.managed_by
        tier = "Premium" if self.sku.startswith("Premium") else "Standard"
        properties: Json = {
            "osType": "Linux",
            "hyperVGeneration": self.generation,
            "creationData": {"createOption": "FromImage", "imageReference": {"id": self.image_id}},
            "diskSizeGB": self.size_gb,
            "diskIOPSReadWrite": 500,
            "diskMBpsReadWrite": 60,
            "encryption": {"type": "EncryptionAtRestWithPlatformKey"},
            "networkAccessPolicy": "AllowAll",
            "publicNetworkAccess": "Enabled",
            "timeCreated": timestamp(self.created),
            "provisioningState": self.state.value,
            "diskState": self._disk_state(store),
            "diskSizeBytes": self.size_gb * 1024**3,
            "uniqueId": self.unique_id,
        }
        return body | {"sku": {"name": self.sku, "tier": tier}, "properties": properties}

    def _disk_state(self, store: Store) -> str:
        if self.managed_by is None:
            return "Unattached"
        vm = store.find(VirtualMachine, self.managed_by)
        return "Reserved" if vm is not None and vm.power is Power.DEALLOCATED else "Attached"


def upper_group(resource_id: str) -> str:
    """The id with its group in upper case, as compute writes it in some places (177 recorded answers)."""
    before, marker, after = resource_id.partition("/resourceGroups/")
    group, slash, rest = after.partition("/")
    return f"{before}{marker}{group.upper()}{slash}{rest}"
