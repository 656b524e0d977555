"""What ARM enforces, in virtual time and without a socket."""

import pytest

from localdev.azuresim.envelope import Json
from localdev.azuresim.network.inbound import LiveInboundRules
from localdev.azuresim.vm.ports import EGRESS_ADDRESS
from tests.support import azure_requests as bodies
from tests.support.azure_requests import GROUP, NIC, NSG, PIP, SUBNET, VM, VNET, Caller, changed, code, new_caller

# groups


async def test_nothing_is_made_in_a_group_that_is_not_there(call: Caller) -> None:
    assert code(await call("PUT", NSG, bodies.nsg_body())) == (404, "ResourceGroupNotFound")


async def test_group_on_its_way_out_takes_nothing_in_and_can_be_read(call: Caller) -> None:
    await call.has_network()
    await call("DELETE", f"/resourceGroups/{GROUP}")
    assert code(await call("PUT", NSG, bodies.nsg_body())) == (409, "ResourceGroupBeingDeleted")
    assert code(await call("PUT", f"/resourceGroups/{GROUP}", {"location": "eastus"}))[1] == "ResourceGroupBeingDeleted"
    group = await call("GET", f"/resourceGroups/{GROUP}")
    assert group.json()["properties"]["provisioningState"] == "Deleting"


async def test_group_delete_removes_everything_and_stops_the_machine(call: Caller) -> None:
    vm = await call.has_vm()
    runtime = call.simulator.services.runtime
    assert runtime.endpoints(vm["id"])
    await call.finish(await call("DELETE", f"/resourceGroups/{GROUP}"))
    assert call.simulator.services.store.everything() == []
    assert runtime.endpoints(vm["id"]) == {}
    assert code(await call("GET", VM)) == (404, "ResourceGroupNotFound")


async def test_failed_group_delete_brings_the_group_back(call: Caller) -> None:
    await call.has_network()
    await call.sim("POST", "faults", {"operation": "ResourceGroups_Delete", "when": "poll", "status": 409})
    await call.finish(await call("DELETE", f"/resourceGroups/{GROUP}"))
    group = await call("GET", f"/resourceGroups/{GROUP}")
    assert group.json()["properties"]["provisioningState"] == "Succeeded"
    assert len(call.simulator.services.store.everything(GROUP)) == 2


async def test_group_does_not_move(call: Caller) -> None:
    await call.has_group()
    moved = await call("PUT", f"/resourceGroups/{GROUP}", {"location": "westeurope"})
    assert code(moved) == (409, "InvalidResourceGroupLocation")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, "LocationRequired"),
        ({"location": "atlantis"}, "LocationNotAvailableForResourceGroup"),
        ({"location": "eastus", "tags": {"a/b": "c"}}, "InvalidTags"),
    ],
)
async def test_bad_group_is_refused(call: Caller, body: Json, expected: str) -> None:
    assert code(await call("PUT", "/resourceGroups/g", body)) == (400, expected)


async def test_resource_does_not_move(call: Caller) -> None:
    await call.has_network()
    moved = await call("PUT", NSG, {**bodies.nsg_body(), "location": "westeurope"})
    assert code(moved) == (409, "InvalidResourceLocation")


# references


async def test_network_waits_for_the_security_group_it_names(call: Caller) -> None:
    await call.has_group()
    await call("PUT", NSG, bodies.nsg_body())
    too_early = await call("PUT", VNET, bodies.vnet_body(call.id(NSG)))
    assert code(too_early) == (409, "ReferencedResourceNotProvisioned")
    call.clock.advance(60)
    assert (await call("PUT", VNET, bodies.vnet_body(call.id(NSG)))).status == 201


async def test_deleted_network_frees_its_security_group(call: Caller) -> None:
    await call.has_network()
    assert code(await call("DELETE", NSG))[1] == "InUseNetworkSecurityGroupCannotBeDeleted"
    await call.finish(await call("DELETE", VNET))
    assert (await call("DELETE", NSG)).status == 202


async def test_subnet_left_out_of_a_put_is_deleted(call: Caller) -> None:
    await call.has_network()
    body = changed(bodies.vnet_body(), "properties.subnets", [])
    await call.finish(await call("PUT", VNET, body))
    assert code(await call("GET", SUBNET)) == (404, "NotFound")


async def test_one_address_serves_one_interface(call: Caller) -> None:
    await call.has_network()
    await call.finish(await call("PUT", PIP, bodies.pip_body()))
    body = bodies.nic_body(call.id(SUBNET), call.id(PIP))
    await call.finish(await call("PUT", NIC, body))
    assert code(await call("PUT", f"{NIC}2", body)) == (400, "PublicIPAddressInUse")


async def test_interface_serves_one_machine(call: Caller) -> None:
    await call.has_network()
    await call.finish(await call("PUT", NIC, bodies.nic_body(call.id(SUBNET))))
    body = bodies.vm_body({"networkInterfaces": [{"id": call.id(NIC)}]})
    await call.finish(await call("PUT", VM, body))
    assert code(await call("PUT", VM.replace("vm1", "vm2"), body)) == (400, "NicInUse")


# addresses


