"""Stops a machine so that it no longer bills: deallocated, and *seen* deallocated.

Powered off is not enough: a `stopped` VM is still billed (learn.microsoft.com, "States and billing of Azure VMs").
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from shared.hubs.long_operation import run_long
from shared.hubs.model import StepName
from shared.hubs.ports import VmView
from shared.hubs.visit import Done, Visit, Wait

type Ensure = Callable[[Visit], Awaitable[Done | Wait]]

_NOT_BILLED = frozenset({"deallocated"})
_ASKED = "deallocation-ended"

MAY_STILL_APPEAR = timedelta(seconds=60)
"""ARM may have taken a PUT that it did not answer, and a read may lag behind it: a machine that was asked for is not
believed to be absent before this long after its hub failed."""

_LOOK_AGAIN_S = 5.0


async def ensure_deallocated(visit: Visit) -> Done | Wait:
    """Deallocates the hub's VM unless it is gone or deallocated already; records when that was seen."""
    hub, compute = visit.hub, visit.app.compute
    pause_s = _LOOK_AGAIN_S / visit.app.settings.poll_scale
    if hub.operation is None:
        view = await compute.vm(hub.group_name, hub.vm_name, with_power=True)
        if view is None and _may_still_appear(visit):
            return Wait(pause_s, "looking whether the machine appears")
        if view is None or _is_not_billed(visit, view):
            visit.update(deallocated_at=visit.now)
            visit.tell("power", "The machine does not bill any more: " + ("deallocated." if view else "it is gone."))
            return Done()
        if view.power == "deallocating":
            return Wait(pause_s, "it is being deallocated")
    outcome = await run_long(visit, "deallocate", lambda: compute.begin_deallocate(hub.group_name, hub.vm_name))
    if isinstance(outcome, Wait):
        return outcome
    # The end of the operation is a claim; the next look at the machine is the proof.
    visit.remember(StepName.MACHINE, **{_ASKED: True})
    return Wait(pause_s, "looking whether it is deallocated")


def _is_not_billed(visit: Visit, view: VmView) -> bool:
    """A machine that never got hardware (AllocationFailed) may have no power state at all, whatever is done to it."""
    never_ran = view.provisioning == "failed" and view.power is None
    return view.power in _NOT_BILLED or (never_ran and bool(visit.memory(StepName.MACHINE).get(_ASKED)))


def _may_still_appear(visit: Visit) -> bool:
    asked_for = visit.hub.machine.custom_data_sha256 is not None and visit.hub.machine.vm_id is None
    since = visit.hub.failed_at or visit.hub.state_since
    return asked_for and visit.now < since + MAY_STILL_APPEAR / visit.app.settings.poll_scale
