"""Security rules: their shape, what Azure refuses in them, and whom they let in.

Evaluation: https://learn.microsoft.com/azure/virtual-network/network-security-group-how-it-works (inbound: first the
group on the subnet, then the one on the interface; in each the lowest priority that matches decides).
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localdev.azuresim.catalogue import REGIONS
from localdev.azuresim.envelope import Json
from localdev.azuresim.network import errors
from localdev.azuresim.vm.ports import EGRESS_ADDRESS

_PORT_RANGE = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
_SERVICE_TAG = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:\.[A-Za-z0-9]+)?")

#: Regions whose service tags have another name than the region; the region's own name is no tag and is refused
#: (Azure/azure-rest-api-specs#21590, Azure/bicep-registry-modules#7100,
#: https://learn.microsoft.com/azure/virtual-network/service-tags-overview).
_TAG_REGIONS: Mapping[str, str] = {
    "brazilsoutheast": "brazilse",
    "chilecentral": "chilec",
    "francecentral": "centralfrance",
    "francesouth": "southfrance",
    "germanynorth": "germanyn",
    "germanywestcentral": "germanywc",
    "norwayeast": "norwaye",
    "norwaywest": "norwayw",
    "switzerlandnorth": "switzerlandn",
    "switzerlandwest": "switzerlandw",
}
_CLOUD_TAG_REGIONS = frozenset(_TAG_REGIONS.values()) | (REGIONS.keys() - _TAG_REGIONS.keys())

_LOAD_BALANCER = ipaddress.ip_address("168.63.129.16")

type Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Rule:
    """One security rule; lists hold the plural and the singular form of each field together."""

    name: str
    priority: int
    direction: str
    access: str
    protocol: str
    source_ports: tuple[str, ...]
    destination_ports: tuple[str, ...]
    sources: tuple[str, ...]
    destinations: tuple[str, ...]
    sent: Json
    """``properties`` as sent, for the answer."""

    @classmethod
    def parse(cls, body: Json, group_id: str) -> "Rule":
        """Read a rule from a request.

        Raises:
            ArmError: 400 with Azure's code for the field at fault.
        """
        name = str(body.get("name", ""))
        sent = body.get("properties") or {}
        rule_id = f"{group_id}/securityRules/{name}"
        for needed in ("access", "direction", "priority", "protocol"):
            if sent.get(needed) is None:
                raise errors.missing(needed, f"security rule {name}")
        priority = sent["priority"]
        if not isinstance(priority, int) or not 100 <= priority <= 4096:
            raise errors.bad_rule_priority(priority)
        ports = [_both(sent, f"{side}PortRange") for side in ("source", "destination")]
        prefixes = [_both(sent, f"{side}AddressPrefix", plural="es") for side in ("source", "destination")]
        for value in (*ports[0], *ports[1]):
            _check_port(value)
        for value in (*prefixes[0], *prefixes[1]):
            if not _is_prefix(value):
                raise errors.bad_rule_prefix(rule_id, value)
        return cls(
            name=name,
            priority=priority,
            direction=str(sent["direction"]),
            access=str(sent["access"]),
            protocol=str(sent["protocol"]),
            source_ports=ports[0],
            destination_ports=ports[1],
            sources=prefixes[0],
            destinations=prefixes[1],
            sent=sent,
        )

    def lets_match(self, peer: "Peer") -> bool:
        """Whether this inbound rule speaks about a TCP connection of `peer`."""
        return (
            self.direction.lower() == "inbound"
            and self.protocol.lower() in ("tcp", "*")
            and "*" in self.source_ports  # the peer's own port is not known before it connects
            and any(_port_in(peer.port, ports) for ports in self.destination_ports)
            and any(_address_in(peer.address, prefix, peer) for prefix in self.sources)
            and any(_address_in(peer.target, prefix, peer) for prefix in self.destinations)
        )


@dataclass(frozen=True)
class Peer:
    """A connection that wants in."""

    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    port: int
    target: ipaddress.IPv4Address | ipaddress.IPv6Address
    """The VM's private address: rules see the destination after translation."""
    virtual_network: tuple[Network, ...]


def decide(rules: Iterable[Rule], peer: Peer) -> bool:
    """Whether a group with these rules (default rules included) lets `peer` in."""
    for rule in sorted(rules, key=lambda rule: rule.priority):
        if rule.lets_match(peer):
            return rule.access.lower() == "allow"
    return False


