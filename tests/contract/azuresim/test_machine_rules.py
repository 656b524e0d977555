"""What ARM enforces on virtual machines, in virtual time and without a socket."""

import base64
from typing import Any

import pytest

from localdev.azuresim.clock import ManualClock
from localdev.azuresim.compute.models import VirtualMachine
from localdev.azuresim.simulator import Simulator
from localdev.azuresim.vm.ports import InboundRules, NullVmRuntime, VmSpec
from tests.support import azure_requests as bodies
from tests.support.azure_requests import DISKS, GROUP, NIC, PIP, SUBNET, VM, Caller, changed, code


@pytest.mark.parametrize(
    ("path", "value", "expected", "target"),
    [
        ("hardwareProfile.vmSize", None, "InvalidParameter", "vmSize"),
        ("hardwareProfile.vmSize", "Standard_Nope", "InvalidParameter", "vmSize"),
        ("hardwareProfile.vmSize", "Standard_D2ps_v5", "InvalidParameter", "vmSize"),
        ("storageProfile.imageReference.sku", "server-gen2", "PlatformImageNotFound", "imageReference"),
        ("storageProfile.osDisk.diskSizeGB", 8, "InvalidParameter", "osDisk.diskSizeGB"),
        ("osProfile.adminUsername", "admin", "InvalidParameter", "adminUsername"),
        ("osProfile.computerName", "x" * 65, "InvalidParameter", "computerName"),
        ("osProfile.customData", "not base64!", "InvalidParameter", "customData"),
        ("osProfile.customData", base64.b64encode(b"x" * 65_536).decode(), "InvalidParameter", "customData"),
        ("osProfile.linuxConfiguration.ssh", None, "InvalidParameter", "linuxConfiguration"),
        ("networkProfile.networkApiVersion", None, "InvalidParameter", "networkProfile.networkApiVersion"),
        ("networkProfile.networkInterfaceConfigurations", None, "InvalidParameter", "networkProfile.networkInterfaces"),
    ],
)
async def test_bad_machine_is_refused(call: Caller, path: str, value: Any, expected: str, target: str) -> None:
    await call.has_network()
    refused = await call("PUT", VM, changed(call.inline_vm(), f"properties.{path}", value))
    assert refused.json()["error"]["code"] == expected, refused.body
    assert refused.json()["error"]["target"] == target
    assert call.simulator.services.store.every(VirtualMachine) == []


async def test_weak_key_is_refused(call: Caller) -> None:
    await call.has_network()
    body = call.inline_vm()
    key = body["properties"]["osProfile"]["linuxConfiguration"]["ssh"]["publicKeys"][0]
    key["keyData"] = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ=="
    refused = await call("PUT", VM, body)
    assert refused.json()["error"]["target"] == "linuxConfiguration.ssh.publicKeys.keyData"


async def test_largest_custom_data_is_accepted_and_never_comes_back(call: Caller) -> None:
    await call.has_network()
    body = changed(call.inline_vm(), "properties.osProfile.customData", base64.b64encode(b"x" * 65_535).decode())
    await call.finish(await call("PUT", VM, body))
    assert "customData" not in (await call("GET", VM)).json()["properties"]["osProfile"]


async def test_interface_of_an_inline_machine_is_named_late_and_not_by_us(call: Caller) -> None:
    await call.has_network()
    begun = await call("PUT", VM, call.inline_vm())
    assert "networkInterfaces" not in begun.json()["properties"]["networkProfile"]
    assert "name" not in begun.json()["properties"]["storageProfile"]["osDisk"]
    await call.finish(begun)
    vm = (await call("GET", VM)).json()
    name = vm["properties"]["networkProfile"]["networkInterfaces"][0]["id"].rpartition("/")[2]
    assert name.startswith("nic-")
    assert vm["properties"]["storageProfile"]["osDisk"]["name"].startswith("vm1_OsDisk_1_")


async def test_taken_label_fails_an_inline_machine_in_the_poll(call: Caller) -> None:
    await call.has_network()
    await call.finish(await call("PUT", PIP, bodies.pip_body()))
    failed = await call.finish(await call("PUT", VM, call.inline_vm()))
    assert (failed["status"], failed["error"]["code"]) == ("Failed", "DnsRecordInUse")
    assert (await call("GET", VM)).json()["properties"]["provisioningState"] == "Failed"
    await call.finish(await call("DELETE", PIP))
    assert (await call.finish(await call("PUT", VM, call.inline_vm())))["status"] == "Succeeded"


