"""What `decide` and `fence` say, row by row. Pure."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.hubs import dispatch
from shared.hubs.deadlines import DEADLINES, overdue
from shared.hubs.decide import Begin, Deallocate, Expire, Fail, Remove, RunStep, Settle, decide
from shared.hubs.dispatch import Drop, LookAgain, Run, fence, work_message
from shared.hubs.model import PROVISION, Hub, StepName, StepRecord
from shared.hubs.states import Goal, HubState
from tests.support.builders import a_hub
from tests.support.clock import MONDAY_MORNING as NOW

KEEP = timedelta(hours=24)


def at_step(step: StepName, state: HubState = HubState.PROVISIONING, **changes: object) -> Hub:
    hub = a_hub(state=state)
    for earlier in PROVISION[: PROVISION.index(step)]:
        hub = hub.with_step(StepRecord(name=earlier, started_at=NOW, finished_at=NOW))
    return replace(hub, **changes)  # type: ignore[arg-type]


def test_an_accepted_hub_begins():
    assert decide(a_hub(), NOW, failed_keep=KEEP) == Begin()


@pytest.mark.parametrize("step", PROVISION)
def test_the_first_step_that_is_not_done_runs(step: StepName):
    assert decide(at_step(step), NOW, failed_keep=KEEP) == RunStep(step)


@pytest.mark.parametrize("step", PROVISION)
def test_a_step_is_overdue_after_its_deadline_and_not_exactly_at_it(step: StepName):
    hub = at_step(step).with_step(StepRecord(name=step, started_at=NOW))
    limit = DEADLINES[step].limit
    assert not overdue(hub, step, NOW + limit)
    assert overdue(hub, step, NOW + limit + timedelta(microseconds=1))


def test_all_steps_done_but_not_ready_is_said_to_be_impossible():
    hub = at_step(StepName.LOCK).with_step(StepRecord(name=StepName.LOCK, started_at=NOW, finished_at=NOW))
    assert isinstance(decide(hub, NOW, failed_keep=KEEP), Fail)


@pytest.mark.parametrize("state", [s for s in HubState if s is not HubState.DELETED])
def test_goal_deleted_wins_in_every_state(state: HubState):
    assert decide(a_hub(state=state, goal=Goal.DELETED), NOW, failed_keep=KEEP) == Remove()


def test_a_deleted_hub_rests():
    assert decide(a_hub(state=HubState.DELETED, goal=Goal.DELETED), NOW, failed_keep=KEEP) == Settle()


def test_a_failed_hub_is_deallocated_then_kept_then_removed():
    failed = a_hub(state=HubState.FAILED, failed_at=NOW)
    assert decide(failed, NOW, failed_keep=KEEP) == Deallocate()
    quiet = replace(failed, deallocated_at=NOW)
    assert decide(quiet, NOW, failed_keep=KEEP) == Settle(NOW + KEEP)
    assert decide(quiet, NOW + KEEP, failed_keep=KEEP) == Expire()


def test_a_ready_hub_rests():
    assert decide(a_hub(state=HubState.READY), NOW, failed_keep=KEEP) == Settle()


# ---- fence


def test_a_message_for_the_present_pass_runs():
    hub = a_hub(pass_number=3)
    assert fence(hub, work_message(hub, NOW), NOW) == Run(hub)


def test_a_message_one_pass_ahead_runs_because_the_row_was_not_saved():
    hub = a_hub(pass_number=3)
    assert fence(hub, replace(work_message(hub, NOW), pass_number=4), NOW) == Run(hub)


@pytest.mark.parametrize(
    "change",
    [{"pass_number": 2}, {"pass_number": 5}, {"generation": 2}, {"hub_id": "physics-zzzzzz"}],
    ids=["an older pass", "two passes ahead", "another generation", "another hub of that name"],
)
def test_a_message_that_does_not_fit_is_dropped(change: dict[str, object]):
    hub = a_hub(pass_number=3)
    message = replace(work_message(hub, NOW), **change)  # type: ignore[arg-type]
    assert isinstance(fence(hub, message, NOW), Drop)


def test_a_message_without_a_row_is_looked_at_again_for_a_minute_and_then_dropped():
    message = work_message(a_hub(), NOW)
    assert fence(None, message, NOW + timedelta(seconds=59)) == LookAgain()
    assert isinstance(fence(None, message, NOW + dispatch.ROW_GRACE), Drop)
