"""Operations as callers poll them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.api.operation_view import operation_view, pause_s
from shared.hubs.model import Attempt, Hub, Life, Operation, OperationStatus, Principal, Reason, StartTry
from shared.hubs.states import Goal, HubState
from tests.support.builders import a_hub, a_ready_hub, a_stopped_hub, an_operation
from tests.support.clock import MONDAY_MORNING

JAY = Principal("jaydoe@example.com")
API = "https://h.example/api"


def view(operation: Operation, hub: Hub | None, *, since_s: float = 0):
    """As seen so long after the hub came into its state."""
    now = (hub.state_since if hub else MONDAY_MORNING) + timedelta(seconds=since_s)
    return operation_view(operation, hub, JAY, now, API)


def a_starting_hub(**changes) -> Hub:
    return a_stopped_hub(
        **{"state": HubState.STARTING, "goal": Goal.RUNNING, "operation_kind": "start", "life": Life(), **changes}
    )


def test_an_operation_of_an_older_generation_shows_only_what_was_recorded():
    hub = a_ready_hub(generation=2, goal=Goal.DELETED, state=HubState.DELETING)
    canceled = an_operation(status=OperationStatus.CANCELED, error=Reason(code="Deleted", message="Deletion won."))
    shown = view(canceled, hub)
    assert (shown["status"], shown["stages"], shown["stage"]) == ("Canceled", [], None)
    assert shown["error"] == {"code": "Deleted", "message": "Deletion won.", "fix": ""}
    assert pause_s(canceled, hub) is None


def test_a_running_create_shows_the_hubs_stages_and_attempts():
    attempt = Attempt(number=1, region="eastus", size="Standard_D2s_v3", started_at=MONDAY_MORNING)
    hub = a_hub(state=HubState.PROVISIONING, attempts=(attempt,))
    running = an_operation(status=OperationStatus.RUNNING)
    shown = view(running, hub)
    assert shown["attempts"][0]["region"] == "eastus"
    assert shown["stages"][0]["name"] == "group"
    assert shown["resource"] == f"{API}/hubs/physics"
    assert pause_s(running, hub) == 5


def test_a_create_shows_every_try_also_those_of_one_attempt():
    refused = Attempt(
        number=1,
        region="eastus",
        size="Standard_D2s_v3",
        started_at=MONDAY_MORNING,
        ended_at=MONDAY_MORNING,
        outcome="refused",
        reason=Reason(code="QuotaExceeded", message="No cores are left."),
    )
    going_on = Attempt(number=1, region="eastus", size="Standard_D2as_v5", zone="2", started_at=MONDAY_MORNING)
    hub = a_hub(state=HubState.PROVISIONING, attempts=(refused, going_on))
    shown = view(an_operation(status=OperationStatus.RUNNING), hub)["attempts"]
    assert [(one["number"], one["size"], one["zone"], one["outcome"]) for one in shown] == [
        (1, "Standard_D2s_v3", None, "refused"),
        (1, "Standard_D2as_v5", "2", "running"),
    ]
    assert shown[0]["reason"] == {"code": "QuotaExceeded", "message": "No cores are left.", "fix": ""}


def test_an_operation_whose_hub_is_gone_still_answers():
    shown = view(an_operation(status=OperationStatus.SUCCEEDED), None)
    assert (shown["percent"], shown["resource"]) == (100, f"{API}/hubs/physics")


# ---- stop, start, restart


@pytest.mark.parametrize(
    ("kind", "hub", "typical_s"),
    [
        ("stop", a_stopped_hub(state=HubState.STOPPING), 40),
        ("start", a_starting_hub(), 60),
        ("restart", a_starting_hub(operation_kind="restart"), 60),
    ],
)
def test_a_change_of_power_has_no_stages_and_is_measured_by_time(kind: str, hub: Hub, typical_s: int):
    running = an_operation(kind=kind, generation=2, status=OperationStatus.RUNNING)
    early, middle, late = (view(running, hub, since_s=s) for s in (0, typical_s / 2, 10 * typical_s))
    assert (early["kind"], early["stage"], early["stages"]) == (kind, str(hub.state), [])
    assert (early["percent"], early["etaSeconds"]) == (0, typical_s)
    assert (middle["percent"], middle["etaSeconds"]) == (50, typical_s / 2)
    assert (late["percent"], late["etaSeconds"]) == (90, 5)
    assert pause_s(running, hub) == 5


def test_a_stop_that_has_ended_says_where_the_hub_is():
    shown = view(an_operation(kind="stop", generation=2, status=OperationStatus.SUCCEEDED), a_stopped_hub())
    assert (shown["stage"], shown["percent"], shown["etaSeconds"]) == ("stopped", 100, 0)


def test_a_start_shows_the_sizes_that_azure_had_no_room_for():
    reason = Reason(code="AllocationFailed", message="No room.")
    refused = StartTry(size="Standard_D2s_v3", at=MONDAY_MORNING, reason=reason)
    shown = view(
        an_operation(kind="start", generation=2, status=OperationStatus.RUNNING),
        a_starting_hub(life=Life(tries=(refused,))),
    )
    assert shown["attempts"] == [
        {
            "number": 1,
            "region": "eastus",
            "size": "Standard_D2s_v3",
            "zone": None,
            "outcome": "refused",
            "reason": {"code": "AllocationFailed", "message": "No room.", "fix": ""},
            "startedAt": "2026-03-02T09:30:00Z",
            "endedAt": "2026-03-02T09:30:00Z",
        }
    ]


def test_a_start_that_failed_tells_why_and_not_how_far_the_stop_after_it_is():
    reason = Reason(code="StartTimedOut", message="The hub did not answer.", fix="Start it again later.")
    failed = an_operation(kind="start", generation=2, status=OperationStatus.FAILED, error=reason)
    shown = view(failed, a_stopped_hub(state=HubState.STOPPING, operation_kind="start"), since_s=20)
    assert (shown["stage"], shown["percent"], shown["etaSeconds"]) == (None, 0, 0)
    assert shown["error"] == {
        "code": "StartTimedOut",
        "message": "The hub did not answer.",
        "fix": "Start it again later.",
    }


def test_a_retry_first_clears_what_the_last_attempt_left_and_then_has_stages():
    retry = an_operation(kind="retry", generation=2, status=OperationStatus.RUNNING)
    hub = a_ready_hub(state=HubState.PROVISIONING, generation=2, operation_kind="retry", life=Life(clearing=True))
    clearing = view(retry, hub)
    assert (clearing["stage"], clearing["percent"]) == ("clearing", 0)
    assert {stage["status"] for stage in clearing["stages"]} == {"waiting"}
    assert view(retry, replace(hub, life=Life(), steps={}))["stage"] == "group"
