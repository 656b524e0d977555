"""The unmodified, asynchronous Azure SDKs against the simulator, over HTTPS with its own CA."""

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError

from tests.contract.azuresim.conftest import Azure, code_of
from tests.support import azure_requests as bodies
from tests.support.azure_requests import GROUP, PIP, REGION, SUBNET


async def test_groups_are_made_found_by_tag_changed_and_deleted(azure: Azure) -> None:
    groups = azure.resources.resource_groups
    made = await groups.create_or_update(GROUP, {"location": "East US", "tags": {"hublet-deployment": "d1"}})
    assert (made.location, made.properties.provisioning_state) == ("eastus", "Succeeded")
    await groups.create_or_update("other", {"location": REGION})
    assert await groups.check_existence(GROUP.upper())
    tagged = [g.name async for g in groups.list(filter="tagName eq 'hublet-deployment' and tagValue eq 'd1'")]
    assert tagged == [GROUP]
    changed = await groups.update(GROUP, {"tags": {"x": "y"}})
    assert changed.tags == {"x": "y"}
    await (await groups.begin_delete(GROUP, force_deletion_types="Microsoft.Compute/virtualMachines")).result()
    assert not await groups.check_existence(GROUP)
    with pytest.raises(ResourceNotFoundError) as missing:
        await groups.get(GROUP)
    assert code_of(missing.value) == "ResourceGroupNotFound"


async def test_resources_are_listed_by_group_and_by_tag(azure: Azure) -> None:
    await azure.has_vm()
    kinds = {r.type async for r in azure.resources.resources.list_by_resource_group(GROUP)}
    assert len(kinds) == 6
    machines = azure.resources.resources.list(filter="resourceType eq 'microsoft.compute/virtualmachines'")
    assert [r.tags async for r in machines] == [{"hublet-hub": "a"}]
    by_tag = azure.resources.resources.list(filter="tagName eq 'hublet-hub' and tagValue eq 'a'")
    tagged = [r async for r in by_tag]
    assert {r.type for r in tagged} == {"Microsoft.Compute/virtualMachines", "Microsoft.Compute/disks"}
    # Who filters by tag is not shown the tags, as the SDK's own documentation says.
    assert [r.tags for r in tagged] == [None, None]


async def test_providers_are_registered(azure: Azure) -> None:
    providers = azure.resources.providers
    assert (await providers.get("Microsoft.Storage")).registration_state == "NotRegistered"
    await providers.register("Microsoft.Storage")
    assert (await providers.get("Microsoft.Storage")).registration_state == "Registered"
    assert "Microsoft.Compute" in [p.namespace async for p in providers.list()]


async def test_security_group_and_network_are_tied_and_read_back(azure: Azure) -> None:
    await azure.has_network()
    nsg = await azure.network.network_security_groups.get(GROUP, "nsg")
    assert len(nsg.default_security_rules) == 6
    assert [subnet.id for subnet in nsg.subnets or []] == [azure.id(SUBNET)]
    vnet = await azure.network.virtual_networks.get(GROUP, "vnet")
    assert vnet.subnets[0].network_security_group.id == nsg.id
    subnet = await azure.network.subnets.get(GROUP, "vnet", "default")
    assert subnet.address_prefix == "10.0.0.0/24"
    second = await azure.network.subnets.begin_create_or_update(
        GROUP, "vnet", "second", {"properties": {"addressPrefix": "10.0.1.0/24"}}
    )
    assert (await second.result()).name == "second"
    assert [s.name async for s in azure.network.subnets.list(GROUP, "vnet")] == ["default", "second"]
    await (await azure.network.subnets.begin_delete(GROUP, "vnet", "second")).result()
    assert [s.name async for s in azure.network.subnets.list(GROUP, "vnet")] == ["default"]


