"""A hub as callers see it (API.md, "A hub"). No secret ever appears here."""

from datetime import datetime
from typing import TypedDict

from shared.api.progress import Progress, Stage, progress_of, rfc3339, stages_of
from shared.api.ssh_access import SshAccessView
from shared.hubs.model import Event, Hub, Price, Principal, Reason, Schedule

HOURS_A_MONTH = 730
"""Azure's own pages reckon a month so (https://azure.microsoft.com/pricing/calculator/)."""


class ReasonView(TypedDict):
    code: str
    message: str
    fix: str


class AttemptView(TypedDict):
    number: int
    region: str
    size: str
    outcome: str
    reason: ReasonView | None
    startedAt: str
    endedAt: str | None


class CostView(TypedDict):
    """Retail prices, before any discount. null as a whole when the price list does not say."""

    currency: str
    soFar: float
    perHourNow: float
    perMonthStopped: float
    asOf: str


class ScheduleView(TypedDict):
    timeZone: str
    stop: str | None
    start: str | None
    days: list[str]


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
    name: str
    owner: str
    id: str
    state: str
    goal: str
    reason: ReasonView | None
    generation: int
    size: str
    region: str
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
    nextStop: None
    nextStart: None
    schedule: ScheduleView | None
    idleMinutes: int | None
    expiresAt: str | None
    cost: CostView | None
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


def hub_view(hub: Hub, principal: Principal, now: datetime, api: str, ssh: SshAccessView) -> HubView:
    """`api`: absolute address of `/api`. `nextStop` and `nextStart` stay null until schedules are enforced."""
    address = f"{api}/hubs/{reference(hub, principal)}"
    return HubView(
        name=hub.name,
        owner=hub.owner,
        id=hub.id,
        state=str(hub.state),
        goal=str(hub.goal),
        reason=reason_view(hub.reason),
        generation=hub.generation,
        size=hub.spec.size,
        region=hub.spec.region,
        image=hub.spec.image,
        attempts=[
            AttemptView(
                number=attempt.number,
                region=attempt.region,
                size=attempt.size,
                outcome=attempt.outcome,
                reason=reason_view(attempt.reason),
                startedAt=rfc3339(attempt.started_at),
                endedAt=_time(attempt.ended_at),
            )
            for attempt in hub.attempts
        ],
        fqdn=hub.machine.fqdn,
        ip=hub.machine.ip,
        url=hub.url,
        sshCommand=ssh.command,
        knownHosts=ssh.known_hosts,
        adminUser=hub.spec.admin_user,
        progress=progress_of(hub, now),
        stages=stages_of(hub, now),
        nextStop=None,
        nextStart=None,
        schedule=_schedule(hub.spec.schedule),
        idleMinutes=hub.spec.idle_minutes,
        expiresAt=_time(hub.spec.expires_at),
        cost=cost_view(hub, now),
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


def cost_view(hub: Hub, now: datetime) -> CostView | None:
    """From the price stored with the hub and how long its machine has been there."""
    price = hub.price
    if price is None:
        return None
    since = hub.attempts[0].started_at if hub.attempts else None
    return CostView(
        currency="USD",
        soFar=round(_so_far(hub, price, since, now), 4),
        perHourNow=round(_per_hour_now(hub, price, since), 4),
        perMonthStopped=round(price.per_hour_stopped * HOURS_A_MONTH, 2),
        asOf=rfc3339(price.as_of),
    )


def _so_far(hub: Hub, price: Price, since: datetime | None, now: datetime) -> float:
    if since is None:
        return 0.0
    stopped_at = hub.deallocated_at or now
    running_h = max(0.0, (stopped_at - since).total_seconds() / 3600)
    stopped_h = max(0.0, (now - stopped_at).total_seconds() / 3600)
    return running_h * price.per_hour_running + stopped_h * price.per_hour_stopped


def _per_hour_now(hub: Hub, price: Price, since: datetime | None) -> float:
    if since is None or hub.state == "deleted":
        return 0.0
    return price.per_hour_stopped if hub.deallocated_at else price.per_hour_running


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


def _schedule(schedule: Schedule | None) -> ScheduleView | None:
    if schedule is None:
        return None
    return ScheduleView(timeZone=schedule.time_zone, stop=schedule.stop, start=schedule.start, days=list(schedule.days))


def _time(moment: datetime | None) -> str | None:
    return rfc3339(moment) if moment else None
