"""Security group, virtual network, and the address of a VM.

Shapes: https://learn.microsoft.com/rest/api/virtualnetwork/network-security-groups/create-or-update,
.../virtual-networks/create-or-update, .../network-interfaces/get, .../public-ip-addresses/get.
Bodies are REST JSON: the SDK sends them as they are.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shared.adapters.arm.errors import says_absent, translated
from shared.adapters.arm.ids import ResourceId, parse_id
from shared.adapters.arm.operations import begun, one_look_polling
from shared.hubs.ports import AddressView, Begun, InboundRule, NsgPlan, VnetPlan

if TYPE_CHECKING:
    from shared.adapters.arm.client import ArmClients

NSG_TYPE = "Microsoft.Network/networkSecurityGroups"
VNET_TYPE = "Microsoft.Network/virtualNetworks"
NIC_TYPE = "Microsoft.Network/networkInterfaces"
PUBLIC_IP_TYPE = "Microsoft.Network/publicIPAddresses"


class ArmNetwork:
    """`Network` over azure-mgmt-network. Each `begin_*` is one PUT of the whole resource; again = no change."""

    def __init__(self, arm: "ArmClients") -> None:
        self._arm = arm

    async def begin_nsg(self, plan: NsgPlan) -> Begun:
        polling = one_look_polling()
        with translated():
            poller = await self._arm.network().network_security_groups.begin_create_or_update(
                plan.group, plan.name, nsg_body(plan), polling=polling
            )
            return begun("nsg", [plan.group, plan.name], poller, polling)

    async def begin_vnet(self, plan: VnetPlan) -> Begun:
        polling = one_look_polling()
        with translated():
            poller = await self._arm.network().virtual_networks.begin_create_or_update(
                plan.group, plan.name, vnet_body(plan, self._arm.subscription_id), polling=polling
            )
            return begun("vnet", [plan.group, plan.name], poller, polling)

    async def address(self, nic_id: str) -> AddressView | None:
        """Recorded: a public IP's `fqdn` is there at once, its `ipAddress` only after its PUT has succeeded; a read
        right after a create may still be 404. All of these are None here: look again."""
        nic = await self._get("network_interfaces", parse_id(nic_id, NIC_TYPE))
        public_ip_id = _public_ip_id(nic) if nic else None
        if public_ip_id is None:
            return None
        public_ip = await self._get("public_ip_addresses", parse_id(public_ip_id, PUBLIC_IP_TYPE))
        properties = (public_ip or {}).get("properties") or {}
        ip = properties.get("ipAddress")
        fqdn = (properties.get("dnsSettings") or {}).get("fqdn")
        if not ip or not fqdn:
            return None
        return AddressView(nic_id=nic_id, public_ip_id=public_ip_id, ip=ip, fqdn=fqdn)

    async def _get(self, collection: str, wanted: ResourceId) -> Mapping[str, Any] | None:
        from azure.core.exceptions import HttpResponseError

        operations = getattr(self._arm.network(), collection)
        with translated():
            try:
                document: Mapping[str, Any] = (await operations.get(wanted.group, wanted.name)).as_dict()
            except HttpResponseError as error:
                if says_absent(error):
                    return None
                raise
        return document


def nsg_body(plan: NsgPlan) -> Any:
    return {
        "location": plan.region,
        "tags": dict(plan.tags),
        "properties": {"securityRules": [_rule(rule) for rule in plan.rules]},
    }


def vnet_body(plan: VnetPlan, subscription: str) -> Any:
    """The subnet is inline, always: a later PUT without it would delete it."""
    nsg = ResourceId(subscription, plan.group, NSG_TYPE, plan.nsg_name)
    subnet = {
        "name": plan.subnet,
        "properties": {"addressPrefix": plan.subnet_prefix, "networkSecurityGroup": {"id": str(nsg)}},
    }
    return {
        "location": plan.region,
        "tags": dict(plan.tags),
        "properties": {"addressSpace": {"addressPrefixes": [plan.address_prefix]}, "subnets": [subnet]},
    }


def _rule(rule: InboundRule) -> dict[str, Any]:
    return {
        "name": rule.name,
        "properties": {
            "priority": rule.priority,
            "direction": "Inbound",
            "access": "Allow",
            "protocol": "Tcp",
            "sourcePortRange": "*",
            "destinationAddressPrefix": "*",
            **_one_or_many("sourceAddressPrefix", "sourceAddressPrefixes", rule.sources),
            **_one_or_many("destinationPortRange", "destinationPortRanges", rule.ports),
        },
    }


def _one_or_many(one: str, many: str, values: Sequence[str]) -> dict[str, Any]:
    """ARM takes `*` and a service tag only in the singular field."""
    return {one: values[0]} if len(values) == 1 else {many: list(values)}


def _public_ip_id(nic: Mapping[str, Any]) -> str | None:
    """The public IP of the primary (or only) configuration."""
    configurations = [c.get("properties") or {} for c in (nic.get("properties") or {}).get("ipConfigurations") or []]
    for properties in sorted(configurations, key=lambda p: not p.get("primary")):
        found = (properties.get("publicIPAddress") or {}).get("id")
        if found:
            return str(found)
    return None