@pytest.mark.parametrize(
    ("path", "value", "target"),
    [
        ("osProfile.customData", base64.b64encode(b"#other").decode(), "osProfile.customData"),
        ("osProfile.computerName", "other", "osProfile.computerName"),
        ("storageProfile.osDisk.name", "other", "osDisk.name"),
        ("storageProfile.imageReference.version", "24.04.202510020", "imageReference"),
        ("priority", "Spot", "priority"),
    ],
)
async def test_fixed_property_does_not_change(call: Caller, path: str, value: Any, target: str) -> None:
    await call.has_vm()
    refused = await call("PUT", VM, changed(call.inline_vm(), f"properties.{path}", value))
    assert code(refused) == (409, "PropertyChangeNotAllowed")
    assert refused.json()["error"]["target"] == target


@pytest.mark.parametrize("without_custom_data", [False, True])
async def test_same_put_again_makes_nothing_twice(call: Caller, without_custom_data: bool) -> None:
    before = await call.has_vm()
    body = call.inline_vm()
    if without_custom_data:
        del body["properties"]["osProfile"]["customData"]
    again = await call("PUT", VM, body)
    assert again.status == 200
    await call.finish(again)
    after = (await call("GET", VM)).json()
    assert after["properties"]["vmId"] == before["properties"]["vmId"]
    assert after["properties"]["networkProfile"] == before["properties"]["networkProfile"]
    assert len((await call("GET", NIC.rpartition("/")[0])).json()["value"]) == 1


async def test_writes_on_top_of_each_other_conflict_and_delete_preempts(call: Caller) -> None:
    await call.has_network()
    begun = await call("PUT", VM, call.inline_vm())
    assert code(await call("PUT", VM, call.inline_vm())) == (409, "Conflict")
    deleted = await call("DELETE", VM)
    assert deleted.status == 202
    assert (await call.follow(begun.headers["Azure-AsyncOperation"])).json()["error"]["code"] == "OperationPreempted"
    again = await call("DELETE", VM)
    assert again.headers["Azure-AsyncOperation"] == deleted.headers["Azure-AsyncOperation"]
    await call.finish(deleted)
    assert (await call("DELETE", VM)).status == 204


async def test_detached_parts_outlive_their_machine(call: Caller) -> None:
    await call.has_network()
    body = bodies.vm_body(bodies.inline_network(call.id(SUBNET), delete="Detach"))
    body["properties"]["storageProfile"]["osDisk"].pop("deleteOption")
    await call.finish(await call("PUT", VM, body))
    await call.finish(await call("DELETE", VM))
    left = (await call("GET", f"/resourceGroups/{GROUP}/resources")).json()["value"]
    assert {each["type"].rpartition("/")[2] for each in left} >= {"disks", "networkInterfaces", "publicIPAddresses"}
    disk = (await call("GET", DISKS)).json()["value"][0]
    assert disk["properties"]["diskState"] == "Unattached"


async def test_full_region_ends_a_create_and_a_start_but_not_a_deallocate(call: Caller) -> None:
    await call.has_vm()
    await call.sim("POST", "settings", {"outOfCapacity": ["eastus/Standard_D2s_v3"]})
    assert (await call.finish(await call("POST", f"{VM}/deallocate")))["status"] == "Succeeded"
    failed = await call.finish(await call("POST", f"{VM}/start"))
    assert failed["error"]["code"] == "AllocationFailed"
    view = (await call("GET", f"{VM}/instanceView")).json()
    assert view["statuses"][-1]["code"] == "PowerState/deallocated"


