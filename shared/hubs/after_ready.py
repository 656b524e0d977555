"""What happens to a hub after it was ready: it stops, starts, warns and looks whether anybody works."""

from dataclasses import replace
from datetime import timedelta

from shared import log
from shared.errors import HubletError, RetryableError
from shared.hubs import agenda, budget, idle, pace, power, words
from shared.hubs.agenda import Alert, Why
from shared.hubs.goals import change_goal, operation_ended
from shared.hubs.meter import Billing
from shared.hubs.model import AutoShutdown, Hub, Idle, OperationStatus, Reason, StepName
from shared.hubs.ports import DailyShutdown, HubAccess, SshTarget
from shared.hubs.states import Goal, HubEvent
from shared.hubs.tags import tags_for
from shared.hubs.visit import Visit

SCHEDULE = "schedule"
"""The actor of what the schedule does."""

TUNNEL_USER = "hublet"
TRY_AGAIN = timedelta(minutes=1)
"""A switch that stands wrong may end a class within minutes."""

NEEDS_A_PERSON = timedelta(days=1)

_STOPS = {
    Why.SCHEDULE: "It is time to stop by the schedule.",
    Why.EXTENDED: "The extended time is over.",
    Why.IDLE: "Nobody works on the hub.",
    Why.EXPIRES: "The hub's end date has come.",
}
_ACTORS = {Why.SCHEDULE: SCHEDULE, Why.EXTENDED: SCHEDULE, Why.IDLE: "idle rule", Why.EXPIRES: "end date"}

AUTO_SHUTDOWN_OFF = "AutoShutdownNotSet"
NO_BUDGET = "BudgetSpent"
START_FAILED = "StartFailed"
DRIFTED = "Drifted"


# ------------------------------------------------------------------ stop


def stop(visit: Visit, why: Why, *, detail: str = "") -> None:
    """The hub stops by itself. The visit must end right after it (see `change_goal`)."""
    message = f"{_STOPS[why]} {detail}".strip()
    change_goal(visit, Goal.STOPPED, HubEvent.STOP, "stop", message, actor=_ACTORS[why])
    stopping(visit, str(why))


def stopping(visit: Visit, why: str) -> None:
    """What every stop forgets: what was said about the one that has come now."""
    visit.no_condition(idle.CONDITION)
    visit.steer(
        cursor=visit.now,
        keep_until=None,
        skipped_stop=None,
        stop_why=why,
        restart=False,
        tries=(),
        idle=_nobody_looked(visit.hub),
    )


def stopped(visit: Visit) -> None:
    """Deallocated was seen."""
    visit.move(HubEvent.DEALLOCATED, "The machine is deallocated: it does not bill any more, its disk and address do.")
    operation_ended(visit, OperationStatus.SUCCEEDED)
    why = visit.hub.life.stop_why
    visit.notify("stopped", f"The hub '{visit.hub.name}' is stopped {words.why(why)}.", why=why)
    log.info("hub_stopped", why=why)


# ------------------------------------------------------------------ start


async def start_by_schedule(visit: Visit) -> None:
    """The schedule's start, unless the owner's month is spent: then the start is called off, and said."""
    refusal = await budget.refusal(visit.app, visit.hub.owner)
    if refusal is not None:
        visit.steer(cursor=visit.now)
        visit.condition(NO_BUDGET, f"The scheduled start was called off. {refusal.message}")
        return
    change_goal(visit, Goal.RUNNING, HubEvent.START, "start", "It is time to start by the schedule.", actor=SCHEDULE)
    starting(visit)


def starting(visit: Visit) -> None:
    """What every start of a hub that was off begins with."""
    visit.update(deallocated_at=None)
    visit.remember(StepName.MACHINE, **{power.TROUBLE: None})
    visit.steer(cursor=visit.now, tries=(), stop_why="", idle=_nobody_looked(visit.hub), excused_s=0.0)


def restarting(visit: Visit) -> None:
    """A restart leaves the next stop where it is."""
    visit.remember(StepName.MACHINE, **{power.TROUBLE: None})
    visit.steer(restart=True, tries=(), excused_s=0.0)


def answers(visit: Visit) -> None:
    """The machine runs and the hub answers at its URL."""
    visit.bill(Billing.RUNNING)
    visit.move(HubEvent.ANSWERS, "The machine runs and JupyterHub answers at its URL.")
    operation_ended(visit, OperationStatus.SUCCEEDED)
    for condition in (START_FAILED, NO_BUDGET, DRIFTED, "StopStuck"):
        visit.no_condition(condition)
    visit.steer(tries=(), idle=_nobody_looked(visit.hub))
    visit.notify("started", f"The hub '{visit.hub.name}' is ready again.")


def start_failed(visit: Visit, reason: Reason) -> None:
    """It must not bill for nothing, and nothing of it is deleted: people's files are on its disk. To stop it is a goal,
    a generation and an operation of its own. The visit must end right after it (see `change_goal`)."""
    message = f"The start failed: {reason.message}"
    change_goal(visit, Goal.STOPPED, HubEvent.START_FAILED, "stop", message, failed=reason)
    visit.condition(START_FAILED, f"{reason.message} {reason.fix}".strip())
    stopping(visit, "start failed")
    visit.notify("start-failed", f"The hub '{visit.hub.name}' could not be started: {reason.message}")
    if reason.code == "VmNotFound":
        missing(visit)


