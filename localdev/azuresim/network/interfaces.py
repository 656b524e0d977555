"""Network interfaces."""

from datetime import datetime

from localdev.azuresim.clock import scaled
from localdev.azuresim.envelope import Json, Response
from localdev.azuresim.identifiers import new_etag, new_guid, new_mac, new_suffix
from localdev.azuresim.names import NETWORK_NAME
from localdev.azuresim.network import errors
from localdev.azuresim.network.models import Interface, IpConfiguration, PublicAddress, Subnet, find_subnet
from localdev.azuresim.network.writes import NetworkType, facts, ready
from localdev.azuresim.operations import Dialect
from localdev.azuresim.routing import Call
from localdev.azuresim.services import Services
from localdev.azuresim.store import Store
from localdev.azuresim.tracked import tags_of

#: How long an interface stays reserved for a VM that was deleted or failed to be created.
RESERVED_S = 180.0


class Interfaces(NetworkType[Interface]):
    """A PUT answers ``Succeeded`` at once, and still names an operation to poll (369 of 369 recorded)."""

    def __init__(self, services: Services) -> None:
        super().__init__(services, Interface, name_rule=NETWORK_NAME, provider_not_found=errors.not_found)

    def put(self, call: Call) -> Response:
        existing, location = self.check_put(call)
        body = {**call.body, "tags": tags_of(call.body)}
        interface_id = existing.id if existing else self.new_id(call)
        interface = self.describe(
            call.params["name"], interface_id, self.group_name(call), location, body, call.now, existing
        )
        self.services.store.touch(interface, call.now)
        self.services.store.save(interface)

        async def nothing(moment: datetime, *_: object) -> None:
            interface.etag = new_etag(self.services.rng)

        operation = self.services.begin(
            call, Dialect.NETWORK, location=location, finish=nothing, fail=nothing, facts=facts(call, interface)
        )
        headers = self.services.operations.headers(operation)
        return Response(200 if existing else 201, interface.render(self.services.store), headers)

    def describe(
        self,
        name: str,
        interface_id: str,
        group: str,
        location: str,
        body: Json,
        now: datetime,
        existing: Interface | None = None,
    ) -> Interface:
        """Check an interface's body and make the resource of it, or change `existing`; also for inline ones.

        Raises:
            ArmError: no IP configuration, a reference that is absent, unfinished or taken.
        """
        properties: Json = body.get("properties") or {}
        bodies = properties.get("ipConfigurations") or []
        if not bodies:
            raise errors.missing("ipConfigurations", f"network interface {name}")
        configurations = tuple(
            self._configuration(each, interface_id, location, first=index == 0, existing=existing)
            for index, each in enumerate(bodies)
        )
        group_id = self.check_security_group(properties.get("networkSecurityGroup"), interface_id, location)
        if existing is None:
            existing = Interface(
                id=interface_id,
                name=name,
                group=group,
                location=location,
                created=now,
                etag=new_etag(self.services.rng),
                resource_guid=new_guid(self.services.rng),
                configurations=configurations,
                domain_suffix=f"{new_suffix(self.services.rng, 26)}.bx.internal.cloudapp.net",
            )
        existing.configurations = configurations
        existing.security_group_id = group_id
        existing.accelerated = bool(properties.get("enableAcceleratedNetworking", False))
        existing.forwarding = bool(properties.get("enableIPForwarding", False))
        existing.tags = body.get("tags")
        existing.etag = new_etag(self.services.rng)
        return existing

    def _configuration(
        self, body: Json, interface_id: str, location: str, *, first: bool, existing: Interface | None
    ) -> IpConfiguration:
        name = str(body.get("name") or "")
        if not NETWORK_NAME.fullmatch(name):
            raise errors.missing("name", f"ipConfiguration of {interface_id}")
        configuration_id = f"{interface_id}/ipConfigurations/{name}"
        properties: Json = body.get("properties") or {}
        subnet_id = self.check_subnet(properties.get("subnet"), interface_id)
        address: Json = properties.get("publicIPAddress") or {}
        before = {each.id.lower(): each for each in existing.configurations} if existing else {}
        kept = before.get(configuration_id.lower())
        same_subnet = kept is not None and kept.subnet_id.lower() == subnet_id.lower()
        return IpConfiguration(
            id=configuration_id,
            name=name,
            subnet_id=subnet_id,
            private_address=kept.private_address if kept and same_subnet else self.free_address(subnet_id),
            allocation=str(properties.get("privateIPAllocationMethod") or "Dynamic"),
            primary=bool(properties.get("primary", first)),
            public_address_id=self._public_address(address.get("id"), configuration_id, location),
            public_delete_option=(address.get("properties") or {}).get("deleteOption"),
        )

    def _public_address(self, wanted: object, configuration_id: str, location: str) -> str | None:
        if not isinstance(wanted, str):
            return None
        address = self.services.store.find(PublicAddress, wanted)
        if address is None or address.location != location:
            raise errors.bad_reference(wanted, configuration_id)
        ready(address, configuration_id)
        for user in self.services.store.users_of(address.id):
            if user.lower() != configuration_id.lower():
                raise errors.public_ip_taken(address.id, configuration_id, user)
        return address.id

    def free_address(self, subnet_id: str) -> str:
        """The first private address not in use; Azure keeps the first four and the last of every subnet."""
        subnet = find_subnet(self.services.store, subnet_id)
        assert subnet is not None, "checked by the caller"
        return first_free(self.services.store, subnet)

    def check_deletable(self, resource: Interface, call: Call) -> None:
        if resource.vm_id is not None:
            raise errors.interface_in_use(resource.id, resource.vm_id)
        holder = reserved_for(resource, call.now)
        if holder is not None:
            raise errors.interface_reserved(holder)

    def reserve(self, interface: Interface, vm_id: str, moment: datetime) -> None:
        """Detach the interface from its VM and keep it reserved for that one for 180 s."""
        interface.vm_id = None
        interface.reserved_for = vm_id
        interface.reserved_until = moment + scaled(self.services.clock, RESERVED_S)

    def attach(self, interface: Interface, vm_id: str) -> None:
        """Give the interface to a VM: now it has a MAC address."""
        interface.vm_id = vm_id
        interface.reserved_for, interface.reserved_until = None, None
        interface.mac_address = interface.mac_address or new_mac(self.services.rng)
        interface.etag = new_etag(self.services.rng)


def reserved_for(interface: Interface, now: datetime) -> str | None:
    """The VM an interface is still reserved for, if any."""
    until = interface.reserved_until
    return interface.reserved_for if until is not None and now < until else None


def first_free(store: Store, subnet: Subnet) -> str:
    """The lowest free address of a subnet.

    Raises:
        ArmError: 400 when it is full.
    """
    owners = {user.rpartition("/ipConfigurations/")[0] for user in store.users_of(subnet.id)}
    interfaces = [found for owner in owners if (found := store.find(Interface, owner)) is not None]
    taken = {each.private_address for interface in interfaces for each in interface.configurations}
    network = subnet.network()
    for offset in range(4, network.num_addresses - 1):
        candidate = str(network[offset])
        if candidate not in taken:
            return candidate
    raise errors.subnet_full(subnet.name, subnet.prefix)
