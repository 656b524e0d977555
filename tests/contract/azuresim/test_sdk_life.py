"""The life of a VM after it is ready, by the unmodified SDKs: schedules, status of all, resize, a moved clock."""

from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError
from azure.identity.aio import ManagedIdentityCredential
from azure.mgmt.resource.resources.aio import ResourceManagementClient

from localdev.azuresim.clock import OffsetFile, WallClock
from shared.clock import OffsetClock
from tests.contract.azuresim.conftest import Azure, code_of
from tests.support import azure_requests as bodies
from tests.support.azure_requests import GROUP, LABS, REGION, SCHEDULE, SUBNET, VM

DAY = 86_400
SMALL, BIG, RESTRICTED = "Standard_D2s_v3", "Standard_D4s_v3", "Standard_D4as_v5"


async def power(azure: Azure) -> str:
    view = await azure.compute.virtual_machines.instance_view(GROUP, "vm1")
    return str(view.statuses[-1].code)


async def run(azure: Azure, verb: str, *arguments: Any) -> Any:
    """A long-running call on the VM to its end."""
    begun = await getattr(azure.compute.virtual_machines, f"begin_{verb}")(GROUP, "vm1", *arguments)
    return await begun.result()


def sized(size: str) -> dict[str, Any]:
    return {"properties": {"hardwareProfile": {"vmSize": size}}}


# daily shutdown


async def test_daily_shutdown_through_the_generic_operations(azure: Azure) -> None:
    await azure.has_vm()
    resources, schedule = azure.resources.resources, azure.id(SCHEDULE)
    for status in ("Enabled", "Disabled", "Enabled"):
        body = bodies.schedule_body(azure.id(VM), status=status)
        begun = await resources.begin_create_or_update_by_id(schedule, api_version=LABS, parameters=body)
        assert (await begun.result()).properties["status"] == status
        found = await resources.get_by_id(schedule, api_version=LABS)
        assert (found.name, found.location, found.tags) == ("shutdown-computevm-vm1", REGION, {"hublet-hub": "a"})
        assert found.properties["dailyRecurrence"] == {"time": "1730"}
    kind = "resourceType eq 'Microsoft.DevTestLab/schedules'"
    assert [r.tags async for r in resources.list(filter=kind)] == [{"hublet-hub": "a"}]

    await azure.sim("POST", "clock", {"advance_s": 3 * DAY})
    assert await power(azure) == "PowerState/deallocated"

    for _ in range(2):  # 200, then 204
        await (await resources.begin_delete_by_id(schedule, api_version=LABS)).result()


async def test_refused_daily_shutdown_says_why(azure: Azure) -> None:
    await azure.has_vm()
    body = bodies.schedule_body(azure.id(VM), timeZoneId="Europe/Berlin")
    with pytest.raises(HttpResponseError) as refused:
        await azure.resources.resources.begin_create_or_update_by_id(
            azure.id(SCHEDULE), api_version=LABS, parameters=body
        )
    assert code_of(refused.value) == "IncorrectRequiredProperties"
    assert "TimeZoneId" in str(refused.value)


# status of all


async def test_power_state_of_every_machine_comes_in_pages(azure: Azure) -> None:
    await azure.has_vm()
    vms = azure.compute.virtual_machines
    for number in (2, 3, 4, 5):
        profile = bodies.inline_network(azure.id(SUBNET), f"hub-{number}")
        await (await vms.begin_create_or_update(GROUP, f"vm{number}", bodies.vm_body(profile))).result()
    await (await vms.begin_deallocate(GROUP, "vm2")).result()
    await (await vms.begin_power_off(GROUP, "vm3")).result()
    await azure.sim("POST", "settings", {"pageSize": 2})
    await azure.sim("DELETE", "requests")

    seen = [vm async for vm in vms.list_all(status_only="true")]

    assert {vm.name: vm.instance_view.statuses[-1].code for vm in seen} == {
        "vm1": "PowerState/running",
        "vm2": "PowerState/deallocated",
        "vm3": "PowerState/stopped",
        "vm4": "PowerState/running",
        "vm5": "PowerState/running",
    }
    assert all(f"/resourceGroups/{GROUP.upper()}/" in vm.id for vm in seen)
    assert all(vm.hardware_profile is None and vm.tags is None for vm in seen)
    listed = [r.operation for r in azure.simulator.recorder.since(None)]
    assert listed == ["VirtualMachines_ListAll"] * 3
    assert len([vm async for vm in vms.list(GROUP)]) == 5
    assert len([r async for r in azure.resources.resources.list_by_resource_group(GROUP)]) == 22


async def test_groups_and_tagged_resources_come_in_pages(azure: Azure) -> None:
    groups = azure.resources.resource_groups
    for number in range(5):
        await groups.create_or_update(f"g{number}", {"location": REGION, "tags": {"of": "d 1"}})
        name = f"/resourceGroups/g{number}/providers/Microsoft.Network/networkSecurityGroups/nsg"
        await azure.arm("PUT", azure.id(name) + "?api-version=2026-03-01", bodies.nsg_body() | {"tags": {"of": "d 1"}})
    await azure.sim("POST", "settings", {"pageSize": 2})
    by_tag = "tagName eq 'of' and tagValue eq 'd 1'"
    assert [g.name async for g in groups.list(filter=by_tag)] == ["g0", "g1", "g2", "g3", "g4"]
    assert len([r async for r in azure.resources.resources.list(filter=by_tag)]) == 5


