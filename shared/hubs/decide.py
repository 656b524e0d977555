"""What the next thing to do for a hub is: pure and total, decided from its row and the time alone."""

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from shared.hubs import agenda
from shared.hubs.agenda import Alert, Rules, Why
from shared.hubs.model import AutoShutdown, Hub, Reason, StepName
from shared.hubs.states import Goal, HubState


@dataclass(frozen=True, slots=True)
class Begin:
    """First visit: make the hub findable, then start."""


@dataclass(frozen=True, slots=True)
class ClearAttempt:
    """The last attempt's resources go, and are seen gone, before another one begins."""


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
class PowerOff:
    """Deallocate the machine of a hub that stops, and see it."""


@dataclass(frozen=True, slots=True)
class PowerOn:
    """Start the machine of a hub that starts, and see that the hub answers."""


@dataclass(frozen=True, slots=True)
class Warn:
    """People are told what is ahead."""

    alerts: tuple[Alert, ...]


@dataclass(frozen=True, slots=True)
class SetAutoShutdown:
    """Azure's own daily shutdown is not as the hub's schedule wants it."""

    wanted: AutoShutdown


@dataclass(frozen=True, slots=True)
class LookAtActivity:
    """It is time to see whether anybody works on the hub."""


@dataclass(frozen=True, slots=True)
class StopNow:
    why: Why


@dataclass(frozen=True, slots=True)
class StartNow:
    """The schedule says so."""


@dataclass(frozen=True, slots=True)
class Expire:
    """The hub was kept long enough."""

    message: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Make every Azure resource of the hub go, and see it."""


@dataclass(frozen=True, slots=True)
class Settle:
    """Nothing to do; look again at `look_at`, or only when somebody asks."""

    look_at: datetime | None = None


type Decision = (
    Begin
    | ClearAttempt
    | RunStep
    | Fail
    | Deallocate
    | PowerOff
    | PowerOn
    | Warn
    | SetAutoShutdown
    | LookAtActivity
    | StopNow
    | StartNow
    | Expire
    | Remove
    | Settle
)


def decide(hub: Hub, now: datetime, rules: Rules) -> Decision:
    """What the next thing to do for this hub is. Pure and total."""
    if hub.goal is Goal.DELETED:
        return Settle() if hub.state is HubState.DELETED else Remove()
    match hub.state:
        case HubState.ACCEPTED:
            return Begin()
        case HubState.PROVISIONING | HubState.INSTALLING | HubState.VERIFYING:
            return _creating(hub)
        case HubState.READY:
            return _ready(hub, now, rules)
        case HubState.STOPPING:
            return PowerOff()
        case HubState.STARTING:  # yesterday's shutdown must not hit what is started now
            return _auto_shutdown(hub, now, rules) or PowerOn()
        case HubState.STOPPED:
            return _stopped(hub, now, rules)
        case HubState.FAILED:
            keep_until = (hub.failed_at or hub.state_since) + rules.failed_keep
            if now >= keep_until:  # first of all: what cannot be deallocated must not bill for ever
                return Expire("The failed hub was kept for its time and is removed now.")
            return Deallocate() if hub.deallocated_at is None else Settle(keep_until)
        case HubState.DELETING | HubState.DELETED:
            return Settle()
    assert_never(hub.state)


def _creating(hub: Hub) -> Decision:
    if hub.life.clearing:
        return ClearAttempt()
    step = hub.next_step
    if step is None:  # all done but the state did not follow: a bug, said instead of hidden
        return Fail(Reason(code="ImpossibleState", message="All steps are done but the hub is not ready."))
    return RunStep(step)


def _ready(hub: Hub, now: datetime, rules: Rules) -> Decision:
    due = agenda.due_stop(hub, rules, now)
    if due is not None:
        return StopNow(due)
    alerts = tuple(agenda.alerts_due(hub, rules, now))
    if alerts:
        return Warn(alerts)
    if (switch := _auto_shutdown(hub, now, rules)) is not None:
        return switch
    look = agenda.idle_look(hub, rules)
    if look is not None and look <= now:
        return LookAtActivity()
    return Settle(agenda.next_look(hub, rules, now))


def _auto_shutdown(hub: Hub, now: datetime, rules: Rules) -> SetAutoShutdown | None:
    """A write that was not answered is owed in any case: Azure may have taken it."""
    wanted, retry_at = agenda.auto_shutdown(hub, rules, now), hub.life.auto_shutdown_retry_at
    owed = retry_at <= now if retry_at is not None else wanted != hub.life.auto_shutdown
    return SetAutoShutdown(wanted) if wanted is not None and owed else None


def _stopped(hub: Hub, now: datetime, rules: Rules) -> Decision:
    removal = agenda.removal(hub, rules)
    if removal is not None and removal <= now:
        return Expire("The hub's end date is past and it was kept for its time; it is removed now.")
    alerts = tuple(agenda.alerts_due(hub, rules, now))
    if alerts:
        return Warn(alerts)
    start = agenda.next_start(hub, now)
    if start is not None and start <= now and hub.machine.missing_since is None:
        return StartNow()
    return Settle(agenda.next_look(hub, rules, now))
