"""What is sent: compared field by field, and read back through the SDK's own models."""

import base64
from typing import Any

import pytest
from azure.mgmt.compute.models import VirtualMachine
from azure.mgmt.network.models import NetworkSecurityGroup, VirtualNetwork

from shared.adapters.arm.compute import vm_body, vm_view
from shared.adapters.arm.ids import parse_id
from shared.adapters.arm.network import NIC_TYPE, nsg_body, vnet_body
from shared.errors import FatalError
from shared.hubs.ports import InboundRule, NsgPlan, VmPlan, VnetPlan

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
TAGS = {"hublet-hub": "physics-ab2cd3"}


def a_vm_plan(**changes: Any) -> VmPlan:
    everything: dict[str, Any] = {
        "group": "g",
        "name": "physics-ab2cd3-a1-vm",
        "region": "eastus",
        "size": "Standard_D2s_v3",
        "tags": TAGS,
        "image": "ubuntu-24.04",
        "os_disk_gib": 64,
        "admin_username": "jaydoe",
        "ssh_public_keys": ("ssh-ed25519 AAAA one", "ssh-ed25519 BBBB two"),
        "custom_data": b"#cloud-config\n\xc3\xa4",
        "vnet_name": "net",
        "subnet": "hub",
        "nsg_name": "nsg",
        "dns_label": "physics-ab2cd3",
        **changes,
    }
    return VmPlan(**everything)


