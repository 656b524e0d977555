"""Progress, cost and operations: what callers are told while a hub is being made."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.api.hub_view import cost_view
from shared.api.operation_view import operation_view, pause_s
from shared.api.progress import look_again_s, progress_of, rfc3339, stages_of
from shared.hubs.model import (
    PROVISION,
    Attempt,
    Hub,
    InstallRecord,
    OperationStatus,
    Principal,
    Reason,
    StepName,
    StepRecord,
)
from shared.hubs.states import Goal, HubState
from tests.support.builders import a_hub, a_ready_hub, an_operation
from tests.support.clock import MONDAY_MORNING

JAY = Principal("jaydoe@example.com")
API = "https://h.example/api"


def a_hub_at(step: StepName, *, since_s: float = 0, **changes) -> Hub:
    """All steps before `step` are done; `step` began `since_s` seconds ago."""
    at = PROVISION.index(step)
    done = {
        name: StepRecord(name=name, started_at=MONDAY_MORNING, finished_at=MONDAY_MORNING) for name in PROVISION[:at]
    }
    began = MONDAY_MORNING - timedelta(seconds=since_s)
    return a_hub(
        state=HubState.PROVISIONING, steps={**done, step: StepRecord(name=step, started_at=began, tries=1)}, **changes
    )


def percent(hub: Hub) -> int:
    return progress_of(hub, MONDAY_MORNING)["percent"]


def test_percent_never_falls_from_step_to_step_and_ends_below_100():
    values = [percent(a_hub_at(step)) for step in PROVISION]
    assert values == sorted(values)
    assert (values[0], values[-1] < 100) == (0, True)


def test_time_moves_a_step_on_but_never_over_its_end():
    early, late, very_late = (percent(a_hub_at(StepName.MACHINE, since_s=s)) for s in (1, 40, 4000))
    assert early < late <= very_late < percent(a_hub_at(StepName.ADDRESS))


def test_the_installer_is_measured_by_its_own_log():
    at_half = a_hub_at(StepName.INSTALL, install=InstallRecord(percent=50, message="Setting up JupyterHub"))
    progress = progress_of(at_half, MONDAY_MORNING)
    assert progress["message"] == "Installing TLJH: Setting up JupyterHub"
    assert percent(a_hub_at(StepName.INSTALL)) < progress["percent"] < percent(a_hub_at(StepName.CONFIGURE))
    assert next(s for s in stages_of(at_half, MONDAY_MORNING) if s["name"] == "install")["percent"] == 50


def test_eta_shrinks():
    etas = [progress_of(a_hub_at(step), MONDAY_MORNING)["etaSeconds"] or 0 for step in PROVISION]
    assert etas == sorted(etas, reverse=True)


@pytest.mark.parametrize(
    ("hub", "stage", "shown"),
    [
        (a_hub(), "accepted", 0),
        (a_ready_hub(), "ready", 100),
        (a_ready_hub(goal=Goal.DELETED, state=HubState.DELETING), "deleting", 0),
        (a_ready_hub(goal=Goal.DELETED, state=HubState.DELETED), "deleted", 100),
    ],
)
def test_the_ends_of_a_hubs_life(hub: Hub, stage: str, shown: int):
    progress = progress_of(hub, MONDAY_MORNING)
    assert (progress["stage"], progress["percent"]) == (stage, shown)


def test_a_failed_hub_says_why_and_at_which_stage():
    hub = replace(a_hub_at(StepName.BOOT), state=HubState.FAILED, reason=Reason(code="X", message="It broke."))
    progress = progress_of(hub, MONDAY_MORNING)
    assert (progress["stage"], progress["message"], progress["etaSeconds"]) == ("boot", "It broke.", None)
    assert next(s for s in stages_of(hub, MONDAY_MORNING) if s["name"] == "boot")["status"] == "failed"


def test_callers_are_sent_away_longer_while_the_installer_runs():
    assert look_again_s(a_hub_at(StepName.INSTALL)) > look_again_s(a_hub_at(StepName.NETWORK)) > look_again_s(a_hub())


def test_times_are_short_and_end_in_z():
    assert rfc3339(MONDAY_MORNING) == "2026-03-02T09:30:00Z"
    assert rfc3339(MONDAY_MORNING + timedelta(microseconds=1500)) == "2026-03-02T09:30:00.001Z"


# ---- cost


def test_cost_counts_the_hours_since_the_machine_was_asked_for():
    cost = cost_view(a_ready_hub(), MONDAY_MORNING + timedelta(hours=10))
    assert cost is not None
    assert cost["soFar"] == pytest.approx(10 * 0.1076, abs=1e-4)
    assert cost["perHourNow"] == pytest.approx(0.1076)


def test_a_deallocated_hub_costs_its_disk_and_address_only():
    hub = a_ready_hub(deallocated_at=MONDAY_MORNING + timedelta(hours=1))
    cost = cost_view(hub, MONDAY_MORNING + timedelta(hours=3))
    assert cost is not None
    assert cost["perHourNow"] == pytest.approx(0.0116)
    assert cost["soFar"] == pytest.approx(0.1076 + 2 * 0.0116, abs=1e-4)


def test_before_there_is_a_machine_nothing_is_charged():
    cost = cost_view(a_ready_hub(attempts=()), MONDAY_MORNING)
    assert cost is not None
    assert (cost["soFar"], cost["perHourNow"]) == (0, 0)


def test_without_a_price_there_is_no_cost():
    assert cost_view(a_ready_hub(price=None), MONDAY_MORNING) is None


# ---- operations


def test_an_operation_of_an_older_generation_shows_only_what_was_recorded():
    hub = a_ready_hub(generation=2, goal=Goal.DELETED, state=HubState.DELETING)
    canceled = an_operation(status=OperationStatus.CANCELED, error=Reason(code="Deleted", message="Deletion won."))
    view = operation_view(canceled, hub, JAY, MONDAY_MORNING, API)
    assert (view["status"], view["stages"], view["stage"]) == ("Canceled", [], None)
    assert view["error"] == {"code": "Deleted", "message": "Deletion won.", "fix": ""}
    assert pause_s(canceled, hub) is None


def test_a_running_operation_shows_the_hubs_attempts():
    attempt = Attempt(number=1, region="eastus", size="Standard_D2s_v3", started_at=MONDAY_MORNING)
    hub = replace(a_hub_at(StepName.MACHINE), attempts=(attempt,))
    running = an_operation(status=OperationStatus.RUNNING)
    view = operation_view(running, hub, JAY, MONDAY_MORNING, API)
    assert view["attempts"][0]["region"] == "eastus"
    assert view["resource"] == f"{API}/hubs/physics"
    assert pause_s(running, hub) == 5


def test_an_operation_whose_hub_is_gone_still_answers():
    view = operation_view(an_operation(status=OperationStatus.SUCCEEDED), None, JAY, MONDAY_MORNING, API)
    assert (view["percent"], view["resource"]) == (100, f"{API}/hubs/physics")
