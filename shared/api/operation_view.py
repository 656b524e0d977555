"""An operation as callers see it: the thin monitor, filled with the hub's progress while the hub is there."""

from datetime import datetime
from typing import TypedDict

from shared.api.hub_view import AttemptView, ReasonView, attempts_view, reason_view, reference
from shared.api.progress import Stage, look_again_s, progress_of, rfc3339, stages_of
from shared.hubs.model import Hub, Operation, OperationStatus, Principal

ENDED = frozenset({OperationStatus.SUCCEEDED, OperationStatus.FAILED, OperationStatus.CANCELED})


POWER = frozenset({"stop", "start", "restart"})
"""Kinds of operations that have no stages: the machine goes off or on, and that is all."""


class OperationView(TypedDict):
    """`kind`: `create`, `delete`, `stop`, `start`, `restart` or `retry`. `attempts` of a start: sizes Azure
    refused; of a create: every try, in order."""

    id: str
    kind: str
    status: str
    resource: str
    stage: str | None
    stages: list[Stage]
    percent: int
    etaSeconds: int | None
    attempts: list[AttemptView]
    error: ReasonView | None
    createdAt: str
    endedAt: str | None


def operation_view(
    operation: Operation, hub: Hub | None, principal: Principal, now: datetime, api: str
) -> OperationView:
    """A newer generation of the hub is another operation's business: then only what was recorded is shown."""
    current = hub if hub is not None and hub.generation == operation.generation else None
    name = reference(hub, principal) if hub else operation.hub_name
    view = OperationView(
        id=operation.id,
        kind=operation.kind,
        status=str(operation.status),
        resource=f"{api}/hubs/{name}",
        stage=None,
        stages=[],
        percent=100 if operation.status is OperationStatus.SUCCEEDED else 0,
        etaSeconds=0 if operation.status in ENDED else None,
        attempts=[],
        error=reason_view(operation.error),
        createdAt=rfc3339(operation.created_at),
        endedAt=rfc3339(operation.ended_at) if operation.ended_at else None,
    )
    if current is None:
        return view
    running = operation.status not in ENDED
    progress = progress_of(current, now)
    if operation.kind in POWER:
        if running:
            view["percent"], view["etaSeconds"] = progress["percent"], progress["etaSeconds"]
            view["attempts"] = _refusals(current)
        if running or operation.status is OperationStatus.SUCCEEDED:  # after one that failed, the hub goes its own way
            view["stage"] = progress["stage"]
        return view
    view["stage"], view["stages"], view["attempts"] = progress["stage"], stages_of(current, now), attempts_view(current)
    if running:
        view["percent"], view["etaSeconds"] = progress["percent"], progress["etaSeconds"]
    elif operation.status is not OperationStatus.SUCCEEDED:
        view["percent"] = progress["percent"]
    return view


def _refusals(hub: Hub) -> list[AttemptView]:
    """Sizes that Azure had no room for at the start under way."""
    return [
        AttemptView(
            number=number,
            region=hub.region,
            size=refused.size,
            zone=hub.zone,
            outcome="refused",
            reason=reason_view(refused.reason),
            startedAt=rfc3339(refused.at),
            endedAt=rfc3339(refused.at),
        )
        for number, refused in enumerate(hub.life.tries, 1)
    ]


def pause_s(operation: Operation, hub: Hub | None) -> float | None:
    """Seconds until a look is worth it; None when the operation has ended."""
    if operation.status in ENDED:
        return None
    return look_again_s(hub) if hub else 5
