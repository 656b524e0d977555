"""Network resources and how they look on the wire.

Shapes as recorded (Azure/azure-cli and Azure/azure-sdk-for-python test recordings, 2020-2022): which fields are always
there, which appear only once something uses the resource, and the order of keys, which differs between types.
"""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from localdev.azuresim.envelope import Json
from localdev.azuresim.network import rules
from localdev.azuresim.network.rules import DEFAULT_RULES, Network, Rule
from localdev.azuresim.store import ProvisioningState, Resource, Store


def reference(resource_id: str) -> Json:
    """``{"id": ...}``."""
    return {"id": resource_id}


@dataclass(kw_only=True)
class NetworkResource(Resource):
    """What all types of Microsoft.Network carry."""

    etag: str
    resource_guid: str

    def head(self, *, type_first: bool) -> Json:
        """The members beside ``properties``, in the order the type has them."""
        body: Json = {"name": self.name, "id": self.id, "etag": self.etag}
        if type_first:
            body["type"] = self.TYPE
        body["location"] = self.location
        if self.tags is not None:
            body["tags"] = dict(self.tags)
        return body


# security groups


@dataclass(kw_only=True)
class SecurityGroup(NetworkResource):
    """A network security group."""

    TYPE: ClassVar[str] = "Microsoft.Network/networkSecurityGroups"

    rules: tuple[Rule, ...] = ()
    in_force: tuple[Rule, ...] = ()
    """What filters traffic now: `rules` of the last write that succeeded."""

    def render(self, store: Store) -> Json:
        state = self.state.value
        properties: Json = {
            "provisioningState": state,
            "resourceGuid": self.resource_guid,
            "securityRules": [
                rules.render(rule, f"{self.id}/securityRules/{rule.name}", self.etag, state) for rule in self.rules
            ],
            "defaultSecurityRules": [
                rules.render(rule, f"{self.id}/defaultSecurityRules/{rule.name}", self.etag, state)
                for rule in DEFAULT_RULES
            ],
        }
        users = store.users_of(self.id)
        subnets = [reference(user) for user in users if "/subnets/" in user.lower()]
        interfaces = [reference(user) for user in users if "/networkinterfaces/" in user.lower()]
        if interfaces:
            properties["networkInterfaces"] = interfaces
        if subnets:
            properties["subnets"] = subnets
        return self.head(type_first=True) | {"properties": properties}


# virtual networks


@dataclass(kw_only=True)
class Subnet:
    """A subnet, part of its virtual network."""

    id: str
    name: str
    prefix: str
    security_group_id: str | None = None
    extra: Json = field(default_factory=dict)
    """Other properties as sent, such as ``defaultOutboundAccess``."""
    plural: bool = False
    """Whether the prefix came as ``addressPrefixes``."""
    state: ProvisioningState = ProvisioningState.SUCCEEDED

    def render(self, store: Store, etag: str) -> Json:
        prefix: Json = {"addressPrefixes": [self.prefix]} if self.plural else {"addressPrefix": self.prefix}
        properties: Json = {"provisioningState": self.state.value, **prefix}
        if self.security_group_id is not None:
            properties["networkSecurityGroup"] = reference(self.security_group_id)
        users = store.users_of(self.id)
        if users:
            properties["ipConfigurations"] = [reference(user) for user in users]
        properties |= {
            "delegations": [],
            "privateEndpointNetworkPolicies": "Disabled",
            "privateLinkServiceNetworkPolicies": "Enabled",
            **self.extra,
        }
        return {
            "name": self.name,
            "id": self.id,
            "etag": etag,
            "properties": properties,
            "type": "Microsoft.Network/virtualNetworks/subnets",
        }

    def network(self) -> Network:
        return ipaddress.ip_network(self.prefix)


@dataclass(kw_only=True)
class VirtualNetwork(NetworkResource):
    """A virtual network with its subnets."""

    TYPE: ClassVar[str] = "Microsoft.Network/virtualNetworks"

    prefixes: tuple[str, ...]
    subnets: dict[str, Subnet] = field(default_factory=dict)
    """By lower-case name."""
    dns_servers: tuple[str, ...] | None = None

    def render(self, store: Store) -> Json:
        properties: Json = {
            "provisioningState": self.state.value,
            "resourceGuid": self.resource_guid,
            "addressSpace": {"addressPrefixes": list(self.prefixes)},
        }
        if self.dns_servers is not None:
            properties["dhcpOptions"] = {"dnsServers": list(self.dns_servers)}
        properties |= {
            "subnets": [subnet.render(store, self.etag) for subnet in self.subnets.values()],
            "virtualNetworkPeerings": [],
            "enableDdosProtection": False,
        }
        return self.head(type_first=True) | {"properties": properties}

    def references(self) -> Iterator[tuple[str, str]]:
        for subnet in self.subnets.values():
            if subnet.security_group_id is not None:
                yield subnet.id, subnet.security_group_id

    def spaces(self) -> tuple[Network, ...]:
        return tuple(ipaddress.ip_network(prefix) for prefix in self.prefixes)


# public addresses


