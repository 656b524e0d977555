"""Public IP and FQDN, read back through the VM's NIC: their resources have names only ARM knows."""

from dataclasses import replace

from shared.errors import FatalError
from shared.hubs.model import StepName
from shared.hubs.visit import Done, Visit, Wait

_LATE_S = 3.0


class AddressStep:
    name = StepName.ADDRESS

    async def ensure(self, visit: Visit) -> Done | Wait:
        """Two reads. A static address is there once its operation succeeded; a late field is waited for."""
        machine = visit.hub.machine
        if machine.ip and machine.fqdn:
            return Done()
        if machine.nic_id is None:
            raise FatalError("NoNetworkInterface", "Azure made the machine without a network interface.")
        view = await visit.app.network.address(machine.nic_id)
        if view is None:
            return Wait(_LATE_S / visit.app.settings.poll_scale, "the public address is not there yet")
        visit.update(machine=replace(machine, ip=view.ip, fqdn=view.fqdn, public_ip_id=view.public_ip_id))
        return Done()