def a_vm_body(**changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = vm_body(a_vm_plan(**changes), SUBSCRIPTION)
    return body


def nic_of(body: dict[str, Any]) -> dict[str, Any]:
    (nic,) = body["properties"]["networkProfile"]["networkInterfaceConfigurations"]
    found: dict[str, Any] = nic
    return found


def public_ip_of(body: dict[str, Any]) -> dict[str, Any]:
    (configuration,) = nic_of(body)["properties"]["ipConfigurations"]
    found: dict[str, Any] = configuration["properties"]["publicIPAddressConfiguration"]
    return found


def test_nothing_of_the_vm_outlives_it() -> None:
    body = a_vm_body()

    assert body["properties"]["storageProfile"]["osDisk"]["deleteOption"] == "Delete"
    assert nic_of(body)["properties"]["deleteOption"] == "Delete"
    assert public_ip_of(body)["properties"]["deleteOption"] == "Delete"


def test_every_resource_the_put_makes_carries_the_tags() -> None:
    body = a_vm_body()

    assert body["tags"] == nic_of(body)["tags"] == public_ip_of(body)["tags"] == TAGS


def test_a_zone_stands_beside_the_location_and_only_when_one_is_wanted() -> None:
    assert "zones" not in a_vm_body()
    body = a_vm_body(zone="2")
    assert body["zones"] == ["2"]
    assert VirtualMachine(body).zones == ["2"]
    assert "zones" not in public_ip_of(body), "the SDK's model of an inline address knows none"


def test_the_vm_has_no_identity_anyone_on_it_could_use() -> None:
    assert "identity" not in a_vm_body()


def test_the_start_up_data_is_never_user_data() -> None:
    properties = a_vm_body()["properties"]

    assert base64.b64decode(properties["osProfile"]["customData"]) == b"#cloud-config\n\xc3\xa4"
    assert "userData" not in properties


def test_nobody_logs_in_by_password() -> None:
    profile = a_vm_body()["properties"]["osProfile"]

    assert "adminPassword" not in profile
    assert profile["linuxConfiguration"]["disablePasswordAuthentication"] is True
    keys = profile["linuxConfiguration"]["ssh"]["publicKeys"]
    assert {key["path"] for key in keys} == {"/home/jaydoe/.ssh/authorized_keys"}
    assert [key["keyData"] for key in keys] == ["ssh-ed25519 AAAA one", "ssh-ed25519 BBBB two"]


def test_the_vm_starts_trusted() -> None:
    security = a_vm_body()["properties"]["securityProfile"]

    assert security == {
        "securityType": "TrustedLaunch",
        "uefiSettings": {"secureBootEnabled": True, "vTpmEnabled": True},
    }


def test_the_public_ip_is_of_the_kind_azure_still_makes() -> None:
    address = public_ip_of(a_vm_body())

    assert address["sku"]["name"] == "Standard"
    assert address["properties"]["publicIPAllocationMethod"] == "Static"
    assert address["properties"]["dnsSettings"] == {"domainNameLabel": "physics-ab2cd3"}


@pytest.mark.parametrize(
    ("image", "offer", "sku"),
    [
        ("ubuntu-24.04", "ubuntu-24_04-lts", "server"),
        ("ubuntu-22.04", "0001-com-ubuntu-server-jammy", "22_04-lts-gen2"),
    ],
)
def test_images_are_generation_2_of_canonical(image: str, offer: str, sku: str) -> None:
    reference = a_vm_body(image=image)["properties"]["storageProfile"]["imageReference"]

    assert reference == {"publisher": "Canonical", "offer": offer, "sku": sku, "version": "latest"}


def test_an_image_we_do_not_know_is_our_bug() -> None:
    with pytest.raises(FatalError):
        a_vm_body(image="windows-95")


def test_a_spot_vm_is_deallocated_when_evicted_and_never_too_expensive() -> None:
    spot, regular = a_vm_body(spot=True)["properties"], a_vm_body()["properties"]

    assert (spot["priority"], spot["evictionPolicy"], spot["billingProfile"]) == (
        "Spot",
        "Deallocate",
        {"maxPrice": -1},
    )
    assert "priority" not in regular


def test_the_same_plan_gives_the_same_body() -> None:
    assert a_vm_body() == a_vm_body()


def test_the_sdk_reads_every_part_of_the_vm_where_it_belongs() -> None:
    vm = VirtualMachine(a_vm_body(spot=True))

    assert vm.hardware_profile is not None and vm.hardware_profile.vm_size == "Standard_D2s_v3"
    assert vm.storage_profile is not None and vm.storage_profile.os_disk is not None
    assert vm.storage_profile.os_disk.disk_size_gb == 64
    assert vm.storage_profile.os_disk.managed_disk is not None
    assert vm.storage_profile.os_disk.managed_disk.storage_account_type == "StandardSSD_LRS"
    assert vm.os_profile is not None and vm.os_profile.computer_name == "physics-ab2cd3-a1-vm"
    assert vm.security_profile is not None and vm.security_profile.uefi_settings is not None
    assert vm.security_profile.uefi_settings.v_tpm_enabled is True
    assert vm.diagnostics_profile is not None and vm.diagnostics_profile.boot_diagnostics is not None
    assert vm.diagnostics_profile.boot_diagnostics.enabled is True
    assert vm.billing_profile is not None and vm.billing_profile.max_price == -1
    assert vm.network_profile is not None and vm.network_profile.network_interface_configurations is not None
    nic = vm.network_profile.network_interface_configurations[0]
    assert (nic.delete_option, nic.primary, nic.tags) == ("Delete", True, TAGS)
    assert nic.network_security_group is not None and nic.network_security_group.id is not None
    assert nic.network_security_group.id.endswith("/networkSecurityGroups/nsg")
    assert nic.ip_configurations is not None and nic.ip_configurations[0].subnet is not None
    assert nic.ip_configurations[0].subnet.id == (
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/net/subnets/hub"
    )
    address = nic.ip_configurations[0].public_ip_address_configuration
    assert address is not None and address.sku is not None and address.sku.name == "Standard"
    assert address.public_ip_allocation_method == "Static" and address.delete_option == "Delete"
    assert address.dns_settings is not None and address.dns_settings.domain_name_label == "physics-ab2cd3"


def a_rule(**changes: Any) -> InboundRule:
    everything: dict[str, Any] = {
        "name": "ssh",
        "priority": 100,
        "sources": ("20.1.2.3/32",),
        "ports": ("22",),
        **changes,
    }
    return InboundRule(**everything)


def test_the_sdk_reads_the_rules_as_meant() -> None:
    many = a_rule(name="web", priority=200, sources=("10.0.0.0/8", "11.0.0.0/8"), ports=("80", "443"))
    plan = NsgPlan(group="g", name="nsg", region="eastus", tags=TAGS, rules=(a_rule(), many))

    group = NetworkSecurityGroup(nsg_body(plan))

    assert group.security_rules is not None
    one, two = group.security_rules
    assert (one.source_address_prefix, one.destination_port_range) == ("20.1.2.3/32", "22")
    assert (one.direction, one.access, one.protocol, one.priority) == ("Inbound", "Allow", "Tcp", 100)
    assert (one.source_port_range, one.destination_address_prefix) == ("*", "*")
    assert two.source_address_prefixes == ["10.0.0.0/8", "11.0.0.0/8"]
    assert two.destination_port_ranges == ["80", "443"]
    assert two.source_address_prefix is None and two.destination_port_range is None


def test_a_network_always_names_its_subnet_and_ties_it_to_the_group() -> None:
    plan = VnetPlan(
        group="g",
        name="net",
        region="eastus",
        tags=TAGS,
        address_prefix="10.0.0.0/24",
        subnet="hub",
        subnet_prefix="10.0.0.0/25",
        nsg_name="nsg",
    )

    network = VirtualNetwork(vnet_body(plan, SUBSCRIPTION))

    assert network.address_space is not None and network.address_space.address_prefixes == ["10.0.0.0/24"]
    assert network.subnets is not None
    (subnet,) = network.subnets
    assert (subnet.name, subnet.address_prefix) == ("hub", "10.0.0.0/25")
    assert subnet.network_security_group is not None and subnet.network_security_group.id is not None
    assert subnet.network_security_group.id.endswith("/networkSecurityGroups/nsg")


def a_vm_document(**properties: Any) -> dict[str, Any]:
    return {
        "id": "/subscriptions/s/resourceGroups/G/providers/Microsoft.Compute/virtualMachines/vm",
        "properties": {"provisioningState": "Succeeded", **properties},
    }


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("Creating", "creating"),
        ("Updating", "updating"),
        ("Succeeded", "succeeded"),
        ("Failed", "failed"),
        ("Canceled", "failed"),
        ("Deleting", "deleting"),
        ("Migrating", "updating"),
        ("SomethingNew", "updating"),
        ("", "updating"),
    ],
)
def test_provisioning_states_are_ours(state: str, expected: str) -> None:
    assert vm_view(a_vm_document(provisioningState=state)).provisioning == expected


