"""The words for what a hub does: the one place that maps states, steps and causes to what people read, in the API's
progress, in chat and in what we send."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from zoneinfo import ZoneInfo

from shared.hubs.model import Schedule, StepName
from shared.hubs.states import HubState

STATES: Mapping[HubState, str] = MappingProxyType(
    {
        HubState.ACCEPTED: "Accepted and queued",
        HubState.PROVISIONING: "Being made",
        HubState.INSTALLING: "Being installed",
        HubState.VERIFYING: "Being tried out",
        HubState.READY: "Ready",
        HubState.STOPPING: "Stopping",
        HubState.STOPPED: "Stopped",
        HubState.STARTING: "Starting",
        HubState.DELETING: "Being deleted",
        HubState.DELETED: "Deleted",
        HubState.FAILED: "Failed",
    }
)

STEPS: Mapping[StepName, str] = MappingProxyType(
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

WHYS: Mapping[str, str] = MappingProxyType(
    {
        "schedule": "by its schedule",
        "extended": "because the extended time is over",
        "idle": "because nobody works on it",
        "expires": "because its end date has come",
        "asked for": "as asked for",
        "start failed": "because it could not be started",
        "turned off outside of Hublet": "because it was turned off outside of Hublet",
        "turned on although it may not run": "because it was turned on although it may not run",
    }
)
"""Why a hub stops or has stopped (`agenda.Why`, `Life.stop_why`)."""


def why(text: str) -> str:
    """A cause nobody wrote a phrase for speaks for itself."""
    return WHYS.get(text, text)


MOVED_STOP = "moved the next stop"
CALLED_OFF = "called off the stop"
"""What an owner did about a stop, as the history tells it: after the actor's name."""

_MINUTE, _DAY = 60, 86400


def zone_of(schedule: Schedule | None) -> tuple[ZoneInfo | None, str]:
    """The zone in which an owner reads a hub's hours, and its name: the schedule's, UTC without one (and for a zone
    that this machine's database does not have any more)."""
    if schedule is not None and schedule.time_zone != "UTC":
        try:
            return ZoneInfo(schedule.time_zone), schedule.time_zone
        except (ValueError, OSError, KeyError):  # KeyError: ZoneInfoNotFoundError
            pass
    return None, "UTC"


def moment(at: datetime, schedule: Schedule | None, now: datetime) -> str:
    """A moment as an owner reads it, in the schedule's own zone: `19:00 (Europe/Berlin)` today, `Tue 3 Mar, 19:00
    (Europe/Berlin)` on another day; the year where it is another one."""
    zone, name = zone_of(schedule)
    local, today = at.astimezone(zone or UTC), now.astimezone(zone or UTC)
    where = f"({name})" if zone else name
    if local.date() == today.date():
        return f"{local:%H:%M} {where}"
    year = f" {local.year}" if local.year != today.year else ""
    return f"{local:%a} {local.day} {local:%b}{year}, {local:%H:%M} {where}"


def duration(seconds: float) -> str:
    """`less than a minute`, `6 minutes`, `2 h 30 min`, `3 days`: rounded as one says it."""
    if seconds < _MINUTE:
        return "less than a minute"
    minutes = round(seconds / _MINUTE)
    if minutes < 90:
        return "1 minute" if minutes == 1 else f"{minutes} minutes"
    if seconds < 2 * _DAY:
        hours, rest = divmod(minutes, 60)
        return f"{hours} h {rest} min" if rest else f"{hours} hours"
    return f"{round(seconds / _DAY)} days"
