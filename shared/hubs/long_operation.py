"""One long-running ARM operation of a hub: begun once, saved, looked at once a visit."""

from collections.abc import Awaitable, Callable

from shared.hubs import pace
from shared.hubs.model import LongOperation
from shared.hubs.ports import Begun
from shared.hubs.visit import Done, Visit, Wait

DEFAULT_POLL_S = 5.0
"""When Azure names no Retry-After. Its own are 3-50 s; an unscaled look every 5 s stays far below the read limits."""

LONGEST_POLL_S = 20.0
"""Azure's first wish for a VM is often 50 s while half of them are done sooner; looking earlier costs one read."""

SHORTEST_POLL_S = 1.5
"""Closer looks cost reads (the budget is 15 to `ready`) and gain less than a second each."""

SHARE_OF_ELAPSED = 0.35
"""An operation that takes longer than its kind usually does is looked at again after this share of its age. Azure's
own wish (10 s and more for a network operation of 3 s) would be most of our overhead; a 429 is obeyed all the same."""


async def run_long(
    visit: Visit,
    kind: str,
    begin: Callable[[], Awaitable[Begun]],
    *,
    first_look_s: float | None = None,
) -> Done | Wait:
    """Begins `kind` when the hub has no operation of that kind and it is its turn, else takes one look at it. Done = it
    is over.

    `first_look_s`: when an operation of this kind usually ends (scaled like all our own intervals); it replaces
    Azure's wishes. Pass it at every visit.
    Raises what the failed operation is classified as; the hub then has no operation any more.
    """
    operation = visit.hub.operation
    if operation is None or operation.kind != kind:
        line = await pace.turn(visit, kind)
        if line is not None:
            return line
        begun = await begin()
        if begun.handle is None:
            return Done()
        visit.update(operation=LongOperation(kind=kind, handle=begun.handle, begun_at=visit.now))
        return Wait(_wished(visit, begun.retry_after_s) if first_look_s is None else first_look_s / _scale(visit))
    poll = await visit.app.operations.poll(operation.handle)
    if not poll.done:
        return Wait(_wished(visit, poll.retry_after_s) if first_look_s is None else _paced(visit, operation))
    visit.update(operation=None)
    if poll.failure is not None:
        raise poll.failure
    return Done()


def _wished(visit: Visit, retry_after_s: float | None) -> float:
    if retry_after_s is not None:
        return min(retry_after_s, LONGEST_POLL_S / _scale(visit))
    return DEFAULT_POLL_S / _scale(visit)


def _paced(visit: Visit, operation: LongOperation) -> float:
    age_s = (visit.now - operation.begun_at).total_seconds() * _scale(visit)
    return min(LONGEST_POLL_S, max(SHORTEST_POLL_S, SHARE_OF_ELAPSED * age_s)) / _scale(visit)


def _scale(visit: Visit) -> float:
    return visit.app.settings.poll_scale