@pytest.mark.parametrize(
    ("full", "zones", "failure"),
    [
        ("eastus/Standard_D2s_v3/2", ["2"], "ZonalAllocationFailed"),
        ("eastus/Standard_D2s_v3/2", ["1"], None),
        ("eastus/Standard_D2s_v3/2", None, None),
        ("eastus/Standard_D2s_v3/none", None, "AllocationFailed"),
        ("eastus/Standard_D2s_v3/none", ["1"], None),
        ("eastus/Standard_D2s_v3", ["1"], "ZonalAllocationFailed"),
    ],
)
async def test_room_is_a_matter_of_the_zone(
    call: Caller, full: str, zones: list[str] | None, failure: str | None
) -> None:
    await call.has_network()
    await call.sim("POST", "settings", {"outOfCapacity": [full]})
    body = {**call.inline_vm(), **({"zones": zones} if zones else {})}
    done = await call.finish(await call("PUT", VM, body))
    assert done.get("error", {}).get("code") == failure


async def test_a_machine_is_in_one_zone_that_its_region_has(call: Caller) -> None:
    await call.has_network()
    for zones, refusal in (
        (["4"], (400, "AvailabilityZoneNotSupported")),
        (["1", "2"], (400, "InvalidParameter")),
    ):
        assert code(await call("PUT", VM, {**call.inline_vm(), "zones": zones})) == refusal


async def test_a_region_without_zones_takes_none(call: Caller) -> None:
    await call("PUT", f"/resourceGroups/{bodies.GROUP}", {"location": "westus"})
    body = {**call.inline_vm(), "location": "westus", "zones": ["1"]}
    assert code(await call("PUT", VM, body)) == (400, "ResourceTypeNotSupportAvailabilityZones")


async def test_machine_whose_guest_came_up_too_late_runs_although_it_failed(call: Caller) -> None:
    await call.has_network()
    fault = {"operation": "VirtualMachines_CreateOrUpdate", "when": "poll", "code": "OSProvisioningTimedOut"}
    await call.sim("POST", "faults", fault)
    assert (await call.finish(await call("PUT", VM, call.inline_vm())))["status"] == "Failed"
    view = (await call("GET", f"{VM}/instanceView")).json()
    assert [status["code"] for status in view["statuses"]] == [
        "ProvisioningState/failed/OSProvisioningTimedOut",
        "PowerState/running",
    ]
    assert call.simulator.services.runtime.endpoints(call.id(VM))


async def test_guest_agent_reports_some_time_after_the_start(call: Caller) -> None:
    await call.has_vm()
    await call.finish(await call("POST", f"{VM}/deallocate"))
    assert "computerName" not in (await call("GET", f"{VM}/instanceView")).json()
    await call.finish(await call("POST", f"{VM}/start"))
    assert "computerName" not in (await call("GET", f"{VM}/instanceView")).json()
    call.clock.advance(60)
    assert (await call("GET", f"{VM}/instanceView")).json()["computerName"] == "vm1"


async def test_cores_count_also_while_deallocated(call: Caller) -> None:
    await call.has_vm()
    await call.finish(await call("POST", f"{VM}/deallocate"))
    await call.sim("POST", "settings", {"quotas": {"eastus/cores": 3}})
    second = changed(call.inline_vm(), "properties.networkProfile", bodies.inline_network(call.id(SUBNET), "other"))
    assert code(await call("PUT", VM.replace("vm1", "vm2"), second)) == (409, "OperationNotAllowed")


async def test_etags_are_compared(call: Caller) -> None:
    vm = await call.has_vm()
    assert code(await call("PUT", VM, call.inline_vm(), If_None_Match="*")) == (412, "PreconditionFailed")
    assert code(await call("PUT", VM, call.inline_vm(), If_Match='"0"')) == (412, "PreconditionFailed")
    assert (await call("PUT", VM, call.inline_vm(), If_Match=vm["etag"])).status == 200


class BrokenRuntime(NullVmRuntime):
    """Virtual machines that cannot be started."""

    async def create(self, spec: VmSpec, address: str, inbound: InboundRules) -> None:
        raise OSError("no process today")


async def test_machine_that_cannot_be_started_fails_its_operation_and_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = ManualClock()
    call = Caller(Simulator(clock=clock, runtime=BrokenRuntime()), clock)
    await call.has_network()
    failed = await call.finish(await call("PUT", VM, call.inline_vm()))
    assert failed["error"]["code"] == "InternalExecutionError"
    assert "no process today" in caplog.text
    assert (await call("GET", VM)).json()["properties"]["provisioningState"] == "Failed"
