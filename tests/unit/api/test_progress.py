"""Progress: what callers are told while a hub is being made, goes off or comes back."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.api.progress import look_again_s, progress_of, rfc3339, stages_of
from shared.hubs.model import (
    PROVISION,
    Hub,
    InstallRecord,
    Life,
    Reason,
    StartTry,
    StepName,
    StepRecord,
)
from shared.hubs.states import Goal, HubState
from tests.support.builders import a_hub, a_ready_hub, a_stopped_hub
from tests.support.clock import MONDAY_MORNING


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


@pytest.mark.parametrize(
    ("hub", "stage", "eta", "says"),
    [
        (a_stopped_hub(state=HubState.STOPPING), "stopping", 40, "Deallocating"),
        (a_stopped_hub(), "stopped", 0, "address cost"),
        (a_stopped_hub(state=HubState.STARTING, operation_kind="start", life=Life()), "starting", 60, "Starting"),
        (a_ready_hub(state=HubState.STARTING, operation_kind="restart"), "starting", 60, "Restarting"),
        (a_ready_hub(operation_kind="start"), "ready", 0, "answers"),
        (a_hub(state=HubState.PROVISIONING, life=Life(clearing=True)), "clearing", 844, "last attempt"),
    ],
    ids=["stopping", "stopped", "starting", "restarting", "ready again", "clearing"],
)
def test_a_hub_that_goes_off_and_on_says_so(hub: Hub, stage: str, eta: int, says: str):
    progress = progress_of(hub, hub.state_since)
    assert (progress["stage"], progress["etaSeconds"]) == (stage, eta)
    assert says in progress["message"]


def test_a_start_without_room_says_for_what():
    refused = StartTry(size="Standard_D2s_v3", at=MONDAY_MORNING, reason=Reason(code="X", message="No room."))
    hub = a_stopped_hub(state=HubState.STARTING, operation_kind="start", life=Life(tries=(refused,)))
    assert "no room for Standard_D2s_v3" in progress_of(hub, hub.state_since)["message"]


def test_a_failed_hub_says_why_and_at_which_stage():
    hub = replace(a_hub_at(StepName.BOOT), state=HubState.FAILED, reason=Reason(code="X", message="It broke."))
    progress = progress_of(hub, MONDAY_MORNING)
    assert (progress["stage"], progress["message"], progress["etaSeconds"]) == ("boot", "It broke.", None)
    assert next(s for s in stages_of(hub, MONDAY_MORNING) if s["name"] == "boot")["status"] == "failed"


def test_callers_are_sent_away_longer_where_less_happens():
    assert look_again_s(a_stopped_hub()) == look_again_s(a_ready_hub()) > look_again_s(a_hub_at(StepName.INSTALL))
    assert look_again_s(a_stopped_hub(state=HubState.STOPPING)) == look_again_s(a_hub_at(StepName.NETWORK))
    assert look_again_s(a_hub_at(StepName.INSTALL)) > look_again_s(a_hub_at(StepName.NETWORK)) > look_again_s(a_hub())


def test_times_are_short_and_end_in_z():
    assert rfc3339(MONDAY_MORNING) == "2026-03-02T09:30:00Z"
    assert rfc3339(MONDAY_MORNING + timedelta(microseconds=1500)) == "2026-03-02T09:30:00.001Z"