@pytest.mark.parametrize("kind", ["virtual_networks", "network_security_groups", "public_ip_addresses"])
async def test_network_types_are_listed_tagged_and_deleted(azure: Azure, kind: str) -> None:
    await azure.resources.resource_groups.create_or_update(GROUP, {"location": REGION})
    body = {
        "virtual_networks": bodies.vnet_body(),
        "network_security_groups": bodies.nsg_body(),
        "public_ip_addresses": bodies.pip_body(),
    }[kind]
    operations = getattr(azure.network, kind)
    await (await operations.begin_create_or_update(GROUP, "one", body)).result()
    assert [r.name async for r in operations.list(GROUP)] == ["one"]
    assert [r.name async for r in operations.list_all()] == ["one"]
    assert (await operations.update_tags(GROUP, "one", {"tags": {"a": "b"}})).tags == {"a": "b"}
    await (await operations.begin_delete(GROUP, "one")).result()
    assert [r.name async for r in operations.list(GROUP)] == []


async def test_address_interface_and_machine_made_one_by_one(azure: Azure) -> None:
    await azure.has_network()
    network = azure.network
    pip = await (await network.public_ip_addresses.begin_create_or_update(GROUP, "pip", bodies.pip_body())).result()
    assert pip.ip_address is not None
    assert pip.ip_address.startswith("127.77.")
    nic_body = bodies.nic_body(azure.id(SUBNET), azure.id(PIP))
    nic = await (await network.network_interfaces.begin_create_or_update(GROUP, "nic", nic_body)).result()
    assert nic.ip_configurations[0].private_ip_address == "10.0.0.4"
    assert nic.mac_address is None
    profile = {"networkInterfaces": [{"id": nic.id, "properties": {"primary": True}}]}
    body = bodies.vm_body(profile)
    await (await azure.compute.virtual_machines.begin_create_or_update(GROUP, "vm1", body)).result()
    assert (await network.network_interfaces.get(GROUP, "nic")).mac_address is not None
    assert [n.name async for n in network.network_interfaces.list(GROUP)] == ["nic"]
    assert [n.name async for n in network.network_interfaces.list_all()] == ["nic"]
    await (await azure.compute.virtual_machines.begin_delete(GROUP, "vm1")).result()
    # Nobody asked for the interface to go, so it stays, for now reserved.
    with pytest.raises(HttpResponseError) as refused:
        await network.network_interfaces.begin_delete(GROUP, "nic")
    assert code_of(refused.value) == "NicReservedForAnotherVm"
    await azure.sim("POST", "clock", {"advance_s": 181})
    await (await network.network_interfaces.begin_delete(GROUP, "nic")).result()


async def test_inline_machine_is_made_read_back_and_takes_everything_with_it(azure: Azure) -> None:
    vm = await azure.has_vm()
    reference = vm.network_profile.network_interfaces[0]
    assert reference.delete_option == "Delete"
    nic = await azure.network.network_interfaces.get(GROUP, reference.id.rpartition("/")[2])
    assert nic.virtual_machine is not None
    address = nic.ip_configurations[0].public_ip_address
    pip = await azure.network.public_ip_addresses.get(GROUP, address.id.rpartition("/")[2])
    assert pip.dns_settings.fqdn == "hub-a.eastus.cloudapp.azure.com"
    assert pip.ip_address is not None
    await (await azure.compute.virtual_machines.begin_delete(GROUP, "vm1", force_deletion=True)).result()
    left = {r.type async for r in azure.resources.resources.list_by_resource_group(GROUP)}
    assert left == {"Microsoft.Network/networkSecurityGroups", "Microsoft.Network/virtualNetworks"}
    with pytest.raises(ResourceNotFoundError):
        await azure.compute.virtual_machines.get(GROUP, "vm1")


async def test_machine_is_seen_in_every_list(azure: Azure) -> None:
    await azure.has_vm()
    vms = azure.compute.virtual_machines
    assert [vm.name async for vm in vms.list(GROUP)] == ["vm1"]
    assert [vm.name async for vm in vms.list_by_location(REGION)] == ["vm1"]
    seen = [vm async for vm in vms.list_all(status_only="true")]
    assert seen[0].instance_view.statuses[-1].code == "PowerState/running"
    assert f"/resourceGroups/{GROUP.upper()}/" in seen[0].id
    disks = [disk async for disk in azure.compute.disks.list_by_resource_group(GROUP)]
    assert disks[0].disk_state == "Attached"
    assert (await azure.compute.disks.get(GROUP, disks[0].name)).disk_size_gb == 30
    assert len([disk async for disk in azure.compute.disks.list()]) == 1


