"""A change of goal: the next generation, the operation that ends and the one that begins."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from shared.app import App
from shared.hubs.goals import attempts_ended, begin_deletion, change_goal, operation_ended, operation_of
from shared.hubs.model import Attempt, Hub, LongOperation, Operation, OperationStatus, Reason
from shared.hubs.states import STABLE, Goal, HubEvent, HubState, IllegalTransition
from shared.hubs.visit import Visit
from tests.support.builders import HUB_ID, HUB_NAME, OWNER, a_hub, a_ready_hub
from tests.support.clock import MONDAY_MORNING, FakeClock

NOW = MONDAY_MORNING + timedelta(hours=2)
BROKEN = Reason(code="Broken", message="It broke.")


def a_visit(hub: Hub) -> Visit:
    return Visit(cast(App, SimpleNamespace(clock=FakeClock(NOW))), hub)


def stopped(hub: Hub, **options: object) -> Visit:
    visit = a_visit(hub)
    change_goal(visit, Goal.STOPPED, HubEvent.STOP, "stop", "Stop, please.", **options)  # type: ignore[arg-type]
    return visit


def an_operation(**changes: object) -> Operation:
    operation = Operation(
        hub_id=HUB_ID,
        hub_name=HUB_NAME,
        owner=OWNER,
        generation=1,
        kind="create",
        status=OperationStatus.RUNNING,
        created_at=MONDAY_MORNING,
    )
    return replace(operation, **changes)  # type: ignore[arg-type]


def test_the_operation_is_the_present_generations():
    hub = a_hub(generation=4, operation_kind="stop", goal_since=NOW)
    assert operation_of(hub, OperationStatus.RUNNING) == an_operation(generation=4, kind="stop", created_at=NOW)


def test_the_operation_of_a_create_began_when_the_hub_was_accepted():
    assert operation_of(a_hub(goal_since=None), OperationStatus.RUNNING).created_at == MONDAY_MORNING


def test_an_ended_operation_has_its_end_and_its_error():
    visit = a_visit(a_hub())
    operation_ended(visit, OperationStatus.FAILED, error=BROKEN)
    assert visit.operations == [an_operation(status=OperationStatus.FAILED, ended_at=NOW, error=BROKEN)]


def test_only_the_attempt_under_way_ends():
    over = Attempt(number=1, region="eastus", size="s", started_at=MONDAY_MORNING, ended_at=MONDAY_MORNING)
    under_way = replace(over, number=2, ended_at=None)
    assert attempts_ended(a_hub(attempts=(over, under_way)), NOW, "failed", BROKEN) == (
        over,
        replace(under_way, ended_at=NOW, outcome="failed", reason=BROKEN),
    )


def test_a_new_goal_is_the_next_generation_at_its_first_pass():
    hub = a_ready_hub(generation=4, operation=LongOperation(kind="k", handle="h", begun_at=NOW))
    after = stopped(hub).hub
    assert (after.goal, after.state, after.generation, after.pass_number) == (Goal.STOPPED, HubState.STOPPING, 5, 1)
    assert (after.operation, after.operation_kind, after.goal_since) == (None, "stop", NOW)


def test_a_new_operation_begins_and_of_a_settled_hub_none_ends():
    visit = stopped(a_ready_hub())
    assert visit.operations == [an_operation(generation=2, kind="stop", created_at=NOW)]


def test_what_was_under_way_is_canceled_because_of_the_newer_request():
    hub = a_ready_hub(state=HubState.STARTING, operation_kind="start", generation=4, goal_since=MONDAY_MORNING)
    ended, begun = stopped(hub).operations
    assert hub.state not in STABLE
    newer = Reason(code="Superseded", message="A newer request (stop) took its place.")
    assert ended == an_operation(generation=4, kind="start", status=OperationStatus.CANCELED, ended_at=NOW, error=newer)
    assert begun == an_operation(generation=5, kind="stop", created_at=NOW)


def test_where_a_failure_changes_the_goal_it_is_that_operations_end_and_the_moves_cause():
    hub = a_ready_hub(state=HubState.STARTING, operation_kind="start")
    visit = stopped(hub, failed=BROKEN)
    assert visit.operations[0] == an_operation(kind="start", status=OperationStatus.FAILED, ended_at=NOW, error=BROKEN)
    assert len(visit.operations) == 2
    assert visit.events[0].cause == BROKEN


@pytest.mark.parametrize(("actor", "shown"), [("jaydoe", "jaydoe"), (None, "hublet")])
def test_the_history_says_who_asked_and_what_happened(actor: str | None, shown: str):
    (event,) = stopped(a_ready_hub(), actor=actor).events
    assert (event.actor, event.message, event.from_state, event.to_state) == (
        shown,
        "Stop, please.",
        "ready",
        "stopping",
    )


@pytest.mark.parametrize(("request_id", "kept"), [("req-2", "req-2"), ("", "req-1")])
def test_the_request_is_remembered_and_a_change_without_one_keeps_the_last(request_id: str, kept: str):
    assert stopped(a_ready_hub(), request_id=request_id).hub.request_id == kept


def test_a_change_without_a_request_is_the_default():
    assert stopped(a_ready_hub()).hub.request_id == "req-1"


def test_a_goal_the_table_does_not_allow_is_refused():
    with pytest.raises(IllegalTransition):
        stopped(a_hub(state=HubState.FAILED))


@pytest.mark.parametrize("state", [state for state in HubState if state not in (HubState.DELETING, HubState.DELETED)])
def test_a_deletion_begins_in_every_state(state: HubState):
    visit = a_visit(a_ready_hub(state=state))
    begin_deletion(visit, "Delete it.", request_id="req-9")
    hub = visit.hub
    assert (hub.goal, hub.state, hub.operation_kind, hub.request_id) == (
        Goal.DELETED,
        HubState.DELETING,
        "delete",
        "req-9",
    )
    assert visit.events[-1].message == "Delete it."
    assert hub.attempts[0].ended_at == NOW
    assert (hub.attempts[0].outcome, hub.attempts[0].reason) == ("canceled", None)


def test_a_deletion_by_the_service_keeps_the_last_request():
    visit = a_visit(a_ready_hub())
    begin_deletion(visit, "Its time is over.")
    assert visit.hub.request_id == "req-1"
