"""Microsoft.Network on the wire."""

from collections.abc import Iterator, Sequence
from typing import Any

from localdev.azuresim.catalogue import REGIONS
from localdev.azuresim.envelope import Json, Response
from localdev.azuresim.network import errors
from localdev.azuresim.network.interfaces import Interfaces
from localdev.azuresim.network.models import Interface, PublicAddress, SecurityGroup, VirtualNetwork
from localdev.azuresim.network.public_addresses import PublicAddresses
from localdev.azuresim.network.security_groups import SecurityGroups
from localdev.azuresim.network.virtual_networks import VirtualNetworks
from localdev.azuresim.network.writes import NetworkType
from localdev.azuresim.resources.errors import location_not_available
from localdev.azuresim.routing import Call, Route, normal_location
from localdev.azuresim.services import Services

_SUB = "/subscriptions/{subscription}"
_PROVIDER = "providers/Microsoft.Network"


class Network:
    """All of Microsoft.Network."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.virtual_networks = VirtualNetworks(services)
        self.security_groups = SecurityGroups(services)
        self.public_addresses = PublicAddresses(services)
        self.interfaces = Interfaces(services)

    def routes(self) -> Sequence[Route]:
        networks = self.virtual_networks
        subnets = f"{_SUB}/resourceGroups/{{group}}/{_PROVIDER}/virtualNetworks/{{name}}/subnets"
        place = f"{_SUB}/{_PROVIDER}/locations/{{location}}"
        return (
            *_tracked("virtualNetworks", "VirtualNetworks", networks, networks.put),
            *_tracked("networkSecurityGroups", "NetworkSecurityGroups", self.security_groups, self.security_groups.put),
            *_tracked("publicIPAddresses", "PublicIPAddresses", self.public_addresses, self.public_addresses.put),
            *_tracked("networkInterfaces", "NetworkInterfaces", self.interfaces, self.interfaces.put),
            Route("GET", subnets, "Subnets_List", networks.list_subnets),
            Route("PUT", f"{subnets}/{{subnet}}", "Subnets_CreateOrUpdate", networks.put_subnet),
            Route("GET", f"{subnets}/{{subnet}}", "Subnets_Get", networks.get_subnet),
            Route("DELETE", f"{subnets}/{{subnet}}", "Subnets_Delete", networks.delete_subnet),
            Route(
                "GET", f"{place}/checkDnsNameAvailability", "CheckDnsNameAvailability", self.public_addresses.check_name
            ),
            Route("GET", f"{place}/usages", "Usages_List", self.usages),
            Route("GET", f"{place}/operations/{{operation}}", "NetworkOperations_Get", self.operation),
            Route("GET", f"{place}/operationResults/{{operation}}", "NetworkOperationResults_Get", self.result),
        )

    def operation(self, call: Call) -> Response:
        """The status of an operation."""
        operations = self._services.operations
        operation = operations.find(call.params["operation"])
        if operation is None:
            raise errors.operation_not_found(call.params["operation"])
        return operations.network_status(operation)

    def result(self, call: Call) -> Response:
        """What a delete's ``Location`` answers."""
        operations = self._services.operations
        operation = operations.find(call.params["operation"])
        if operation is None:
            raise errors.operation_not_found(call.params["operation"])
        return operations.result(operation)

    def usages(self, call: Call) -> Response:
        """How much of each quota is used in a region."""
        region = normal_location(call.params["location"])
        if region not in REGIONS:
            raise location_not_available(region, "locations/usages")
        root = f"/subscriptions/{self._services.subscription_id}/providers/Microsoft.Network/locations/{region}/usages"
        value: list[Json] = [
            {
                "currentValue": used,
                "id": f"{root}/{name}",
                "limit": self._services.settings.quota(region, name, fallback),
                "name": {"localizedValue": text, "value": name},
                "unit": "Count",
            }
            for name, fallback, text, used in self._used(region)
        ]
        return Response(200, {"value": value})

    def _used(self, region: str) -> Iterator[tuple[str, str, str, int]]:
        def count(kind: type[Any]) -> int:
            return sum(resource.location == region for resource in self._services.store.every(kind))

        addresses = count(PublicAddress)
        yield "VirtualNetworks", "VirtualNetworks", "Virtual Networks", count(VirtualNetwork)
        yield "StaticPublicIPAddresses", "PublicIPAddresses", "Static Public IP Addresses", addresses
        yield "NetworkSecurityGroups", "NetworkSecurityGroups", "Network Security Groups", count(SecurityGroup)
        yield "PublicIPAddresses", "PublicIPAddresses", "Public IP Addresses", addresses
        yield "NetworkInterfaces", "NetworkInterfaces", "Network Interfaces", count(Interface)
        yield (
            "StandardSkuPublicIpAddresses",
            "PublicIPAddresses",
            "Public IPv4 Addresses - Standard",
            addresses,
        )


def _tracked(segment: str, name: str, kind: NetworkType[Any], put: Any) -> Iterator[Route]:
    in_group = f"{_SUB}/resourceGroups/{{group}}/{_PROVIDER}/{segment}"
    yield Route("PUT", f"{in_group}/{{name}}", f"{name}_CreateOrUpdate", put)
    yield Route("GET", f"{in_group}/{{name}}", f"{name}_Get", kind.get)
    yield Route("PATCH", f"{in_group}/{{name}}", f"{name}_UpdateTags", kind.patch)
    yield Route("DELETE", f"{in_group}/{{name}}", f"{name}_Delete", kind.delete)
    yield Route("GET", in_group, f"{name}_List", kind.list_in_group)
    yield Route("GET", f"{_SUB}/{_PROVIDER}/{segment}", f"{name}_ListAll", kind.list_all)