@pytest.mark.parametrize(
    ("action", "power"),
    [("begin_power_off", "stopped"), ("begin_deallocate", "deallocated"), ("begin_restart", "running")],
)
async def test_power_actions_end_in_their_state_and_start_brings_it_back(azure: Azure, action: str, power: str) -> None:
    await azure.has_vm()
    vms = azure.compute.virtual_machines
    await (await getattr(vms, action)(GROUP, "vm1")).result()
    view = await vms.instance_view(GROUP, "vm1")
    assert view.statuses[-1].code == f"PowerState/{power}"
    await (await vms.begin_start(GROUP, "vm1")).result()
    expanded = await vms.get(GROUP, "vm1", expand="instanceView")
    assert expanded.instance_view.statuses[-1].code == "PowerState/running"


async def test_machine_is_tagged_resized_and_kept_from_being_made_twice(azure: Azure) -> None:
    await azure.has_vm()
    vms = azure.compute.virtual_machines
    tagged = {"tags": {"a": "b"}}
    changed = await (await vms.begin_update(GROUP, "vm1", tagged)).result()
    assert changed.tags == {"a": "b"}
    bigger = {"properties": {"hardwareProfile": {"vmSize": "Standard_D4s_v3"}}}
    resized = await (await vms.begin_update(GROUP, "vm1", bigger)).result()
    assert resized.hardware_profile.vm_size == "Standard_D4s_v3"
    # 412, which this SDK turns into "exists" because of the condition it sent.
    with pytest.raises((ResourceExistsError, ResourceModifiedError)) as refused:
        await vms.begin_create_or_update(GROUP, "vm1", azure.vm_body(), match_condition=MatchConditions.IfMissing)
    assert refused.value.status_code == 412


async def test_boot_diagnostics_are_there_when_enabled(azure: Azure) -> None:
    await azure.has_network()
    enabled = azure.vm_body(diagnosticsProfile={"bootDiagnostics": {"enabled": True}})
    await (await azure.compute.virtual_machines.begin_create_or_update(GROUP, "vm1", enabled)).result()
    found = await azure.compute.virtual_machines.retrieve_boot_diagnostics_data(GROUP, "vm1")
    assert found.serial_console_log_blob_uri


async def test_what_can_be_bought_where(azure: Azure) -> None:
    skus = [sku async for sku in azure.compute.resource_skus.list(filter="location eq 'germanywestcentral'")]
    by_name = {sku.name: sku for sku in skus}
    capabilities = {c.name: c.value for c in by_name["Standard_D2s_v3"].capabilities or []}
    assert (capabilities["vCPUs"], capabilities["MemoryGB"], capabilities["CpuArchitectureType"]) == ("2", "8", "x64")
    assert {c.name: c.value for c in by_name["Standard_D2ps_v5"].capabilities or []}["TrustedLaunchDisabled"] == "True"
    restricted = by_name["Standard_D4as_v5"].restrictions
    assert restricted[0].reason_code == "NotAvailableForSubscription"
    assert "Standard_E2s_v3" not in by_name
    images = azure.compute.virtual_machine_images
    versions = await images.list(REGION, "Canonical", "ubuntu-24_04-lts", "server", top=1, orderby="name desc")
    assert [version.name for version in versions] == ["24.04.202511060"]
    assert len([size async for size in azure.compute.virtual_machine_sizes.list(REGION)]) == 14


async def test_usages_count_what_is_there(azure: Azure) -> None:
    await azure.has_vm()
    usages = {u.name.value: u.current_value async for u in azure.compute.usage.list(REGION)}
    assert (usages["cores"], usages["standardDSv3Family"], usages["virtualMachines"]) == (2, 2, 1)
    addresses = {u.name.value: u.current_value async for u in azure.network.usages.list(REGION)}
    assert addresses["PublicIPAddresses"] == 1


async def test_dns_name_availability(azure: Azure) -> None:
    await azure.has_vm()
    check = azure.network.check_dns_name_availability
    assert not (await check(REGION, domain_name_label="hub-a")).available
    assert (await check("westeurope", domain_name_label="hub-a")).available
