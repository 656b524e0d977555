"""Changes of goal, and the operation that callers poll for each."""

from dataclasses import replace
from datetime import datetime

from shared.hubs.model import Attempt, Hub, Operation, OperationStatus, Reason
from shared.hubs.states import Goal, HubEvent, HubState
from shared.hubs.visit import Visit


def operation_of(hub: Hub, kind: str, status: OperationStatus) -> Operation:
    """The operation row of the hub's present generation. A create began when the hub was accepted."""
    return Operation(
        hub_id=hub.id,
        hub_name=hub.name,
        owner=hub.owner,
        generation=hub.generation,
        kind=kind,
        status=status,
        created_at=hub.created_at if kind == "create" else hub.state_since,
    )


def attempts_ended(hub: Hub, now: datetime, outcome: str, reason: Reason | None) -> tuple[Attempt, ...]:
    """The hub's attempts, the one under way ended so."""
    return tuple(
        replace(attempt, ended_at=now, outcome=outcome, reason=reason) if attempt.ended_at is None else attempt
        for attempt in hub.attempts
    )


def begin_deletion(visit: Visit, message: str, *, request_id: str = "") -> None:
    """Goal `deleted`, next generation; the operation that ran ends `Canceled`, a new one begins."""
    hub, now = visit.hub, visit.now
    if hub.state not in (HubState.READY, HubState.FAILED):
        visit.operations.append(replace(operation_of(hub, "create", OperationStatus.CANCELED), ended_at=now))
    visit.update(
        goal=Goal.DELETED,
        generation=hub.generation + 1,
        pass_number=1,
        operation=None,
        attempts=attempts_ended(hub, now, "canceled", None),
        updated_at=now,
        request_id=request_id or hub.request_id,
    )
    visit.move(HubEvent.DELETE, message)
    visit.operations.append(operation_of(visit.hub, "delete", OperationStatus.RUNNING))
