"""Stops a machine so that it no longer bills: deallocated, and *seen* deallocated.

Powered off is not enough: a `stopped` VM is still billed (learn.microsoft.com, "States and billing of Azure VMs").
"""

from collections.abc import Awaitable, Callable

from shared.hubs.long_operation import run_long
from shared.hubs.visit import Done, Visit, Wait

type Ensure = Callable[[Visit], Awaitable[Done | Wait]]

_NOT_BILLED = frozenset({"deallocated"})


async def ensure_deallocated(visit: Visit) -> Done | Wait:
    """Deallocates the hub's VM unless it is gone or deallocated already; records when that was seen."""
    hub, compute = visit.hub, visit.app.compute
    if hub.operation is None:
        view = await compute.vm(hub.group_name, hub.vm_name, with_power=True)
        if view is None or view.power in _NOT_BILLED:
            visit.update(deallocated_at=visit.now)
            visit.tell("power", "The machine does not bill any more: " + ("deallocated." if view else "it is gone."))
            return Done()
    outcome = await run_long(visit, "deallocate", lambda: compute.begin_deallocate(hub.group_name, hub.vm_name))
    # The end of the operation is a claim; the next look at the machine is the proof.
    return outcome if isinstance(outcome, Wait) else Wait(1.0, "looking whether it is deallocated")
