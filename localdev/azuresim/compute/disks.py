"""Managed disks: those that VMs bring along; they can be read, tagged and deleted, not made on their own."""

from datetime import datetime

from localdev.azuresim.compute import errors
from localdev.azuresim.compute.models import Disk
from localdev.azuresim.envelope import ArmError, Response
from localdev.azuresim.names import DISK_NAME
from localdev.azuresim.operations import Dialect
from localdev.azuresim.routing import Call
from localdev.azuresim.services import Services
from localdev.azuresim.store import ProvisioningState
from localdev.azuresim.tracked import Tracked, tags_of


class Disks(Tracked[Disk]):
    """Microsoft.Compute/disks."""

    def __init__(self, services: Services) -> None:
        super().__init__(services, Disk, name_rule=DISK_NAME, provider_not_found=errors.not_found)

    def patch(self, call: Call) -> Response:
        """Tags only: 200 at once."""
        disk = self.require(call)
        tags = tags_of(call.body)
        disk.tags = tags if tags is not None else disk.tags
        return Response(200, disk.render(self.services.store))

    def delete(self, call: Call) -> Response:
        """202; 204 when there is none.

        Raises:
            ArmError: 409 while a VM has it.
        """
        disk = self.find(call)
        if disk is None:
            return Response(204)
        if disk.managed_by is not None:
            raise errors.disk_in_use(disk.id, disk.managed_by)
        disk.state = ProvisioningState.DELETING

        async def finish(moment: datetime) -> None:
            self.services.store.remove(disk, moment)

        async def fail(moment: datetime, error: ArmError) -> None:
            disk.state = ProvisioningState.FAILED

        operation = self.services.begin(
            call,
            Dialect.DISK,
            location=disk.location,
            finish=finish,
            fail=fail,
            facts={**call.params, "location": disk.location},
        )
        return Response(202, None, self.services.operations.headers(operation, location=True))
