"""How far a hub is: stages, percent, seconds left, the pause before the next look. Pure; an estimate, no promise."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import NotRequired, TypedDict

from shared.hubs import words
from shared.hubs.model import PROVISION, Hub, StepName
from shared.hubs.states import STABLE, Goal, HubState

TYPICAL_S: Mapping[StepName, float] = MappingProxyType(
    {
        # Medians of public create logs for the Azure part; the installer takes 5 to 10 minutes by TLJH's own guide
        # (https://tljh.jupyter.org/en/latest/install/azure.html).
        StepName.GROUP: 2,
        StepName.NETWORK: 10,
        StepName.MACHINE: 55,
        StepName.ADDRESS: 2,
        StepName.BOOT: 40,
        StepName.INSTALL: 330,
        StepName.CONFIGURE: 45,
        StepName.EXPOSE: 10,
        StepName.HTTPS: 40,
        StepName.ACCEPT: 45,
        StepName.LOCK: 25,
    }
)
_ALL_S = sum(TYPICAL_S.values())
DELETE_TYPICAL_S = 240.0
STOP_TYPICAL_S = 40.0
START_TYPICAL_S = 60.0
LEAST_LEFT_S = 5.0
"""What takes longer than usual is still said to take this long."""


class Progress(TypedDict):
    stage: str
    percent: int
    etaSeconds: int | None
    message: str


class Stage(TypedDict):
    name: str
    status: str
    percent: int
    tries: int
    startedAt: str | None
    finishedAt: str | None
    lastError: NotRequired[dict[str, str] | None]


def progress_of(hub: Hub, now: datetime) -> Progress:
    """The stage the hub is in now."""
    if hub.goal is Goal.DELETED:
        gone = hub.state is HubState.DELETED
        left = max(LEAST_LEFT_S, DELETE_TYPICAL_S - (now - hub.state_since).total_seconds())
        message = "Everything of it is gone." if gone else "Removing everything it has in Azure"
        return Progress(
            stage="deleted" if gone else "deleting",
            percent=100 if gone else 0,
            etaSeconds=0 if gone else round(left),
            message=message,
        )
    match hub.state:
        case HubState.READY:
            made = hub.operation_kind in ("create", "retry")
            said = "a real notebook ran on it" if made else "JupyterHub answers at its URL"
            return Progress(stage="ready", percent=100, etaSeconds=0, message=f"Ready: {said}.")
        case HubState.STOPPED:
            said = "Stopped: only its disk and its address cost. People's files are kept."
            return Progress(stage="stopped", percent=100, etaSeconds=0, message=said)
        case HubState.STOPPING:
            return _power(hub, now, STOP_TYPICAL_S, "Deallocating the machine, so that it does not bill")
        case HubState.STARTING:
            return _power(hub, now, START_TYPICAL_S, _starting(hub))
    if hub.life.clearing:
        left = max(LEAST_LEFT_S, DELETE_TYPICAL_S - (now - hub.state_since).total_seconds()) + _ALL_S
        message = "Removing what the last attempt left in Azure"
        return Progress(stage="clearing", percent=0, etaSeconds=round(left), message=message)
    step = hub.next_step or PROVISION[-1]
    done_s = sum(TYPICAL_S[name] * _part(hub, name, now) for name in PROVISION)
    percent = min(99, int(100 * done_s / _ALL_S))
    if hub.state is HubState.FAILED:
        said = hub.reason.message if hub.reason else "It failed."
        return Progress(stage=str(step), percent=percent, etaSeconds=None, message=said)
    message = words.STEPS[step]
    if step is StepName.INSTALL and hub.install.message:
        message = f"{message}: {hub.install.message}"
    if hub.state is HubState.ACCEPTED:
        return Progress(stage="accepted", percent=0, etaSeconds=round(_ALL_S), message=words.STATES[hub.state])
    return Progress(stage=str(step), percent=percent, etaSeconds=round(max(1.0, _ALL_S - done_s)), message=message)


def _power(hub: Hub, now: datetime, typical_s: float, message: str) -> Progress:
    """Time alone tells: Azure says nothing between the request and its end."""
    elapsed = max(0.0, (now - hub.state_since).total_seconds())
    return Progress(
        stage=str(hub.state),
        percent=int(100 * min(0.9, elapsed / typical_s)),
        etaSeconds=round(max(LEAST_LEFT_S, typical_s - elapsed)),
        message=message,
    )


def _starting(hub: Hub) -> str:
    if hub.life.tries:
        return f"Azure has no room for {hub.life.tries[-1].size} at the moment; trying on"
    if hub.operation_kind == "restart":
        return "Restarting the machine"
    return "Starting the machine, then JupyterHub on it"


def stages_of(hub: Hub, now: datetime) -> list[Stage]:
    """Every step in order, with what is known of it. What the last attempt did is over while it is cleared away."""
    stages = []
    hub = replace(hub, steps={}) if hub.life.clearing else hub
    for name in PROVISION:
        record = hub.step(name)
        error = record.last_error
        stages.append(
            Stage(
                name=str(name),
                status=_status(hub, name),
                percent=int(100 * _part(hub, name, now)),
                tries=record.tries,
                startedAt=_time(record.started_at),
                finishedAt=_time(record.finished_at),
                lastError={"code": error.code, "message": error.message, "fix": error.fix} if error else None,
            )
        )
    return stages


def look_again_s(hub: Hub) -> float:
    """Seconds after which a caller that polls should look again, by the stage."""
    if hub.state in STABLE:
        return 30
    if hub.goal is Goal.RUNNING and hub.next_step is StepName.INSTALL:
        return 15
    return 2 if hub.state is HubState.ACCEPTED else 5


def _part(hub: Hub, name: StepName, now: datetime) -> float:
    """How much of a step is done, 0 to 1. Without a better measure time tells, but never that it is over."""
    record = hub.step(name)
    if record.done:
        return 1.0
    if record.started_at is None:
        return 0.0
    if name is StepName.INSTALL and hub.install.percent:
        return min(hub.install.percent, 99) / 100
    elapsed = max(0.0, (now - record.started_at).total_seconds())
    return min(0.9, elapsed / TYPICAL_S[name])


def _status(hub: Hub, name: StepName) -> str:
    record = hub.step(name)
    if record.done:
        return "done"
    if record.started_at is None:
        return "waiting"
    return "failed" if hub.state is HubState.FAILED else "running"


def _time(moment: datetime | None) -> str | None:
    return rfc3339(moment) if moment else None


def rfc3339(moment: datetime) -> str:
    """UTC with `Z`, milliseconds at most."""
    text = moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")
    return text.replace("+00:00", "Z")
