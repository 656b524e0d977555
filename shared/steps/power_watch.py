"""A machine that falls silent while its hub is being made may be off: stopped in the portal, redeployed, evicted.

Azure is asked only when SSH has been silent for a while, and then ever more seldom, so that it costs no read while all
is well and some five in the worst hour. A machine that is off is started, once; then the step goes on where it was.
"""

from datetime import datetime

from shared.errors import FatalError
from shared.hubs.long_operation import run_long
from shared.hubs.model import StepName
from shared.hubs.ports import Begun
from shared.hubs.visit import Done, Step, Visit, Wait
from shared.hubs.vm_errors import VmUnreachable

FIRST_LOOK_S = 120.0
"""After so long a silence Azure is asked for the first time: a reboot is over by then. The next looks come when the
silence has lasted twice as long as at the last one."""

_STARTS_S = 25.0
_JUST_LOOKED_S = 30.0
_START = "start-again"
_OFF = frozenset({"stopped", "deallocated"})
_GOING_OFF = frozenset({"stopping", "deallocating"})

_SINCE, _LOOK_AFTER, _STARTED = "silent-since", "look-after-s", "started-again"
"""Kept in the memory of the machine's step: one silence may last through several steps."""


def note_silence(visit: Visit) -> None:
    """SSH did not answer."""
    if _SINCE not in visit.memory(StepName.MACHINE):
        visit.remember(StepName.MACHINE, **{_SINCE: visit.now.isoformat()})


def note_answer(visit: Visit) -> None:
    """SSH answered."""
    if _SINCE in visit.memory(StepName.MACHINE):
        visit.remember(StepName.MACHINE, **{_SINCE: None, _LOOK_AFTER: None})


class PowerWatch:
    """A step that needs a running machine, and sees to it that there is one."""

    def __init__(self, step: Step) -> None:
        self.name = step.name
        self._step = step

    async def ensure(self, visit: Visit) -> Done | Wait:
        """What the step does. Also raises FatalError `MachineStopped` for a machine that is off a second time, and
        what a refused start is classified as (CapacityError for an evicted spot machine)."""
        operation = visit.hub.operation
        if operation is not None and operation.kind == _START:
            starting = await run_long(visit, _START, _never_begun, first_look_s=_STARTS_S)
            if isinstance(starting, Wait):
                return starting
        try:
            outcome = await self._step.ensure(visit)
        except VmUnreachable:
            wait = await _look(visit)
            if wait is None:
                raise
            return wait
        return outcome if isinstance(outcome, Done) else await _look(visit) or outcome


async def _look(visit: Visit) -> Wait | None:
    """None = nothing to do: it speaks, it is too early, or the machine runs (or cannot be found)."""
    memory, scale = visit.memory(StepName.MACHINE), visit.app.settings.poll_scale
    if _SINCE not in memory or visit.hub.operation is not None:
        return None
    silent_s = (visit.now - datetime.fromisoformat(memory[_SINCE])).total_seconds() * scale
    if silent_s < memory.get(_LOOK_AFTER, FIRST_LOOK_S):
        return None
    view = await visit.app.compute.vm(visit.hub.group_name, visit.hub.vm_name, with_power=True)
    power = view.power if view is not None else None
    going_off = power in _GOING_OFF
    visit.remember(StepName.MACHINE, **{_LOOK_AFTER: silent_s + _JUST_LOOKED_S if going_off else 2 * silent_s})
    return await _start(visit, str(power)) if power in _OFF else None


async def _start(visit: Visit, power: str) -> Wait:
    hub, compute = visit.hub, visit.app.compute
    if visit.memory(StepName.MACHINE).get(_STARTED):
        raise FatalError(
            "MachineStopped",
            f"The machine was turned off again while its hub was being made (Azure shows it as {power}).",
            fix="Find out who or what stops it, then retry the hub.",
        )
    message = f"Azure shows the machine as {power} although its hub is being made: it is started, once."
    visit.tell("power", message, step=hub.next_step)
    await visit.checkpoint()  # a worker that lost the race to a delete starts nothing
    outcome = await run_long(
        visit, _START, lambda: compute.begin_start(hub.group_name, hub.vm_name), first_look_s=_STARTS_S
    )
    visit.remember(StepName.MACHINE, **{_STARTED: True, _SINCE: None, _LOOK_AFTER: None})
    return outcome if isinstance(outcome, Wait) else Wait(0.0, "the machine is on again")


async def _never_begun() -> Begun:
    raise FatalError("ImpossibleState", "A start was expected to be running.")
