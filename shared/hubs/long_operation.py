"""One long-running ARM operation of a hub: begun once, saved, looked at once a visit."""

from collections.abc import Awaitable, Callable

from shared.hubs.model import LongOperation
from shared.hubs.ports import Begun
from shared.hubs.visit import Done, Visit, Wait

DEFAULT_POLL_S = 5.0
"""When Azure names no Retry-After. Its own are 3-50 s; an unscaled look every 5 s stays far below the read limits."""

LONGEST_POLL_S = 15.0
"""Azure's first wish for a VM is often 50 s while half of them are done sooner; looking earlier costs one read."""


async def run_long(
    visit: Visit,
    kind: str,
    begin: Callable[[], Awaitable[Begun]],
    *,
    first_look_s: float | None = None,
) -> Done | Wait:
    """Begins `kind` when the hub has no operation of that kind, else takes one look at it. Done = it is over.

    `first_look_s`: when an operation of this kind usually ends (scaled like all our own intervals).
    Raises what the failed operation is classified as; the hub then has no operation any more.
    """
    operation = visit.hub.operation
    if operation is None or operation.kind != kind:
        begun = await begin()
        if begun.handle is None:
            return Done()
        visit.update(operation=LongOperation(kind=kind, handle=begun.handle, begun_at=visit.now))
        return Wait(_pause(visit, begun.retry_after_s, first_look_s))
    poll = await visit.app.operations.poll(operation.handle)
    if not poll.done:
        return Wait(_pause(visit, poll.retry_after_s, None))
    visit.update(operation=None)
    if poll.failure is not None:
        raise poll.failure
    return Done()


def _pause(visit: Visit, retry_after_s: float | None, first_look_s: float | None) -> float:
    scale = visit.app.settings.poll_scale
    if first_look_s is not None:
        return first_look_s / scale
    if retry_after_s is not None:
        return min(retry_after_s, LONGEST_POLL_S / scale)
    return DEFAULT_POLL_S / scale
