"""What a hub that is ready or stopped has ahead of it: its next stop and start, warnings, its end. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Protocol

from shared.hubs import idle, schedule
from shared.hubs.model import AutoShutdown, Hub, Schedule
from shared.hubs.schedule import Kind, Occurrence
from shared.hubs.states import HubState

EXPIRY_WARNINGS = (timedelta(days=7), timedelta(days=1))
SHUTDOWN_MARGIN = timedelta(minutes=30)
"""Azure's own shutdown comes this long after ours should have."""

SHUTDOWN_AHEAD = timedelta(hours=12)
"""Azure's own shutdown is daily, so it is on only when the stop it guards is nearer than this: a hub that somebody
needs on a Saturday night is not stopped because of Friday's hour."""

SHUTDOWN_ALLOWANCE = timedelta(hours=8)
"""A switch that is on anyway stays on while the stop it guards is at most this much further away: no write a day."""


class Why(StrEnum):
    """What a stop is for, as the owner reads it."""

    SCHEDULE = "schedule"
    EXTENDED = "extended"
    IDLE = "idle"
    EXPIRES = "expires"


class Settings(Protocol):
    """What of the app's settings is about the life of hubs; units are in the names."""

    @property
    def failed_keep_hours(self) -> int: ...
    @property
    def stop_warning_minutes(self) -> int: ...
    @property
    def idle_warning_minutes(self) -> int: ...
    @property
    def expired_keep_days(self) -> int: ...
    @property
    def dead_mans_switch(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Rules:
    """How long before and after, from the settings."""

    failed_keep: timedelta
    stop_warning: timedelta
    idle_warning: timedelta
    expired_keep: timedelta
    auto_shutdown: bool

    @classmethod
    def of(cls, settings: Settings) -> "Rules":
        return cls(
            failed_keep=timedelta(hours=settings.failed_keep_hours),
            stop_warning=timedelta(minutes=settings.stop_warning_minutes),
            idle_warning=timedelta(minutes=settings.idle_warning_minutes),
            expired_keep=timedelta(days=settings.expired_keep_days),
            auto_shutdown=settings.dead_mans_switch == "on",
        )


@dataclass(frozen=True, slots=True)
class Stop:
    at: datetime
    why: Why


@dataclass(frozen=True, slots=True)
class Alert:
    """To be given once for this `deadline`. `kind` tells the warnings of one hub apart."""

    kind: str
    deadline: datetime
    message: str
    why: Why


def next_stop(hub: Hub, rules: Rules, now: datetime) -> Stop | None:
    """The stop that comes first, possibly one that is due already; None when nothing will stop the hub.

    A hub that was not `ready` when its scheduled stop came is stopped one warning time after it became so.
    """
    stops = (scheduled_stop(hub, rules, now), idle_stop(hub, rules), _end(hub))
    return min((stop for stop in stops if stop is not None), key=lambda stop: stop.at, default=None)


def due_stop(hub: Hub, rules: Rules, now: datetime) -> Why | None:
    """Why the hub has to stop now. An idle stop is never due by the clock alone: a fresh look decides it."""
    known = (_end(hub), scheduled_stop(hub, rules, now))
    return next((stop.why for stop in known if stop is not None and stop.at <= now), None)


def scheduled_stop(hub: Hub, rules: Rules, now: datetime) -> Stop | None:
    """When the schedule stops the hub, if nobody does anything until then.

    A stop that is put off (extended, or the hub was not ready) is taken back by a start that comes before it: the
    latest event of the schedule is what is wanted.
    """
    plan, keep_until, skipped = hub.spec.schedule, hub.life.keep_until, hub.life.skipped_stop
    if plan is None:
        return None
    at, seen = _missed_stop(hub, plan, rules, now), max(now, hub.life.cursor or now)  # ahead of it: called off
    while True:
        if at is None:
            following = schedule.next_event(plan, seen, kind=Kind.STOP, ignoring=skipped)
            if following is None:
                return None
            at = seen = following.at
        due = max(at, keep_until or at)
        event = schedule.next_event(plan, seen, ignoring=skipped) if due > seen else None
        if event is None or event.at > due:
            return Stop(due, Why.SCHEDULE if keep_until is None or at > keep_until else Why.EXTENDED)
        seen = event.at
        at = None if event.kind is Kind.START else min(at, event.at)


def idle_stop(hub: Hub, rules: Rules) -> Stop | None:
    """The stop of a hub on which no server runs any more."""
    since = hub.life.idle.no_server_since
    if hub.spec.idle_minutes is None or since is None:
        return None
    at = since + idle.grace(hub, rules.idle_warning)
    return Stop(max(at, hub.life.keep_until or at), Why.IDLE)


def next_start(hub: Hub, now: datetime) -> datetime | None:
    """The next scheduled start, possibly one that is due already. None for a hub past its end date by then."""
    plan = hub.spec.schedule
    if plan is None:
        return None
    missed = _unhandled(hub, plan, now)
    due = missed if missed is not None and missed.kind is Kind.START else None
    following = due or schedule.next_event(plan, now, kind=Kind.START)
    ends = hub.spec.expires_at
    if following is None or (ends is not None and max(following.at, now) >= ends):
        return None
    return following.at


def idle_look(hub: Hub, rules: Rules) -> datetime | None:
    """When people's activity is looked at next; None for a hub without idle stop. To become ready counts as activity:
    nobody has to log in within the first minutes."""
    if hub.spec.idle_minutes is None:
        return None
    quiet = timedelta(minutes=hub.spec.idle_minutes) - idle.grace(hub, rules.idle_warning)
    at = hub.life.idle.look_again_at or hub.state_since + max(quiet, timedelta())
    return max(at, hub.life.keep_until or at)


def removal(hub: Hub, rules: Rules) -> datetime | None:
    """When a hub past its end date is deleted."""
    return None if hub.spec.expires_at is None else hub.spec.expires_at + rules.expired_keep


def alerts_due(hub: Hub, rules: Rules, now: datetime) -> Iterator[Alert]:
    """Warnings whose time has come and that were not given for the same deadline."""
    for alert, lead in _alerts(hub, rules, now):
        if alert.deadline - lead <= now < alert.deadline and hub.life.warned.get(alert.kind) != alert.deadline:
            yield alert


def auto_shutdown(hub: Hub, rules: Rules, now: datetime) -> AutoShutdown | None:
    """How Azure's own daily shutdown should stand; None = nobody cares (a hub that is off, or one that never had it
    and needs none yet). Where the setting is off it is turned off: nobody would move it for an extension."""
    if hub.state not in (HubState.STARTING, HubState.READY):
        return None
    present, stop = hub.life.auto_shutdown, _guarded(hub, rules, now)
    if stop is not None:
        time = f"{stop.at + SHUTDOWN_MARGIN:%H%M}"
        ahead = stop.at - now
        on_already = present is not None and present.enabled and present.time == time
        if ahead <= SHUTDOWN_AHEAD or (on_already and ahead <= SHUTDOWN_AHEAD + SHUTDOWN_ALLOWANCE):
            return AutoShutdown(enabled=True, time=time)
        if (
            present is None and hub.life.auto_shutdown_retry_at is not None
        ):  # Azure may have taken what it did not answer
            return AutoShutdown(enabled=False, time=time)
    return None if present is None else AutoShutdown(enabled=False, time=present.time)


def next_look(hub: Hub, rules: Rules, now: datetime) -> datetime | None:
    """The next moment at which anything of this module changes: when to look at the hub again."""
    moments = [when for when in _moments(hub, rules, now) if when is not None and when > now]
    return min(moments, default=None)


def _moments(hub: Hub, rules: Rules, now: datetime) -> Iterator[datetime | None]:
    for alert, lead in _alerts(hub, rules, now):
        yield alert.deadline - lead
    yield hub.spec.expires_at
    if hub.state is HubState.STOPPED:
        yield removal(hub, rules)
        yield next_start(hub, now)
        return
    stop, guarded = next_stop(hub, rules, now), _guarded(hub, rules, now)
    if stop is not None:
        yield stop.at
    if guarded is not None:
        yield guarded.at - SHUTDOWN_AHEAD
    yield idle_look(hub, rules)
    yield hub.life.auto_shutdown_retry_at


def _alerts(hub: Hub, rules: Rules, now: datetime) -> Iterator[tuple[Alert, timedelta]]:
    ends = hub.spec.expires_at
    if ends is not None:
        said = f"The hub's end date is {_when(ends)}: it is stopped then, and deleted {_when(_removed(hub, rules))}."
        for lead, nearer in pairwise((*EXPIRY_WARNINGS, timedelta())):
            if now < ends - nearer:  # a later warning says all that an earlier one does
                yield Alert(f"expires-{lead.days}d", ends, said, Why.EXPIRES), lead
    if hub.state is not HubState.READY:
        return
    # What another stop comes before will not happen, and is not said.
    stop, quiet = scheduled_stop(hub, rules, now), idle_stop(hub, rules)
    if stop is not None and (ends is None or stop.at <= ends):
        said = f"The hub stops at {_when(stop.at)} by its schedule. `extend` moves that."
        yield Alert("stop", stop.at, said, stop.why), rules.stop_warning
    if quiet is not None and all(other.at >= quiet.at for other in (stop, _end(hub)) if other is not None):
        said = f"Nobody works on the hub: it stops at {_when(quiet.at)}. Starting a server keeps it."
        yield Alert("idle", quiet.at, said, quiet.why), rules.idle_warning


def _unhandled(hub: Hub, plan: Schedule, now: datetime) -> Occurrence | None:
    """The latest of the schedule's events that nobody dealt with: only the latest one counts after an outage."""
    last = schedule.last_event(plan, now, ignoring=hub.life.skipped_stop)
    return last if last is not None and last.at > (hub.life.cursor or hub.created_at) else None


def _missed_stop(hub: Hub, plan: Schedule, rules: Rules, now: datetime) -> datetime | None:
    """When a stop that has come already is done: at its own time, or one warning time after the hub was ready."""
    missed = _unhandled(hub, plan, now)
    if missed is None or missed.kind is not Kind.STOP:
        return None
    return missed.at if missed.at > hub.state_since else hub.state_since + rules.stop_warning


def _guarded(hub: Hub, rules: Rules, now: datetime) -> Stop | None:
    """The stop that Azure's own shutdown stands behind. An idle stop is too near and too fleeting for that."""
    known = (scheduled_stop(hub, rules, now), _end(hub)) if rules.auto_shutdown else ()
    return min((stop for stop in known if stop is not None), key=lambda stop: stop.at, default=None)


def _end(hub: Hub) -> Stop | None:
    return None if hub.spec.expires_at is None else Stop(hub.spec.expires_at, Why.EXPIRES)


def _removed(hub: Hub, rules: Rules) -> datetime:
    found = removal(hub, rules)
    assert found is not None
    return found


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