async def test_list_is_expanded_for_nobody_who_names_no_scale_set(azure: Azure) -> None:
    await azure.has_vm()
    for listed in (
        azure.compute.virtual_machines.list_all(expand="instanceView"),
        azure.compute.virtual_machines.list_all(status_only="true", expand="instanceView"),
        azure.compute.virtual_machines.list(GROUP, expand="instanceView"),
    ):
        with pytest.raises(HttpResponseError) as refused:
            [vm async for vm in listed]
        assert code_of(refused.value) == "InvalidParameter"


# start and resize


async def test_deallocated_machine_is_resized_and_starts_with_its_new_size(azure: Azure) -> None:
    await azure.has_vm()
    await run(azure, "deallocate")
    assert (await run(azure, "update", sized(BIG))).hardware_profile.vm_size == BIG
    assert await power(azure) == "PowerState/deallocated"
    await run(azure, "start")
    assert await power(azure) == "PowerState/running"
    assert (await azure.compute.virtual_machines.get(GROUP, "vm1")).hardware_profile.vm_size == BIG
    usages = {u.name.value: u.current_value async for u in azure.compute.usage.list(REGION)}
    assert usages["cores"] == 4


async def test_start_without_room_fails_in_the_poll_and_another_size_starts(azure: Azure) -> None:
    await azure.has_vm()
    await run(azure, "deallocate")
    await azure.sim("POST", "settings", {"outOfCapacity": [f"{REGION}/{SMALL}"]})
    with pytest.raises(HttpResponseError) as refused:
        await run(azure, "start")
    assert code_of(refused.value) == "AllocationFailed"
    vm = await azure.compute.virtual_machines.get(GROUP, "vm1", expand="instanceView")
    assert vm.provisioning_state == "Failed"
    assert [status.code for status in vm.instance_view.statuses] == [
        "ProvisioningState/failed/AllocationFailed",
        "PowerState/deallocated",
    ]
    await run(azure, "update", sized(BIG))
    await run(azure, "start")
    vm = await azure.compute.virtual_machines.get(GROUP, "vm1", expand="instanceView")
    assert (vm.provisioning_state, vm.instance_view.statuses[-1].code) == ("Succeeded", "PowerState/running")


async def test_size_without_room_is_given_to_a_deallocated_machine_and_refused_at_its_start(azure: Azure) -> None:
    await azure.has_vm()
    await azure.sim("POST", "settings", {"outOfCapacity": [f"{REGION}/{BIG}"]})
    with pytest.raises(ResourceExistsError) as refused:  # 409
        await run(azure, "update", sized(BIG))
    assert code_of(refused.value) == "OperationNotAllowed"
    assert "current hardware cluster" in str(refused.value)
    assert (await azure.compute.virtual_machines.get(GROUP, "vm1")).hardware_profile.vm_size == SMALL

    await run(azure, "deallocate")
    await run(azure, "update", sized(BIG))
    with pytest.raises(HttpResponseError) as no_room:
        await run(azure, "start")
    assert code_of(no_room.value) == "AllocationFailed"


@pytest.mark.parametrize("put", [False, True])
@pytest.mark.parametrize(
    ("region", "size", "quotas", "expected"),
    [
        ("germanywestcentral", RESTRICTED, {}, (409, "SkuNotAvailable")),
        ("germanywestcentral", "Standard_E2s_v3", {}, (400, "InvalidParameter")),
        (REGION, "Standard_Nope", {}, (400, "InvalidParameter")),
        (REGION, "Standard_D2ps_v5", {}, (400, "InvalidParameter")),
        (REGION, BIG, {f"{REGION}/cores": 3}, (409, "OperationNotAllowed")),
        (REGION, BIG, {"standardDSv3Family": 3}, (409, "OperationNotAllowed")),
    ],
)
async def test_resize_to_what_cannot_be_had_is_refused(
    azure: Azure, put: bool, region: str, size: str, quotas: dict[str, int], expected: tuple[int, str]
) -> None:
    await azure.resources.resource_groups.create_or_update(GROUP, {"location": region})
    networks, vms = azure.network.virtual_networks, azure.compute.virtual_machines
    network = bodies.vnet_body() | {"location": region}
    await (await networks.begin_create_or_update(GROUP, "vnet", network)).result()
    body = azure.vm_body() | {"location": region}
    await (await vms.begin_create_or_update(GROUP, "vm1", body)).result()
    await run(azure, "deallocate")
    await azure.sim("POST", "settings", {"quotas": quotas})
    with pytest.raises(HttpResponseError) as refused:
        if put:
            body["properties"]["hardwareProfile"]["vmSize"] = size
            await run(azure, "create_or_update", body)
        else:
            await run(azure, "update", sized(size))
    assert (refused.value.status_code, code_of(refused.value)) == expected
    assert (await vms.get(GROUP, "vm1")).hardware_profile.vm_size == SMALL


