"""Changes of goal, and the operation that callers poll for each."""

from dataclasses import replace
from datetime import datetime

from shared.hubs.model import Attempt, Hub, Operation, OperationStatus, Reason
from shared.hubs.states import STABLE, Goal, HubEvent
from shared.hubs.visit import Visit


def operation_of(hub: Hub, status: OperationStatus, *, error: Reason | None = None) -> Operation:
    """The operation row of the hub's present generation. A create began when the hub was accepted."""
    return Operation(
        hub_id=hub.id,
        hub_name=hub.name,
        owner=hub.owner,
        generation=hub.generation,
        kind=hub.operation_kind,
        status=status,
        created_at=hub.goal_since or hub.created_at,
        error=error,
    )


def operation_ended(visit: Visit, status: OperationStatus, *, error: Reason | None = None) -> None:
    """The operation of the hub's present generation is over."""
    visit.operations.append(replace(operation_of(visit.hub, status, error=error), ended_at=visit.now))


def attempts_ended(hub: Hub, now: datetime, outcome: str, reason: Reason | None) -> tuple[Attempt, ...]:
    """The hub's attempts, the one under way ended so."""
    return tuple(
        replace(attempt, ended_at=now, outcome=outcome, reason=reason) if attempt.ended_at is None else attempt
        for attempt in hub.attempts
    )


def change_goal(
    visit: Visit,
    goal: Goal,
    event: HubEvent,
    kind: str,
    message: str,
    *,
    actor: str | None = None,
    request_id: str = "",
    failed: Reason | None = None,
) -> None:
    """The next generation: from here on messages of the last one cause nothing. The operation that ran ends
    `Canceled` (or `Failed`, where it is its failure that changes the goal), a new one of this `kind` begins.

    A worker's visit must end right after it, so that the new generation's message and due row are there before its
    row is saved. Raises IllegalTransition.
    """
    hub = visit.hub
    if failed is not None:
        operation_ended(visit, OperationStatus.FAILED, error=failed)
    elif hub.state not in STABLE:
        newer = Reason(code="Superseded", message=f"A newer request ({kind}) took its place.")
        operation_ended(visit, OperationStatus.CANCELED, error=newer)
    visit.update(
        goal=goal,
        generation=hub.generation + 1,
        pass_number=1,
        operation=None,
        operation_kind=kind,
        goal_since=visit.now,
        request_id=request_id or hub.request_id,
    )
    visit.move(event, message, cause=failed, actor=actor)
    visit.operations.append(operation_of(visit.hub, OperationStatus.RUNNING))


def begin_deletion(visit: Visit, message: str, *, request_id: str = "") -> None:
    """Goal `deleted`: in every state, and nothing changes it any more."""
    visit.update(attempts=attempts_ended(visit.hub, visit.now, "canceled", None))
    change_goal(visit, Goal.DELETED, HubEvent.DELETE, "delete", message, request_id=request_id)