def missing(visit: Visit) -> None:
    """The VM was deleted behind our back: shown, never made again by itself."""
    visit.update(machine=replace(visit.hub.machine, missing_since=visit.hub.machine.missing_since or visit.now))
    visit.condition(
        DRIFTED,
        "The virtual machine is no longer in Azure: somebody deleted it there. It is not made again. "
        "Delete the hub, and create it again if it is needed.",
    )


# ------------------------------------------------------------------ warn


def warn(visit: Visit, alerts: tuple[Alert, ...]) -> None:
    """Once for each deadline: it is remembered in the same transaction as the notice itself."""
    for alert in alerts:
        visit.tell("warning", alert.message)
        kind = "ending-soon" if alert.why is Why.EXPIRES else "stopping-soon"
        visit.notify(kind, alert.message, deadline=alert.deadline.isoformat(), why=str(alert.why))
    visit.steer(warned={**visit.hub.life.warned, **{alert.kind: alert.deadline for alert in alerts}})


# ------------------------------------------------------------------ activity


async def look_at_activity(visit: Visit) -> bool:
    """Asks the hub who works on it and notes the decision with its numbers. True = it stops now.

    Whatever is not a complete answer counts as activity."""
    hub, warning = visit.hub, agenda.Rules.of(visit.app.settings).idle_warning
    cause: Reason | None = None
    try:
        activity = await visit.app.hub_api.activity(await access_of(visit))
    except HubletError as error:
        activity, cause = None, Reason(code=error.code, message=error.message, fix=error.fix)
    verdict = idle.judge(hub, activity, visit.now, warning=warning)
    visit.steer(idle=verdict.idle)
    if activity is not None or verdict.idle.misses in (1, idle.MISSES_SHOWN):
        visit.tell("idle", verdict.message, cause=cause)
    if verdict.idle.misses >= idle.MISSES_SHOWN:
        said = cause.message if cause else ""
        visit.condition(idle.CONDITION, f"Nobody's activity can be read, so the hub does not stop when idle. {said}")
    elif activity is not None:
        visit.no_condition(idle.CONDITION)
    if verdict.stop:
        stop(visit, Why.IDLE, detail=verdict.message)
    return verdict.stop


async def access_of(visit: Visit) -> HubAccess:
    """How the hub's API is asked: over TLS, or through the tunnel that `lock` left open for a hub without."""
    hub, secrets = visit.hub, await visit.secrets()
    if hub.url is not None and hub.url.startswith("https://"):
        return HubAccess(url=hub.url, token=secrets.hub_token)
    tunnel = SshTarget(
        host=hub.machine.ip or hub.machine.fqdn or "",
        port=22,
        username=TUNNEL_USER,
        private_key=secrets.tunnel_private_key,
        host_public_keys=hub.host_public_keys,
    )
    return HubAccess(url=hub.url or "", token=secrets.hub_token, tunnel=tunnel)


def _nobody_looked(hub: Hub) -> Idle:
    return Idle(rule_minutes=hub.life.idle.rule_minutes)


# ------------------------------------------------------------------ Azure's own shutdown


async def set_auto_shutdown(visit: Visit, wanted: AutoShutdown) -> None:
    """A courtesy for the night in which this app is down: that it cannot be had is shown, and stops nothing."""
    line = await pace.turn(visit, "shutdown")
    if line is not None:
        visit.steer(auto_shutdown_retry_at=visit.now + timedelta(seconds=line.after_s))
        return
    hub = visit.hub
    plan = DailyShutdown(
        group=hub.group_name,
        vm_name=hub.vm_name,
        region=hub.region,
        tags=tags_for(hub, await visit.app.identity.get()),
        time=wanted.time,
        enabled=wanted.enabled,
    )
    # Owed from here on, whoever overtakes this worker: Azure may carry this write out after a newer one.
    visit.steer(auto_shutdown_retry_at=visit.now + TRY_AGAIN)
    await visit.checkpoint()
    try:
        await visit.app.shutdowns.put(plan)
    except RetryableError as error:
        log.info("auto_shutdown_put_off", code=error.code)
    except HubletError as error:
        visit.condition(AUTO_SHUTDOWN_OFF, f"Azure's own shutdown cannot be set for this machine. {error.message}")
        in_force = hub.life.auto_shutdown is not None and hub.life.auto_shutdown.enabled
        visit.steer(auto_shutdown_retry_at=visit.now + (TRY_AGAIN if in_force else NEEDS_A_PERSON))
    else:
        visit.no_condition(AUTO_SHUTDOWN_OFF)
        visit.steer(auto_shutdown=wanted, auto_shutdown_retry_at=None)


def start_took_too_long(hub: Hub) -> Reason:
    """The last trouble is the cause when there was any."""
    trouble = hub.step(StepName.MACHINE).data.get(power.TROUBLE, "")
    return Reason(
        code="StartTimedOut",
        message=f"The hub did not answer within the time a start may take. {trouble}".strip(),
        fix="Start it again later: Azure's room changes within hours.",
    )
