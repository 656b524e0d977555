"""When a daily shutdown's time comes: the machine is deallocated, as if somebody had asked for it."""

import logging
from datetime import datetime

from localdev.azuresim.clock import scaled
from localdev.azuresim.compute.models import Power, VirtualMachine
from localdev.azuresim.compute.power import PowerActions
from localdev.azuresim.devtestlab.models import Schedule
from localdev.azuresim.envelope import Request
from localdev.azuresim.routing import Call
from localdev.azuresim.services import Services

_LOG = logging.getLogger("azuresim")

#: A machine that is busy is tried again after this long (seconds of Azure's time).
_AGAIN_S = 60.0

#: What the address of the operation carries; nobody ever sees it.
_COMPUTE_API_VERSION = "2024-07-01"


class Firing:
    """Waits for the time of every schedule; one that was replaced or deleted meanwhile does nothing."""

    def __init__(self, services: Services, power: PowerActions) -> None:
        self._services = services
        self._power = power

    def wait(self, schedule: Schedule, after: datetime) -> None:
        """From `after` on the schedule fires every day, and never when it is disabled."""
        if schedule.enabled:
            self._at(schedule, schedule.next_time(after))

    def _at(self, schedule: Schedule, moment: datetime) -> None:
        async def come(due: datetime) -> None:
            # A PUT puts another object in its place.
            if self._services.store.find(Schedule, schedule.id) is schedule:
                self._fire(schedule, due)

        self._services.operations.at(moment, come)

    def _fire(self, schedule: Schedule, moment: datetime) -> None:
        vm = self._services.store.find(VirtualMachine, schedule.target)
        if vm is not None and self._busy(vm):
            self._at(schedule, moment + scaled(self._services.clock, _AGAIN_S))
            return
        # A VM that is off stays as it is, also one that is stopped and still billed.
        if vm is not None and vm.power is Power.RUNNING:
            _LOG.info("daily_shutdown vm=%s", vm.name)
            self._power.deallocate(self._call(vm, moment))
        self.wait(schedule, moment)

    def _busy(self, vm: VirtualMachine) -> bool:
        under_way = self._services.operations.find(vm.operation_id)
        return vm.busy or (under_way is not None and not under_way.over)

    def _call(self, vm: VirtualMachine, moment: datetime) -> Call:
        """The request nobody sent, at the moment it was due: after a clock that was moved it is over as well."""
        return Call(
            request=Request("POST", f"{vm.id}/deallocate"),
            operation="VirtualMachines_Deallocate",
            params={"subscription": self._services.subscription_id, "group": vm.group, "name": vm.name},
            query={"api-version": _COMPUTE_API_VERSION},
            now=moment,
            content=None,
        )