@dataclass(kw_only=True)
class PublicAddress(NetworkResource):
    """A public IP address."""

    TYPE: ClassVar[str] = "Microsoft.Network/publicIPAddresses"

    label: str | None = None
    label_scope: str | None = None
    label_hash: str | None = None
    """Part of the name when a scope was asked for; never computable by a client."""
    idle_timeout_min: int = 4
    zones: tuple[str, ...] = ()
    tier: str = "Regional"
    reserved: str | None = None
    """The address, set aside as soon as the resource is made, shown only once it has succeeded."""
    extra: Json = field(default_factory=dict)

    @property
    def fqdn(self) -> str | None:
        if self.label is None:
            return None
        name = f"{self.label}-{self.label_hash}" if self.label_hash else self.label
        return f"{name}.{self.location}.cloudapp.azure.com"

    def render(self, store: Store) -> Json:
        properties: Json = {"provisioningState": self.state.value, "resourceGuid": self.resource_guid}
        if self.reserved is not None and self.state is ProvisioningState.SUCCEEDED:
            properties["ipAddress"] = self.reserved
        properties |= {
            "publicIPAddressVersion": "IPv4",
            "publicIPAllocationMethod": "Static",
            "idleTimeoutInMinutes": self.idle_timeout_min,
        }
        if self.label is not None:
            dns: Json = {"domainNameLabel": self.label, "fqdn": self.fqdn}
            if self.label_scope is not None:
                dns["domainNameLabelScope"] = self.label_scope
            properties["dnsSettings"] = dns
        properties["ipTags"] = []
        users = store.users_of(self.id)
        if users:
            properties["ipConfiguration"] = reference(users[0])
        properties |= {"ddosSettings": {"protectionMode": "VirtualNetworkInherited"}, **self.extra}
        body = self.head(type_first=False)
        if self.zones:
            body["zones"] = list(self.zones)
        return body | {"properties": properties, "type": self.TYPE, "sku": {"name": "Standard", "tier": self.tier}}


# interfaces


@dataclass(kw_only=True)
class IpConfiguration:
    """One address of an interface."""

    id: str
    name: str
    subnet_id: str
    private_address: str
    allocation: str = "Dynamic"
    primary: bool = True
    public_address_id: str | None = None
    public_delete_option: str | None = None

    def render(self, etag: str, state: str) -> Json:
        properties: Json = {
            "provisioningState": state,
            "privateIPAddress": self.private_address,
            "privateIPAllocationMethod": self.allocation,
        }
        if self.public_address_id is not None:
            properties["publicIPAddress"] = reference(self.public_address_id)
            if self.public_delete_option is not None:
                properties["publicIPAddress"]["properties"] = {"deleteOption": self.public_delete_option}
        properties |= {
            "subnet": reference(self.subnet_id),
            "primary": self.primary,
            "privateIPAddressVersion": "IPv4",
        }
        return {
            "name": self.name,
            "id": self.id,
            "etag": etag,
            "type": "Microsoft.Network/networkInterfaces/ipConfigurations",
            "properties": properties,
        }


@dataclass(kw_only=True)
class Interface(NetworkResource):
    """A network interface."""

    TYPE: ClassVar[str] = "Microsoft.Network/networkInterfaces"

    configurations: tuple[IpConfiguration, ...]
    security_group_id: str | None = None
    accelerated: bool = False
    forwarding: bool = False
    domain_suffix: str = ""
    mac_address: str | None = None
    vm_id: str | None = None
    """Set once a VM uses it; then `mac_address` and ``primary`` show too."""
    reserved_for: str | None = None
    reserved_until: datetime | None = None
    """A VM whose create failed, or that was deleted, keeps its interfaces reserved for 180 s."""

    def render(self, store: Store) -> Json:
        properties: Json = {
            "provisioningState": self.state.value,
            "resourceGuid": self.resource_guid,
            "ipConfigurations": [each.render(self.etag, self.state.value) for each in self.configurations],
            "dnsSettings": {
                "dnsServers": [],
                "appliedDnsServers": [],
                "internalDomainNameSuffix": self.domain_suffix,
            },
        }
        if self.vm_id is not None and self.mac_address is not None:
            properties["macAddress"] = self.mac_address
        properties |= {
            "enableAcceleratedNetworking": self.accelerated,
            "vnetEncryptionSupported": False,
            "enableIPForwarding": self.forwarding,
            "disableTcpStateTracking": False,
        }
        if self.security_group_id is not None:
            properties["networkSecurityGroup"] = reference(self.security_group_id)
        if self.vm_id is not None:
            properties |= {"primary": True, "virtualMachine": reference(self.vm_id)}
        properties |= {"hostedWorkloads": [], "tapConfigurations": [], "nicType": "Standard", "allowPort25Out": False}
        return self.head(type_first=False) | {"properties": properties, "type": self.TYPE, "kind": "Regular"}

    def references(self) -> Iterator[tuple[str, str]]:
        for each in self.configurations:
            yield each.id, each.subnet_id
            if each.public_address_id is not None:
                yield each.id, each.public_address_id
        if self.security_group_id is not None:
            yield self.id, self.security_group_id


def find_subnet(store: Store, subnet_id: str) -> Subnet | None:
    """The subnet with this id; ids compare without regard to case."""
    at = subnet_id.lower().rfind("/subnets/")
    if at < 0:
        return None
    vnet = store.find(VirtualNetwork, subnet_id[:at])
    return vnet.subnets.get(subnet_id[at + len("/subnets/") :].lower()) if vnet else None
