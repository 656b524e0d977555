"""Start, restart, power off, deallocate.

Each shows ``provisioningState`` ``Updating`` meanwhile, and ``Failed`` when its operation failed, until the next one
succeeds: the state is that of the last operation, whichever it was
(https://learn.microsoft.com/azure/virtual-machines/states-billing#provisioning-states).
"""

from collections.abc import Awaitable, Callable
from datetime import datetime

from localdev.azuresim.clock import scaled
from localdev.azuresim.compute import errors
from localdev.azuresim.compute.machines import VirtualMachines
from localdev.azuresim.compute.models import AGENT_AFTER_S, Power, VirtualMachine
from localdev.azuresim.envelope import ArmError, Response
from localdev.azuresim.operations import Dialect
from localdev.azuresim.routing import Call
from localdev.azuresim.services import Services
from localdev.azuresim.store import ProvisioningState

_NOT_RUNNING = "The operation requires the VM to be running (or set to run)."


class PowerActions:
    """Each answers 202 and is over when the poll says so; only ``deallocated`` stops the bill for cores."""

    def __init__(self, services: Services, machines: VirtualMachines) -> None:
        self._services = services
        self._machines = machines

    def start(self, call: Call) -> Response:
        """Room is looked for only now: a start after a deallocate can end in AllocationFailed."""
        vm = self._idle(call)

        async def finish(moment: datetime) -> None:
            vm.agent_ready = moment + scaled(self._services.clock, AGENT_AFTER_S)
            await self._services.runtime.start(vm.id)

        no_room = self._machines.no_room(vm) if vm.power is Power.DEALLOCATED else None
        return self._act(call, vm, Power.STARTING, Power.RUNNING, finish, no_room)

    def restart(self, call: Call) -> Response:
        vm = self._idle(call)
        if vm.power is not Power.RUNNING:
            raise errors.not_allowed(_NOT_RUNNING)

        async def finish(moment: datetime) -> None:
            vm.agent_ready = moment + scaled(self._services.clock, AGENT_AFTER_S)
            await self._services.runtime.restart(vm.id)

        return self._act(call, vm, Power.RUNNING, Power.RUNNING, finish)

    def power_off(self, call: Call) -> Response:
        """Off, but still allocated and still billed."""
        vm = self._idle(call)
        if vm.power is Power.DEALLOCATED:
            raise errors.deallocated_already("powerOff", vm.name)
        return self._act(call, vm, Power.STOPPING, Power.STOPPED, self._off(vm))

    def deallocate(self, call: Call) -> Response:
        vm = self._idle(call)
        return self._act(call, vm, Power.DEALLOCATING, Power.DEALLOCATED, self._off(vm))

    def _off(self, vm: VirtualMachine) -> Callable[[datetime], Awaitable[None]]:
        async def finish(moment: datetime) -> None:
            vm.agent_ready = None
            await self._services.runtime.deallocate(vm.id)

        return finish

    def _idle(self, call: Call) -> VirtualMachine:
        vm = self._machines.require(call)
        under_way = self._services.operations.find(vm.operation_id)
        if vm.busy or (under_way is not None and not under_way.over):
            raise errors.conflict()
        if vm.power is None:
            raise errors.not_allowed("The operation is not allowed on a VM that was never provisioned.")
        return vm

    def _act(
        self,
        call: Call,
        vm: VirtualMachine,
        meanwhile: Power,
        afterwards: Power,
        effect: Callable[[datetime], Awaitable[None]],
        doomed: ArmError | None = None,
    ) -> Response:
        before = vm.power
        vm.power, vm.state = meanwhile, ProvisioningState.UPDATING

        async def finish(moment: datetime) -> None:
            vm.power, vm.state, vm.failure = afterwards, ProvisioningState.SUCCEEDED, None
            vm.changed = moment
            await effect(moment)

        async def fail(moment: datetime, error: ArmError) -> None:
            vm.power, vm.state, vm.failure = before, ProvisioningState.FAILED, error.code
            vm.changed = moment

        operation = self._services.begin(
            call,
            Dialect.COMPUTE,
            location=vm.location,
            finish=finish,
            fail=fail,
            facts=self._machines.facts(call, vm),
            doomed=doomed,
        )
        vm.operation_id = operation.id
        return Response(202, None, self._services.operations.headers(operation, location=True, retry_after_s=10))
