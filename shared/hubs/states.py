"""States of a hub, and the only moves between them, as data.

`docs/states.md` is generated from this file (`./dev docs`); a test fails when it is stale.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Goal(StrEnum):
    """What the owner wants."""

    RUNNING = "running"
    STOPPED = "stopped"
    DELETED = "deleted"


class HubState(StrEnum):
    """What is true."""

    ACCEPTED = "accepted"
    PROVISIONING = "provisioning"
    INSTALLING = "installing"
    VERIFYING = "verifying"
    READY = "ready"
    STOPPING = "stopping"
    STOPPED = "stopped"
    STARTING = "starting"
    FAILED = "failed"
    DELETING = "deleting"
    DELETED = "deleted"


class HubEvent(StrEnum):
    """What moves a hub from one state to the next."""

    BEGIN = "begin"
    MACHINE_REACHABLE = "machine-reachable"
    INSTALLED = "installed"
    VERIFIED = "verified"
    STOP = "stop"
    DEALLOCATED = "deallocated"
    START = "start"
    RESTART = "restart"
    ANSWERS = "answers"
    START_FAILED = "start-failed"
    FOUND_OFF = "found-off"
    FOUND_ON = "found-on"
    FAIL = "fail"
    RETRY = "retry"
    DELETE = "delete"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Transition:
    """The state an event leads to, and one plain sentence that says what happened."""

    to: HubState
    sentence: str


class IllegalTransition(Exception):
    """An event that the table does not list for this state: always a bug of ours."""

    def __init__(self, state: HubState, event: HubEvent) -> None:
        super().__init__(f"a hub that is {state} cannot {event}")


_S, _E = HubState, HubEvent

_STOP = "The owner, the schedule, the idle rule or the end date asked for a stop; the machine is being deallocated."
_START = "The owner or the schedule asked for a start; the machine is being started."
_FAIL = "A step failed for good or ran past its deadline; the cause is in `reason`."
_DELETE = "The owner (or an expired keep time) asked for the hub to be deleted; this wins over everything."

TRANSITIONS: Mapping[tuple[HubState, HubEvent], Transition] = {
    (_S.ACCEPTED, _E.BEGIN): Transition(_S.PROVISIONING, "A worker picked the hub up and makes its Azure resources."),
    (_S.PROVISIONING, _E.MACHINE_REACHABLE): Transition(
        _S.INSTALLING, "SSH answered with the host key we made; the installer is being followed."
    ),
    (_S.INSTALLING, _E.INSTALLED): Transition(
        _S.VERIFYING, "TLJH is installed and configured; the hub is being exposed and tried out."
    ),
    (_S.VERIFYING, _E.VERIFIED): Transition(
        _S.READY, "A real login, a real server and a real notebook worked, and the machine was locked down."
    ),
    (_S.READY, _E.STOP): Transition(_S.STOPPING, _STOP),
    (_S.STARTING, _E.STOP): Transition(_S.STOPPING, _STOP),
    (_S.STOPPED, _E.STOP): Transition(_S.STOPPING, "The machine was found billing although it should be off."),
    (_S.STOPPING, _E.DEALLOCATED): Transition(
        _S.STOPPED, "Azure shows the machine as deallocated: only disk and IP cost."
    ),
    (_S.STOPPED, _E.START): Transition(_S.STARTING, _START),
    (_S.STOPPING, _E.START): Transition(_S.STARTING, _START),
    (_S.READY, _E.RESTART): Transition(_S.STARTING, "The owner asked for a restart; people's files stay."),
    (_S.STARTING, _E.ANSWERS): Transition(_S.READY, "The machine runs and JupyterHub answers at its URL."),
    (_S.STARTING, _E.START_FAILED): Transition(
        _S.STOPPING, "The machine could not be started in time; it is deallocated, its disk stays."
    ),
    (_S.READY, _E.FOUND_OFF): Transition(
        _S.STOPPING, "Somebody or something outside of Hublet turned the machine off."
    ),
    (_S.STOPPED, _E.FOUND_ON): Transition(_S.STARTING, "Somebody outside of Hublet turned the machine on."),
    (_S.FAILED, _E.RETRY): Transition(_S.PROVISIONING, "The owner asked for another attempt, from an empty start."),
    (_S.ACCEPTED, _E.FAIL): Transition(_S.FAILED, _FAIL),
    (_S.PROVISIONING, _E.FAIL): Transition(_S.FAILED, _FAIL),
    (_S.INSTALLING, _E.FAIL): Transition(_S.FAILED, _FAIL),
    (_S.VERIFYING, _E.FAIL): Transition(_S.FAILED, _FAIL),
    (_S.ACCEPTED, _E.DELETE): Transition(_S.DELETING, _DELETE),
    (_S.PROVISIONING, _E.DELETE): Transition(_S.DELETING, _DELETE),
    (_S.INSTALLING, _E.DELETE): Transition(_S.DELETING, _DELETE),
    (_S.VERIFYING, _E.DELETE): Transition(_S.DELETING, _DELETE),
    (_S.READY, _E.DELETE): Transition(_S.DELETING, _DELETE),
    (_S.STOPPING, _E.DELETE): Transition(_S.DELETING, _DELETE),
    (_S.STOPPED, _E.DELETE): Transition(_S.DELETING, _DELETE),
    (_S.STARTING, _E.DELETE): Transition(_S.DELETING, _DELETE),
    (_S.FAILED, _E.DELETE): Transition(_S.DELETING, _DELETE),
    (_S.DELETING, _E.GONE): Transition(_S.DELETED, "An empty list of the hub's Azure resources was seen."),
}

STABLE: frozenset[HubState] = frozenset({HubState.READY, HubState.STOPPED, HubState.FAILED, HubState.DELETED})
"""States with no operation under way."""

CREATING: frozenset[HubState] = frozenset(
    {HubState.ACCEPTED, HubState.PROVISIONING, HubState.INSTALLING, HubState.VERIFYING}
)
"""States before the first `ready` (or of another attempt at it)."""


def next_state(state: HubState, event: HubEvent) -> HubState:
    """The state after `event`. Raises IllegalTransition when the table has no such row."""
    try:
        return TRANSITIONS[(state, event)].to
    except KeyError:
        raise IllegalTransition(state, event) from None