@pytest.mark.parametrize("power", ["starting", "running", "stopping", "stopped", "deallocating", "deallocated"])
def test_power_is_read_from_the_instance_view(power: str) -> None:
    view = {"statuses": [{"code": "ProvisioningState/succeeded"}, {"code": f"PowerState/{power}"}]}

    assert vm_view(a_vm_document(instanceView=view)).power == power


@pytest.mark.parametrize(
    "view",
    [{}, {"statuses": None}, {"statuses": [{"code": "ProvisioningState/creating"}]}, {"statuses": [{}]}],
)
def test_power_azure_does_not_tell_is_none(view: dict[str, Any]) -> None:
    assert vm_view(a_vm_document(instanceView=view)).power is None


def test_a_vm_without_optional_parts_is_read() -> None:
    view = vm_view({"id": "x", "properties": None, "tags": None})

    assert (view.size, view.nic_ids, dict(view.tags), view.provisioning) == ("", (), {}, "updating")


def test_the_primary_interface_comes_first() -> None:
    profile = {"networkInterfaces": [{"id": "b"}, {"id": "a", "properties": {"primary": True}}]}

    assert vm_view(a_vm_document(networkProfile=profile)).nic_ids == ("a", "b")


def test_ids_are_taken_apart_in_any_case() -> None:
    parsed = parse_id(
        "/Subscriptions/S/resourcegroups/HUBLET-X/providers/microsoft.network/NetworkInterfaces/nic-1", NIC_TYPE
    )

    assert (parsed.group, parsed.name) == ("HUBLET-X", "nic-1")


@pytest.mark.parametrize("text", ["", "nic", "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/disks/d"])
def test_what_is_not_such_an_id_is_refused(text: str) -> None:
    with pytest.raises(FatalError):
        parse_id(text, NIC_TYPE)
