"""What may change on a VM that exists, and what may not."""

from localdev.azuresim.compute import errors
from localdev.azuresim.compute.models import VirtualMachine
from localdev.azuresim.compute.validation import WantedMachine
from localdev.azuresim.envelope import Json


def check_immutable(vm: VirtualMachine, wanted: WantedMachine) -> None:
    """Refuse a PUT that changes what is fixed once a VM exists.  Leaving custom data out is no change.

    Raises:
        ArmError: 409 PropertyChangeNotAllowed, naming the property.
    """
    if wanted.custom_data is not None and wanted.custom_data != vm.custom_data:
        raise errors.change_not_allowed("osProfile.customData")
    for name in ("computerName", "adminUsername"):
        if wanted.os_profile[name] != vm.os_profile[name]:
            raise errors.change_not_allowed(f"osProfile.{name}")
    old_linux, new_linux = (profile["linuxConfiguration"] for profile in (vm.os_profile, wanted.os_profile))
    if old_linux.get("ssh") != new_linux.get("ssh"):
        raise errors.change_not_allowed("linuxConfiguration.ssh.publicKeys")
    if old_linux["disablePasswordAuthentication"] != new_linux["disablePasswordAuthentication"]:
        raise errors.change_not_allowed("linuxConfiguration.disablePasswordAuthentication")
    for name in ("publisher", "offer", "sku", "version"):
        if str(wanted.image_reference[name]).lower() != str(vm.image[name]).lower():
            raise errors.change_not_allowed("imageReference")
    if wanted.os_disk.name is not None and wanted.os_disk.name != vm.os_disk.name:
        raise errors.change_not_allowed("osDisk.name")
    if wanted.zones != vm.zones:
        raise errors.change_not_allowed("zones")
    for name in ("priority", "evictionPolicy"):
        if wanted.extra.get(name) != vm.extra.get(name):
            raise errors.change_not_allowed(name)
    if _security_type(wanted.extra) != _security_type(vm.extra):
        raise errors.change_not_allowed("securityProfile.securityType")
    _check_network(vm, wanted)


def _security_type(extra: Json) -> str:
    return str((extra.get("securityProfile") or {}).get("securityType", ""))


def _check_network(vm: VirtualMachine, wanted: WantedMachine) -> None:
    if wanted.inline:
        # What ARM does with repeated inline configurations is not recorded.  The same ones change nothing here,
        # others are refused, so that nobody relies on ARM making a second interface or none.
        if list(wanted.inline) != vm.inline:
            raise errors.change_not_allowed("networkProfile.networkInterfaceConfigurations")
        return
    if {nic.id.lower() for nic in wanted.nics} != {nic.id.lower() for nic in vm.nics}:
        raise errors.change_not_allowed("networkProfile.networkInterfaces")