def check_conflicts(rules: Sequence[Rule]) -> None:
    """Refuse two rules of the same direction with the same priority.

    Raises:
        ArmError: 400 SecurityRuleConflict.
    """
    seen: dict[tuple[str, int], str] = {}
    for rule in rules:
        key = (rule.direction.lower(), rule.priority)
        if key in seen:
            raise errors.rules_conflict(rule.name, seen[key])
        seen[key] = rule.name


def render(rule: Rule, rule_id: str, etag: str, state: str) -> Json:
    """A rule as a GET shows it: what was sent, and the plural fields as empty lists."""
    properties: Json = {"provisioningState": state, **rule.sent}
    properties.pop("sourceApplicationSecurityGroups", None)
    for plural in ("sourcePortRanges", "destinationPortRanges", "sourceAddressPrefixes", "destinationAddressPrefixes"):
        properties.setdefault(plural, [])
    kind = "defaultSecurityRules" if "/defaultSecurityRules/" in rule_id else "securityRules"
    return {
        "name": rule.name,
        "id": rule_id,
        "etag": etag,
        "type": f"Microsoft.Network/networkSecurityGroups/{kind}",
        "properties": properties,
    }


def _default(name: str, priority: int, direction: str, access: str, source: str, target: str, description: str) -> Rule:
    sent: Json = {
        "description": description,
        "protocol": "*",
        "sourcePortRange": "*",
        "destinationPortRange": "*",
        "sourceAddressPrefix": source,
        "destinationAddressPrefix": target,
        "access": access,
        "priority": priority,
        "direction": direction,
    }
    return Rule(name, priority, direction, access, "*", ("*",), ("*",), (source,), (target,), sent)


_VNET = "VirtualNetwork"

#: The six rules every group has.
DEFAULT_RULES = (
    _default("AllowVnetInBound", 65000, "Inbound", "Allow", _VNET, _VNET, "Allow inbound traffic from all VMs in VNET"),
    _default(
        "AllowAzureLoadBalancerInBound",
        65001,
        "Inbound",
        "Allow",
        "AzureLoadBalancer",
        "*",
        "Allow inbound traffic from azure load balancer",
    ),
    _default("DenyAllInBound", 65500, "Inbound", "Deny", "*", "*", "Deny all inbound traffic"),
    _default(
        "AllowVnetOutBound",
        65000,
        "Outbound",
        "Allow",
        _VNET,
        _VNET,
        "Allow outbound traffic from all VMs to all VMs in VNET",
    ),
    _default(
        "AllowInternetOutBound",
        65001,
        "Outbound",
        "Allow",
        "*",
        "Internet",
        "Allow outbound traffic from all VMs to Internet",
    ),
    _default("DenyAllOutBound", 65500, "Outbound", "Deny", "*", "*", "Deny all outbound traffic"),
)


def _both(sent: Json, singular: str, plural: str = "s") -> tuple[str, ...]:
    one: Any = sent.get(singular)
    many: Any = sent.get(singular + plural) or []
    return tuple(str(value) for value in ([one] if one not in (None, "") else []) + list(many))


def _check_port(value: str) -> None:
    if value == "*":
        return
    match = _PORT_RANGE.fullmatch(value)
    if match is None:
        raise errors.bad_rule_port(value)
    low, high = int(match[1]), int(match[2] or match[1])
    if not low <= high <= 65535:
        raise errors.bad_rule_port(value)


def _port_in(port: int, ports: str) -> bool:
    if ports == "*":
        return True
    low, _, high = ports.partition("-")
    return int(low) <= port <= int(high or low)


def _network(prefix: str) -> Network | None:
    try:
        return ipaddress.ip_network(prefix, strict=False)
    except ValueError:
        return None


def _is_prefix(value: str) -> bool:
    if value == "*" or _network(value) is not None:
        return True
    tag, _, region = value.partition(".")
    known_region = not region or region.lower() in _CLOUD_TAG_REGIONS
    return bool(_SERVICE_TAG.fullmatch(value)) and (tag.lower() != "azurecloud" or known_region)


def _address_in(address: ipaddress.IPv4Address | ipaddress.IPv6Address, prefix: str, peer: Peer) -> bool:
    if prefix == "*":
        return True
    network = _network(prefix)
    if network is not None:
        return address in network
    tag, _, _ = prefix.lower().partition(".")
    inside = any(address in space for space in peer.virtual_network)
    match tag:
        case "virtualnetwork":
            return inside
        case "internet":
            return not inside
        case "azureloadbalancer":
            return address == _LOAD_BALANCER
        case "azurecloud":
            # The control plane runs in Azure; its egress is all of Azure that exists here.
            return address == ipaddress.ip_address(EGRESS_ADDRESS)
        case _:
            return False
