"""Virtual networks and their subnets."""

import ipaddress
from collections.abc import Iterable
from datetime import datetime

from localdev.azuresim.envelope import Json, Response
from localdev.azuresim.identifiers import new_etag
from localdev.azuresim.names import NETWORK_NAME, VNET_NAME
from localdev.azuresim.network import errors
from localdev.azuresim.network.models import Subnet, VirtualNetwork
from localdev.azuresim.network.writes import NetworkType
from localdev.azuresim.resources.errors import bad_resource_name, parent_not_found
from localdev.azuresim.routing import Call
from localdev.azuresim.services import Services
from localdev.azuresim.store import ProvisioningState
from localdev.azuresim.tracked import tags_of

_SUBNET_FIELDS = frozenset({"addressPrefix", "addressPrefixes", "networkSecurityGroup", "provisioningState"})


class VirtualNetworks(NetworkType[VirtualNetwork]):
    """A PUT states the whole network: a subnet it leaves out is deleted, or refused while in use."""

    PUT_RETRY_AFTER_S = 3.0

    def __init__(self, services: Services) -> None:
        super().__init__(services, VirtualNetwork, name_rule=VNET_NAME, provider_not_found=errors.not_found)

    def put(self, call: Call) -> Response:
        existing, location = self.check_put(call)
        network_id = existing.id if existing else self.new_id(call)
        properties = call.properties()
        prefixes = tuple((properties.get("addressSpace") or {}).get("addressPrefixes") or ())
        if not prefixes:
            raise errors.missing("addressSpace", "virtual network")
        for prefix in prefixes:
            _parse(prefix, network_id)
        subnets = {
            str(body.get("name", "")).lower(): self._subnet(body, network_id, location)
            for body in properties.get("subnets") or []
        }
        self._check_fit(call.params["name"], prefixes, subnets.values())
        dns = (properties.get("dhcpOptions") or {}).get("dnsServers")
        if existing is None:
            etag, guid = self.fresh()
            network = VirtualNetwork(
                id=network_id,
                name=call.params["name"],
                group=self.group_name(call),
                location=location,
                created=call.now,
                etag=etag,
                resource_guid=guid,
                prefixes=prefixes,
            )
        else:
            network = existing
            self.services.store.touch(network, call.now)
            for key, subnet in network.subnets.items():
                if key not in subnets:
                    self._check_unused(subnet)
        network.prefixes = prefixes
        network.subnets = subnets
        network.dns_servers = None if dns is None else tuple(dns)
        network.tags = tags_of(call.body)
        for subnet in subnets.values():
            subnet.state = ProvisioningState.UPDATING
        return self.write(call, network, new=existing is None)

    async def on_written(self, resource: VirtualNetwork, moment: datetime) -> None:
        for subnet in resource.subnets.values():
            subnet.state = ProvisioningState.SUCCEEDED

    def check_deletable(self, resource: VirtualNetwork, call: Call) -> None:
        for subnet in resource.subnets.values():
            self._check_unused(subnet)

    # subnets on their own

    def get_subnet(self, call: Call) -> Response:
        network = self.require(call)
        subnet = network.subnets.get(call.params["subnet"].lower())
        if subnet is None:
            raise errors.not_found(f"{network.id}/subnets/{call.params['subnet']}")
        return self.answer(subnet.render(self.services.store, network.etag))

    def list_subnets(self, call: Call) -> Response:
        network = self.require(call)
        return Response(200, {"value": [s.render(self.services.store, network.etag) for s in network.subnets.values()]})

    def put_subnet(self, call: Call) -> Response:
        network = self._parent(call)
        body = {"name": call.params["subnet"], **call.body}
        subnet = self._subnet(body, network.id, network.location)
        key = subnet.name.lower()
        others = {name: other for name, other in network.subnets.items() if name != key}
        self._check_fit(network.name, network.prefixes, [*others.values(), subnet])
        new = key not in network.subnets
        self.services.store.touch(network, call.now)
        subnet.state = ProvisioningState.UPDATING
        network.subnets[key] = subnet
        answer = self.write(call, network, new=new)
        return Response(answer.status, subnet.render(self.services.store, network.etag), answer.headers)

    def delete_subnet(self, call: Call) -> Response:
        network = self.find(call)
        subnet = network.subnets.get(call.params["subnet"].lower()) if network else None
        if network is None or subnet is None:
            return Response(204)
        self._check_unused(subnet)
        if network.busy:
            raise errors.busy(network.operation_id)
        self.services.store.touch(network, call.now)
        del network.subnets[subnet.name.lower()]
        network.etag = new_etag(self.services.rng)
        answer = self.write(call, network, new=False)
        operation = self.services.operations.find(network.operation_id)
        if operation is None:
            return Response(202, None, answer.headers)
        headers = self.services.operations.headers(operation, location=True, retry_after_s=10)
        return Response(202, None, headers)

    # checks

    def _parent(self, call: Call) -> VirtualNetwork:
        network = self.find(call)
        if network is None:
            raise parent_not_found(call.params["name"])
        if network.busy:
            raise errors.busy(network.operation_id)
        return network

    def _subnet(self, body: Json, network_id: str, location: str) -> Subnet:
        name = str(body.get("name", ""))
        if not NETWORK_NAME.fullmatch(name):
            raise bad_resource_name(name, "Microsoft.Network/virtualNetworks/subnets")
        properties: Json = body.get("properties") or {}
        subnet_id = f"{network_id}/subnets/{name}"
        plural = properties.get("addressPrefixes")
        prefix = properties.get("addressPrefix") or (plural[0] if plural else None)
        if not isinstance(prefix, str):
            raise errors.missing("addressPrefix", f"subnet {name}")
        _parse(prefix, subnet_id)
        return Subnet(
            id=subnet_id,
            name=name,
            prefix=prefix,
            plural=bool(plural),
            security_group_id=self.check_security_group(properties.get("networkSecurityGroup"), subnet_id, location),
            extra={key: value for key, value in properties.items() if key not in _SUBNET_FIELDS},
        )

    def _check_fit(self, network: str, prefixes: Iterable[str], subnets: Iterable[Subnet]) -> None:
        spaces = [ipaddress.ip_network(prefix) for prefix in prefixes]
        placed: list[Subnet] = []
        for subnet in subnets:
            own = subnet.network()
            inside = any(space.supernet_of(own) for space in spaces if space.version == own.version)  # type: ignore[arg-type]
            if not inside or any(own.overlaps(other.network()) for other in placed):
                raise errors.bad_subnet(subnet.name, network)
            placed.append(subnet)

    def _check_unused(self, subnet: Subnet) -> None:
        users = self.services.store.users_of(subnet.id)
        if users:
            raise errors.subnet_in_use(subnet.name, users[0])


def _parse(prefix: object, owner: str) -> None:
    try:
        if isinstance(prefix, str) and "/" in prefix and ipaddress.ip_network(prefix):
            return
    except ValueError:
        pass
    raise errors.bad_prefix(str(prefix), owner)
