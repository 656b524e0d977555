"""How far a hub is: stages, percent, seconds left, the pause before the next look. Pure; an estimate, no promise."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NotRequired, TypedDict

from shared.hubs.model import PROVISION, Hub, StepName
from shared.hubs.states import Goal, HubState

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

_SAYS: Mapping[StepName, str] = MappingProxyType(
    {
        StepName.GROUP: "Making the resource group",
        StepName.NETWORK: "Making the network and its firewall",
        StepName.MACHINE: "Making the virtual machine",
        StepName.ADDRESS: "Reading the public address",
        StepName.BOOT: "Waiting for the machine to answer with its expected host key",
        StepName.INSTALL: "Installing TLJH",
        StepName.CONFIGURE: "Configuring TLJH and installing packages",
        StepName.EXPOSE: "Opening the web ports",
        StepName.HTTPS: "Getting a certificate",
        StepName.ACCEPT: "Trying it out: a real login, a real server, a real notebook",
        StepName.LOCK: "Locking the machine down",
    }
)


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
        left = max(5.0, DELETE_TYPICAL_S - (now - hub.state_since).total_seconds())
        message = "Everything of it is gone." if gone else "Removing everything it has in Azure"
        return Progress(
            stage="deleted" if gone else "deleting",
            percent=100 if gone else 0,
            etaSeconds=0 if gone else round(left),
            message=message,
        )
    if hub.state is HubState.READY:
        return Progress(stage="ready", percent=100, etaSeconds=0, message="Ready: a real notebook ran on it.")
    step = hub.next_step or PROVISION[-1]
    done_s = sum(TYPICAL_S[name] * _part(hub, name, now) for name in PROVISION)
    percent = min(99, int(100 * done_s / _ALL_S))
    if hub.state is HubState.FAILED:
        said = hub.reason.message if hub.reason else "It failed."
        return Progress(stage=str(step), percent=percent, etaSeconds=None, message=said)
    message = _SAYS[step]
    if step is StepName.INSTALL and hub.install.message:
        message = f"{message}: {hub.install.message}"
    if hub.state is HubState.ACCEPTED:
        return Progress(stage="accepted", percent=0, etaSeconds=round(_ALL_S), message="Accepted and queued")
    return Progress(stage=str(step), percent=percent, etaSeconds=round(max(1.0, _ALL_S - done_s)), message=message)


def stages_of(hub: Hub, now: datetime) -> list[Stage]:
    """Every step in order, with what is known of it."""
    stages = []
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
    if hub.state in (HubState.READY, HubState.FAILED, HubState.DELETED):
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