async def test_address_appears_only_after_success_and_the_name_at_once(call: Caller) -> None:
    await call.has_group()
    begun = await call("PUT", PIP, bodies.pip_body())
    properties = begun.json()["properties"]
    assert properties["dnsSettings"]["fqdn"] == "hub-a.eastus.cloudapp.azure.com"
    assert "ipAddress" not in properties
    await call.finish(begun)
    assert (await call("GET", PIP)).json()["properties"]["ipAddress"].startswith("127.77.")


async def test_scoped_label_has_a_name_nobody_can_compute(call: Caller) -> None:
    await call.has_group()
    dns = {"domainNameLabel": "hub-a", "domainNameLabelScope": "TenantReuse"}
    made = await call("PUT", PIP, bodies.pip_body(None, dnsSettings=dns))
    fqdn = made.json()["properties"]["dnsSettings"]["fqdn"]
    assert fqdn != "hub-a.eastus.cloudapp.azure.com"
    assert fqdn.startswith("hub-a-")


async def test_label_is_free_again_after_its_address_has_gone(call: Caller) -> None:
    await call.has_group()
    await call.finish(await call("PUT", PIP, bodies.pip_body()))
    assert code(await call("PUT", f"{PIP}2", bodies.pip_body())) == (400, "DnsRecordInUse")
    await call.finish(await call("DELETE", PIP))
    assert (await call("PUT", f"{PIP}2", bodies.pip_body())).status == 201


async def test_addresses_have_a_quota_per_region(call: Caller) -> None:
    await call.has_group()
    await call.sim("POST", "settings", {"quotas": {"eastus/PublicIPAddresses": 1}})
    await call("PUT", PIP, bodies.pip_body())
    assert code(await call("PUT", f"{PIP}2", bodies.pip_body("other"))) == (400, "PublicIPCountLimitReached")


# traffic


def rules_of(call: Caller, vm: Json) -> LiveInboundRules:
    nic = vm["properties"]["networkProfile"]["networkInterfaces"][0]["id"]
    return LiveInboundRules(call.simulator.services.store, nic)


async def test_rules_take_effect_when_their_write_has_succeeded(call: Caller) -> None:
    inbound = rules_of(call, await call.has_vm())
    assert inbound.allows(EGRESS_ADDRESS, 22)
    assert not inbound.allows("127.0.0.1", 80)
    web = bodies.rule("web", 200, sourceAddressPrefix="Internet", destinationPortRange="80")
    begun = await call("PUT", NSG, bodies.nsg_body(bodies.rule(), web))
    assert not inbound.allows("127.0.0.1", 80)
    await call.finish(begun)
    assert inbound.allows("127.0.0.1", 80)


async def test_machine_without_any_security_group_lets_nobody_in(call: Caller) -> None:
    await call.has_group()
    await call.finish(await call("PUT", VNET, bodies.vnet_body()))
    await call.finish(await call("PUT", VM, call.inline_vm()))
    assert not rules_of(call, (await call("GET", VM)).json()).allows(EGRESS_ADDRESS, 22)


async def test_machine_is_reached_by_name_and_address_only_while_it_runs(call: Caller) -> None:
    await call.has_vm()
    by_name = await call.sim("GET", "reach", query="host=hub-a.eastus.cloudapp.azure.com&port=22")
    assert by_name.status == 200
    by_address = await call.sim("GET", "reach", query=f"host={by_name.json()['address']}&port=22")
    assert by_address.json() == by_name.json()
    assert (await call.sim("GET", "reach", query="host=hub-b.eastus.cloudapp.azure.com&port=22")).status == 404
    await call.finish(await call("POST", f"{VM}/deallocate"))
    assert (await call.sim("GET", "reach", query="host=hub-a.eastus.cloudapp.azure.com&port=22")).status == 404


# time


async def test_stale_reader_sees_what_was_there_before_the_write(call: Caller) -> None:
    await call.has_group()
    await call.sim("POST", "settings", {"staleReadsS": 30})
    await call("PUT", NSG, bodies.nsg_body())
    assert code(await call("GET", NSG)) == (404, "ResourceNotFound")
    assert (await call("GET", NSG.rpartition("/")[0])).json()["value"] == []
    call.clock.advance(31)
    assert (await call("GET", NSG)).status == 200


async def test_time_scale_shortens_work_and_waiting() -> None:
    call = new_caller(time_scale=20)
    await call.has_network()
    began = call.clock.now()
    begun = await call("PUT", VM, call.inline_vm())
    assert begun.headers["Retry-After"] == "1"
    assert (await call.follow(begun.headers["Azure-AsyncOperation"])).headers["Retry-After"] in ("1", "2", "3")
    await call.finish(begun)
    assert (call.clock.now() - began).total_seconds() <= 10


async def test_same_seed_gives_the_same_answers_and_another_one_others() -> None:
    first, again, other = (new_caller(seed=seed) for seed in (5, 5, 6))
    seen = [await each.has_vm() for each in (first, again, other)]
    assert seen[0] == seen[1] != seen[2]


async def test_many_hubs_live_in_virtual_time(call: Caller) -> None:
    """The throttles refill with the virtual clock, so a hundred lives one after another are never refused."""
    for number in range(100):
        await call.has_vm()
        await call.finish(await call("DELETE", f"/resourceGroups/{GROUP}"))
        assert call.simulator.services.store.everything() == [], number
    refused = [r for r in call.simulator.recorder.since(None) if r.status == 429]
    assert refused == []
