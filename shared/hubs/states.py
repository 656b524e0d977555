"""States of a hub, and the only moves between them, as data.

`docs/states.md` is generated from this file (`./dev docs`); a test fails when it is stale.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Goal(StrEnum):
    """What the owner wants."""

    RUNNING = "running"
    DELETED = "deleted"


class HubState(StrEnum):
    """What is true."""

    ACCEPTED = "accepted"
    PROVISIONING = "provisioning"
    INSTALLING = "installing"
    VERIFYING = "verifying"
    READY = "ready"
    FAILED = "failed"
    DELETING = "deleting"
    DELETED = "deleted"


class HubEvent(StrEnum):
    """What moves a hub from one state to the next."""

    BEGIN = "begin"
    MACHINE_REACHABLE = "machine-reachable"
    INSTALLED = "installed"
    VERIFIED = "verified"
    FAIL = "fail"
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
    (_S.ACCEPTED, _E.FAIL): Transition(_S.FAILED, _FAIL),
    (_S.PROVISIONING, _E.FAIL): Transition(_S.FAILED, _FAIL),
    (_S.INSTALLING, _E.FAIL): Transition(_S.FAILED, _FAIL),
    (_S.VERIFYING, _E.FAIL): Transition(_S.FAILED, _FAIL),
    (_S.ACCEPTED, _E.DELETE): Transition(_S.DELETING, _DELETE),
    (_S.PROVISIONING, _E.DELETE): Transition(_S.DELETING, _DELETE),
    (_S.INSTALLING, _E.DELETE): Transition(_S.DELETING, _DELETE),
    (_S.VERIFYING, _E.DELETE): Transition(_S.DELETING, _DELETE),
    (_S.READY, _E.DELETE): Transition(_S.DELETING, _DELETE),
    (_S.FAILED, _E.DELETE): Transition(_S.DELETING, _DELETE),
    (_S.DELETING, _E.GONE): Transition(_S.DELETED, "An empty list of the hub's Azure resources was seen."),
}

STABLE: frozenset[HubState] = frozenset({HubState.READY, HubState.FAILED, HubState.DELETED})


def next_state(state: HubState, event: HubEvent) -> HubState:
    """The state after `event`. Raises IllegalTransition when the table has no such row."""
    try:
        return TRANSITIONS[(state, event)].to
    except KeyError:
        raise IllegalTransition(state, event) from None
