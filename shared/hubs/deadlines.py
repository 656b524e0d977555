"""How long each step and each passing state may take, and what is said when it took longer. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.hubs.model import Hub, Reason, StepName
from shared.hubs.states import HubState


@dataclass(frozen=True, slots=True)
class Deadline:
    """How long a step or a state may take in all, and where the number comes from."""

    limit: timedelta
    because: str


DEADLINES: Mapping[StepName, Deadline] = {
    StepName.GROUP: Deadline(timedelta(minutes=10), "made in a second; a name in deletion blocks up to 8 min"),
    StepName.NETWORK: Deadline(timedelta(minutes=15), "NSG and VNet take seconds; throttling may stretch it"),
    StepName.MACHINE: Deadline(timedelta(minutes=45), "Azure itself gives up after 40 min (OSProvisioningTimedOut)"),
    StepName.ADDRESS: Deadline(timedelta(minutes=10), "a static address is there at the first read"),
    StepName.BOOT: Deadline(timedelta(minutes=15), "sshd answers 20-40 s after the VM runs; cloud-init may be slow"),
    StepName.INSTALL: Deadline(timedelta(minutes=70), "installer limit 25 min, twice (one retry), and waiting"),
    StepName.CONFIGURE: Deadline(timedelta(minutes=30), "apt and pip packages of the request are installed here"),
    StepName.EXPOSE: Deadline(timedelta(minutes=15), "one NSG update"),
    StepName.HTTPS: Deadline(timedelta(minutes=20), "the step itself falls back to a named condition after 10 min"),
    StepName.ACCEPT: Deadline(timedelta(minutes=15), "a first server start can take over a minute"),
    StepName.LOCK: Deadline(timedelta(minutes=15), "one NSG update and a probe"),
}


STATE_LIMITS: Mapping[HubState, Deadline] = {
    HubState.ACCEPTED: Deadline(
        timedelta(minutes=15), "begun within seconds, and within minutes when its message is lost; then an alert"
    ),
    HubState.STOPPING: Deadline(
        timedelta(hours=1),
        "a deallocation takes 20-60 s and is asked for again after 10 min; it may bill, so it is tried on: "
        "condition `StopStuck`, notice, alert",
    ),
    HubState.STARTING: Deadline(
        timedelta(minutes=30), "20-40 s, and the wait until Azure has room; then it is stopped: condition `StartFailed`"
    ),
    HubState.DELETING: Deadline(
        timedelta(hours=2),
        "a group with a machine is gone in 2-10 min; Azure's own give-up (ResourceGroupDeletionTimeout) is asked again "
        "and again; it is tried on: condition `DeletionStuck`, notice, alert",
    ),
}
"""How long the other states may last that are not stable. The creating ones end with their steps' deadlines."""


def overdue(hub: Hub, step: StepName, now: datetime) -> bool:
    """Whether the step is past its deadline. Asked after the step had its look: an outage of ours must not fail a hub
    whose installer finished meanwhile."""
    record = hub.step(step)
    started = record.started_at
    return started is not None and now > started + DEADLINES[step].limit + excuse(hub, record.excused_s, started, now)


def excuse(hub: Hub, excused_s: float, since: datetime, now: datetime) -> timedelta:
    """For how much of the time since `since` Azure could not be asked: what is over of it, and what goes on."""
    waits = timedelta() if hub.blocked_since is None else max(timedelta(), now - max(since, hub.blocked_since))
    return timedelta(seconds=excused_s) + waits


def deadline_passed(step: StepName, last_error: Reason | None) -> Reason:
    minutes = int(DEADLINES[step].limit.total_seconds() // 60)
    said = f" The last answer was: {last_error.message}" if last_error else ""
    return Reason(
        code="DeadlinePassed",
        message=f"The step '{step}' did not finish within {minutes} minutes.{said}",
        fix="Delete the hub and create it again; if it happens again, send the hub id to whoever runs this service.",
    )
