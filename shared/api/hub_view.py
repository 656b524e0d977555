"""A hub as callers see it (API.md, "A hub"). No secret ever appears here."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

from shared.api import cost_view
from shared.api.progress import Progress, Stage, progress_of, rfc3339, stages_of
from shared.api.ssh_access import SshAccessView
from shared.hubs import agenda
from shared.hubs.agenda import Rules, Stop
from shared.hubs.model import Event, Hub, Principal, Reason, Schedule
from shared.hubs.states import HubState


class ReasonView(TypedDict):
    code: str
    message: str
    fix: str


class AttemptView(TypedDict):
    number: int
    region: str
    size: str
    zone: str | None
    outcome: str
    reason: ReasonView | None
    startedAt: str
    endedAt: str | None


class NextStop(TypedDict):
    """`why`: `schedule`, `extended`, `idle` or `expires`."""

    at: str
    why: str


class BlockView(TypedDict):
    days: list[str]
    start: str | None
    stop: str | None


class ScheduleView(TypedDict):
    """In the form it was sent: one block in short (`stop`, `start`, `days`), or `blocks`."""

    timeZone: str
    stop: str | None
    start: str | None
    days: list[str]
    blocks: list[BlockView]
    until: str | None
    skip: list[str]


class AcceptanceView(TypedDict):
    passedAt: str
    seconds: float
    method: str


class SshView(TypedDict):
    port22: str
    closedProvenAt: str | None


class ConditionView(TypedDict):
    type: str
    message: str
    since: str


class HubLinks(TypedDict):
    self: str
    events: str
    log: str
    operation: str


class HubView(TypedDict):
    """`size`, `region`, `zone` (null = Azure chose): what the machine has now; `requestedSize`, `requestedRegion`: what
    was asked for. `stopReason`: what the hub stopped for."""

    name: str
    owner: str
    id: str
    state: str
    goal: str
    reason: ReasonView | None
    stopReason: str | None
    generation: int
    size: str
    requestedSize: str
    region: str
    requestedRegion: str
    zone: str | None
    image: str
    attempts: list[AttemptView]
    fqdn: str | None
    ip: str | None
    url: str | None
    sshCommand: str | None
    knownHosts: str | None
    adminUser: str
    progress: Progress
    stages: list[Stage]
    nextStop: NextStop | None
    nextStart: str | None
    schedule: ScheduleView | None
    idleMinutes: int | None
    expiresAt: str | None
    cost: cost_view.Cost | None
    acceptance: AcceptanceView | None
    ssh: SshView
    conditions: list[ConditionView]
    tags: dict[str, str]
    createdAt: str
    updatedAt: str
    readyAt: str | None
    links: HubLinks


EventView = TypedDict(
    "EventView",
    {
        "seq": int,
        "at": str,
        "actor": str,
        "kind": str,
        "message": str,
        "from": str | None,
        "to": str | None,
        "step": str | None,
        "cause": ReasonView | None,
    },
)


def reference(hub: Hub, principal: Principal) -> str:
    """What the caller may put into a path: the name of an own hub, the id of somebody else's."""
    return hub.name if hub.owner == principal.owner else hub.id


@dataclass(frozen=True, slots=True)
class Ahead:
    """What comes next by itself."""

    stop: Stop | None = None
    start: datetime | None = None


NOTHING_AHEAD = Ahead()


def ahead_of(hub: Hub, rules: Rules, now: datetime) -> Ahead:
    """The next stop of a hub that runs, the next start of one that is off."""
    if hub.state is HubState.READY:
        return Ahead(stop=agenda.next_stop(hub, rules, now))
    if hub.state in (HubState.STOPPING, HubState.STOPPED) and hub.machine.missing_since is None:
        return Ahead(start=agenda.next_start(hub, now))
    return NOTHING_AHEAD


def hub_view(
    hub: Hub, principal: Principal, now: datetime, api: str, ssh: SshAccessView, ahead: Ahead = NOTHING_AHEAD
) -> HubView:
    """`api`: absolute address of `/api`. `ssh` and `ahead` are found by those who may ask others."""
    address = f"{api}/hubs/{reference(hub, principal)}"
    return HubView(
        name=hub.name,
        owner=hub.owner,
        id=hub.id,
        state=str(hub.state),
        goal=str(hub.goal),
        reason=reason_view(hub.reason),
        stopReason=hub.life.stop_why or None,
        generation=hub.generation,
        size=hub.size,
        requestedSize=hub.spec.size,
        region=hub.region,
        requestedRegion=hub.spec.region,
        zone=hub.zone,
        image=hub.spec.image,
        attempts=attempts_view(hub),
        fqdn=hub.machine.fqdn,
        ip=hub.machine.ip,
        url=hub.url,
        sshCommand=ssh.command,
        knownHosts=ssh.known_hosts,
        adminUser=hub.spec.admin_user,
        progress=progress_of(hub, now),
        stages=stages_of(hub, now),
        nextStop=NextStop(at=rfc3339(ahead.stop.at), why=str(ahead.stop.why)) if ahead.stop else None,
        nextStart=_time(ahead.start),
        schedule=schedule_view(hub.spec.schedule),
        idleMinutes=hub.spec.idle_minutes,
        expiresAt=_time(hub.spec.expires_at),
        cost=cost_view.hub_cost(hub, now),
        acceptance=AcceptanceView(
            passedAt=rfc3339(hub.acceptance.passed_at),
            seconds=round(hub.acceptance.seconds, 1),
            method=hub.acceptance.method,
        )
        if hub.acceptance
        else None,
        ssh=SshView(port22=hub.ssh.port22, closedProvenAt=_time(hub.ssh.closed_proven_at)),
        conditions=[ConditionView(type=c.type, message=c.message, since=rfc3339(c.since)) for c in hub.conditions],
        tags=dict(hub.spec.tags),
        createdAt=rfc3339(hub.created_at),
        updatedAt=rfc3339(hub.updated_at),
        readyAt=_time(hub.ready_at),
        links=HubLinks(
            self=address,
            events=f"{address}/events",
            log=f"{address}/log",
            operation=f"{api}/operations/{hub.operation_id}",
        ),
    )


def attempts_view(hub: Hub) -> list[AttemptView]:
    return [
        AttemptView(
            number=attempt.number,
            region=attempt.region,
            size=attempt.size,
            zone=attempt.zone,
            outcome=attempt.outcome,
            reason=reason_view(attempt.reason),
            startedAt=rfc3339(attempt.started_at),
            endedAt=_time(attempt.ended_at),
        )
        for attempt in hub.attempts
    ]


def event_view(event: Event) -> EventView:
    return {
        "seq": event.seq,
        "at": rfc3339(event.at),
        "actor": event.actor,
        "kind": event.kind,
        "message": event.message,
        "from": event.from_state,
        "to": event.to_state,
        "step": event.step,
        "cause": reason_view(event.cause),
    }


def reason_view(reason: Reason | None) -> ReasonView | None:
    return ReasonView(code=reason.code, message=reason.message, fix=reason.fix) if reason else None


def schedule_view(schedule: Schedule | None) -> ScheduleView | None:
    if schedule is None:
        return None
    return ScheduleView(
        timeZone=schedule.time_zone,
        stop=schedule.stop,
        start=schedule.start,
        days=list(schedule.days),
        blocks=[BlockView(days=list(block.days), start=block.start, stop=block.stop) for block in schedule.blocks],
        until=schedule.until.isoformat() if schedule.until else None,
        skip=[day.isoformat() for day in schedule.skip],
    )


def _time(moment: datetime | None) -> str | None:
    return rfc3339(moment) if moment else None
