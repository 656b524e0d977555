"""Who may connect to a VM, looked up in the store at every question."""

import ipaddress

from localdev.azuresim.network.models import Interface, SecurityGroup, VirtualNetwork, find_subnet
from localdev.azuresim.network.rules import DEFAULT_RULES, Peer, decide
from localdev.azuresim.store import Store


class LiveInboundRules:
    """The security groups in force on a VM's interface and its subnet; implements the VM runtime's ``InboundRules``.

    A VM without any group lets nobody in: a Standard public IP is closed until a rule opens it
    (https://learn.microsoft.com/azure/virtual-network/ip-services/public-ip-addresses#sku).
    """

    def __init__(self, store: Store, interface_id: str) -> None:
        self._store = store
        self._interface_id = interface_id

    def allows(self, source_ip: str, port: int) -> bool:
        """Whether a TCP connection from `source_ip` to `port` of the VM is let in now."""
        interface = self._store.find(Interface, self._interface_id)
        if interface is None:
            return False
        configuration = next((each for each in interface.configurations if each.primary), interface.configurations[0])
        subnet = find_subnet(self._store, configuration.subnet_id)
        network = self._store.find(VirtualNetwork, configuration.subnet_id.rpartition("/subnets/")[0])
        peer = Peer(
            address=ipaddress.ip_address(source_ip),
            port=port,
            target=ipaddress.ip_address(configuration.private_address),
            virtual_network=network.spaces() if network else (),
        )
        wanted = (subnet.security_group_id if subnet else None, interface.security_group_id)
        found = [self._store.find(SecurityGroup, group_id) for group_id in wanted if group_id is not None]
        groups = [group for group in found if group is not None]
        return bool(groups) and all(decide((*group.in_force, *DEFAULT_RULES), peer) for group in groups)
