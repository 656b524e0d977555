"""What the next thing to do for a hub is: pure and total, decided from its row and the time alone."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from shared.hubs.model import Hub, Reason, StepName
from shared.hubs.states import Goal, HubState


@dataclass(frozen=True, slots=True)
class Begin:
    """First visit: make the hub findable, then start."""


@dataclass(frozen=True, slots=True)
class RunStep:
    step: StepName


@dataclass(frozen=True, slots=True)
class Fail:
    reason: Reason


@dataclass(frozen=True, slots=True)
class Deallocate:
    """A failed hub must not bill: evidence stays on the disk."""


@dataclass(frozen=True, slots=True)
class Expire:
    """A failed hub was kept long enough."""


@dataclass(frozen=True, slots=True)
class Remove:
    """Make every Azure resource of the hub go, and see it."""


@dataclass(frozen=True, slots=True)
class Settle:
    """Nothing to do; look again at `look_at`, or only when somebody asks."""

    look_at: datetime | None = None


type Decision = Begin | RunStep | Fail | Deallocate | Expire | Remove | Settle


def decide(hub: Hub, now: datetime, *, failed_keep: timedelta) -> Decision:
    """What the next thing to do for this hub is. Pure and total."""
    if hub.goal is Goal.DELETED:
        return Settle() if hub.state is HubState.DELETED else Remove()
    match hub.state:
        case HubState.ACCEPTED:
            return Begin()
        case HubState.PROVISIONING | HubState.INSTALLING | HubState.VERIFYING:
            step = hub.next_step
            if step is None:  # all done but the state did not follow: a bug, said instead of hidden
                return Fail(Reason(code="ImpossibleState", message="All steps are done but the hub is not ready."))
            return RunStep(step)
        case HubState.FAILED:
            keep_until = (hub.failed_at or hub.state_since) + failed_keep
            if now >= keep_until:  # first of all: what cannot be deallocated must not bill for ever
                return Expire()
            return Deallocate() if hub.deallocated_at is None else Settle(keep_until)
        case HubState.READY | HubState.DELETING | HubState.DELETED:
            return Settle()
    assert_never(hub.state)