async def test_running_machine_reboots_into_its_new_size(azure: Azure) -> None:
    await azure.has_vm()
    await run(azure, "update", sized(BIG))
    assert await power(azure) == "PowerState/running"
    view = await azure.compute.virtual_machines.instance_view(GROUP, "vm1")
    assert view.computer_name is None  # the guest agent is not back yet


async def test_write_on_top_of_a_power_action_is_refused(azure: Azure) -> None:
    await azure.has_vm()
    azure.slow("VirtualMachines_Deallocate", 60)
    begun = await azure.compute.virtual_machines.begin_deallocate(GROUP, "vm1")
    assert (await azure.compute.virtual_machines.get(GROUP, "vm1")).provisioning_state == "Updating"
    for verb, arguments in (("update", [sized(BIG)]), ("start", []), ("create_or_update", [azure.vm_body()])):
        with pytest.raises(ResourceExistsError) as refused:
            await run(azure, verb, *arguments)
        assert code_of(refused.value) == "Conflict"
    await azure.sim("POST", "clock", {"advance_s": 60})
    await begun.result()
    assert await power(azure) == "PowerState/deallocated"


async def test_power_off_of_a_deallocated_machine_is_refused(azure: Azure) -> None:
    await azure.has_vm()
    await run(azure, "deallocate")
    with pytest.raises(ResourceExistsError) as refused:
        await run(azure, "power_off")
    assert code_of(refused.value) == "OperationNotAllowed"


# a clock that is moved by days


async def test_credential_of_azure_identity_outlives_days_of_a_moved_clock(
    azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", azure.server.identity_url)
    monkeypatch.setenv("IDENTITY_HEADER", azure.simulator.identity_secret)
    async with (
        ManagedIdentityCredential() as credential,
        ResourceManagementClient(
            credential,
            azure.simulator.services.subscription_id,
            base_url=azure.server.arm_url,
            connection_verify=str(azure.server.ca_file),
            credential_scopes=["https://management.azure.com/.default"],
        ) as client,
    ):
        await client.resource_groups.create_or_update(GROUP, {"location": REGION})
        for _ in range(3):
            await azure.sim("POST", "clock", {"advance_s": 3 * DAY})
            # The SDK keeps the token it has: by its own machine's time it is minutes old.
            assert await client.resource_groups.check_existence(GROUP)
        # A token that is asked for now is good as well, and no longer than any other.
        fresh = await credential.get_token("https://management.azure.com/.default", claims="{}")
        assert fresh.expires_on <= azure.simulator.clock.wall().timestamp() + DAY


async def test_operation_in_flight_is_over_and_still_known_after_days(azure: Azure) -> None:
    await azure.has_vm()
    azure.slow("VirtualMachines_Deallocate", 3600)
    begun = await azure.compute.virtual_machines.begin_deallocate(GROUP, "vm1")
    for _ in range(2):
        await azure.sim("POST", "clock", {"advance_s": 3 * DAY})
        # Old operations are forgotten when a new one begins: that of this write.
        await (
            await azure.network.network_security_groups.begin_create_or_update(GROUP, "nsg", bodies.nsg_body())
        ).result()
    await begun.result()
    assert begun.status() == "Succeeded"
    assert await power(azure) == "PowerState/deallocated"


async def test_throttled_client_goes_on_after_days(azure: Azure) -> None:
    await azure.has_vm()
    address = azure.id(VM) + "?api-version=2026-04-01"
    async with azure.http.get(azure.server.arm_url + address) as unknown:
        assert unknown.status == 401
    answers = [(await azure.arm("GET", address)).status for _ in range(60)]
    assert answers[-1] == 429
    await azure.sim("POST", "clock", {"advance_s": 3 * DAY})
    assert (await azure.arm("GET", address)).status == 200


async def test_certificate_that_is_issued_after_days_is_good_today(azure: Azure) -> None:
    from cryptography import x509

    await azure.sim("POST", "clock", {"advance_s": 200 * DAY})
    leaf, _ = x509.load_pem_x509_certificates(azure.server._authority.issue(["hub.example.org"]).cert_pem)
    assert leaf.not_valid_before_utc <= azure.simulator.clock.wall() <= leaf.not_valid_after_utc


def test_clock_tells_its_offset_to_who_follows_the_file(tmp_path: Path) -> None:
    file = tmp_path / "new" / "clock-offset"
    ours = WallClock(told=OffsetFile(file))
    theirs = OffsetClock(file)
    assert file.read_text() == "0.000000\n"
    for days in (1, 2):
        ours.move(DAY)
        assert file.read_text() == f"{days * DAY}.000000\n"
        assert abs((theirs.now() - ours.now()).total_seconds()) < 5
    assert list(file.parent.iterdir()) == [file]
