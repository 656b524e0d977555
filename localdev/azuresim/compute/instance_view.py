"""A VM's instance view: what it is doing now, as opposed to what it was asked to be."""

from datetime import datetime

from localdev.azuresim.compute.models import Power, VirtualMachine
from localdev.azuresim.envelope import Json, timestamp
from localdev.azuresim.store import ProvisioningState


def statuses(vm: VirtualMachine) -> list[Json]:
    """Provisioning state, with its time, and power state, without one; no power state before it was ever allocated."""
    code = f"ProvisioningState/{vm.state.value.lower()}"
    display = {
        ProvisioningState.SUCCEEDED: "Provisioning succeeded",
        ProvisioningState.FAILED: "Provisioning failed",
    }.get(vm.state, vm.state.value)
    level = "Info"
    if vm.state is ProvisioningState.FAILED and vm.failure:
        code, level = f"{code}/{vm.failure}", "Error"
    found: list[Json] = [{"code": code, "level": level, "displayStatus": display, "time": timestamp(vm.changed)}]
    if vm.power is not None:
        power = vm.power.value
        found.append({"code": f"PowerState/{power}", "level": "Info", "displayStatus": f"VM {power}"})
    return found


def instance_view(vm: VirtualMachine, now: datetime) -> Json:
    """The whole view; name and OS only while the guest agent reports, which it does some time after a start."""
    view: Json = {}
    reporting = vm.power is Power.RUNNING and vm.agent_ready is not None and vm.agent_ready <= now
    if reporting:
        view |= {"computerName": vm.os_profile["computerName"], "osName": "ubuntu", "osVersion": _os_version(vm)}
    if vm.power is not None:
        view["vmAgent"] = _agent(vm, reporting=reporting, now=now)
    if vm.os_disk.name is not None and vm.os_disk.disk_id is not None:
        disk: Json = {"code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Provisioning succeeded"}
        view["disks"] = [{"name": vm.os_disk.name, "statuses": [disk | {"time": timestamp(vm.created)}]}]
    view |= {"hyperVGeneration": vm.generation, "statuses": statuses(vm)}
    return view


def _agent(vm: VirtualMachine, *, reporting: bool, now: datetime) -> Json:
    if reporting:
        status: Json = {
            "code": "ProvisioningState/succeeded",
            "level": "Info",
            "displayStatus": "Ready",
            "message": "Guest Agent is running",
        }
        return {"vmAgentVersion": "2.11.1.4", "statuses": [status | {"time": timestamp(now)}], "extensionHandlers": []}
    status = {
        "code": "ProvisioningState/Unavailable",
        "level": "Warning",
        "displayStatus": "Not Ready",
        "message": "VM status blob is found but not yet populated.",
    }
    return {"vmAgentVersion": "Unknown", "statuses": [status | {"time": timestamp(now)}]}


def _os_version(vm: VirtualMachine) -> str:
    return str(vm.image["exactVersion"])[:5]
