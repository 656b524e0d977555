"""`Network`: fakes and simulated Azure alike."""

import pytest

from shared.errors import RetryableError
from shared.hubs.ports import InboundRule
from tests.contract.arm.backends import (
    Azure,
    SimulatedAzure,
    finish,
    has_group,
    has_network,
    has_vm,
    nsg_plan,
    vm_plan,
    vnet_plan,
)


async def test_rules_and_network_are_put_and_end_well(azure: Azure) -> None:
    await has_network(azure)


async def test_putting_them_again_ends_well_too(azure: Azure) -> None:
    await has_network(azure)

    assert await finish(azure, await azure.network.begin_nsg(nsg_plan())) is None
    assert await finish(azure, await azure.network.begin_vnet(vnet_plan())) is None


async def test_one_begin_is_one_write(azure: Azure) -> None:
    await has_group(azure)
    before = azure.writes()

    await azure.network.begin_nsg(nsg_plan())

    assert azure.writes() == before + 1


async def test_nothing_can_be_put_where_there_is_no_group(azure: Azure) -> None:
    with pytest.raises(RetryableError) as refused:
        await azure.network.begin_nsg(nsg_plan())

    assert refused.value.code == "ResourceGroupNotFound"


async def test_a_network_needs_its_security_group_first(azure: Azure) -> None:
    await has_group(azure)

    with pytest.raises(RetryableError) as refused:
        await azure.network.begin_vnet(vnet_plan())

    assert refused.value.code == "InvalidResourceReference"


async def test_the_address_is_there_after_the_vm_is_made(azure: Azure) -> None:
    await has_vm(azure)
    view = await azure.compute.vm(vm_plan().group, vm_plan().name)
    assert view is not None

    address = await azure.network.address(view.nic_ids[0])
    for _ in range(20):  # a field that comes late
        if address is not None:
            break
        azure.advance(3)
        address = await azure.network.address(view.nic_ids[0])

    assert address is not None
    assert address.ip.count(".") == 3
    assert address.fqdn == "physics-ab2cd3.eastus.cloudapp.azure.com"
    assert address.public_ip_id.lower().startswith("/subscriptions/")


async def test_the_address_of_an_interface_that_is_gone_is_none(azure: Azure) -> None:
    await has_vm(azure)
    view = await azure.compute.vm(vm_plan().group, vm_plan().name)
    assert view is not None

    await finish(azure, await azure.groups.begin_delete(vm_plan().group))

    assert await azure.network.address(view.nic_ids[0]) is None


async def test_what_was_sent_is_what_the_security_group_holds(simulated: SimulatedAzure) -> None:
    await has_group(simulated)
    web = InboundRule(name="web", priority=200, sources=("*",), ports=("80", "443"))
    tag = InboundRule(name="ssh-hublet", priority=100, sources=("AzureCloud.eastus",), ports=("22",))

    await finish(simulated, await simulated.network.begin_nsg(nsg_plan(tag, web)))

    group = (await simulated.arm.network().network_security_groups.get(nsg_plan().group, nsg_plan().name)).as_dict()
    rules = {rule["name"]: rule["properties"] for rule in group["properties"]["securityRules"]}
    assert set(rules) == {"web", "ssh-hublet"}
    assert rules["web"]["sourceAddressPrefix"] == "*"
    assert rules["web"]["destinationPortRanges"] == ["80", "443"]
    assert rules["ssh-hublet"]["sourceAddressPrefix"] == "AzureCloud.eastus"
    assert rules["ssh-hublet"]["destinationPortRange"] == "22"
    assert {rule["access"] for rule in rules.values()} == {"Allow"}
    assert {rule["protocol"].lower() for rule in rules.values()} == {"tcp"}
    assert group["tags"] == dict(nsg_plan().tags)


async def test_the_address_costs_two_reads(simulated: SimulatedAzure) -> None:
    await has_vm(simulated)
    view = await simulated.compute.vm(vm_plan().group, vm_plan().name)
    assert view is not None
    before = len(simulated.wire.sent)

    await simulated.network.address(view.nic_ids[0])

    assert [sent.method for sent in simulated.wire.sent[before:]] == ["GET", "GET"]
