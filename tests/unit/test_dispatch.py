"""The message and the due row of the next pass, and the fence that stale messages do not pass. Pure."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.hubs import dispatch
from shared.hubs.dispatch import Drop, LookAgain, Run, due_after, fence, work_message
from shared.hubs.model import Message
from shared.hubs.ports import DueRow
from tests.support.builders import HUB_ID, HUB_NAME, OWNER, a_hub
from tests.support.clock import MONDAY_MORNING as NOW


def test_a_message_names_the_hub_and_its_present_pass():
    assert work_message(a_hub(generation=2, pass_number=7), NOW) == Message(
        owner=OWNER, name=HUB_NAME, hub_id=HUB_ID, generation=2, pass_number=7, first_seen=NOW
    )


def test_the_safety_net_names_the_same_pass_half_a_minute_after_the_message():
    assert due_after(a_hub(generation=2, pass_number=7), NOW, 20.0) == DueRow(
        at=NOW + timedelta(seconds=50),
        hub_id=HUB_ID,
        owner=OWNER,
        name=HUB_NAME,
        kind="pass",
        generation=2,
        pass_number=7,
    )


def test_how_long_the_safety_net_waits_for_the_message_can_be_said():
    assert due_after(a_hub(), NOW, 20.0, redrive_s=0).at == NOW + timedelta(seconds=20)


def test_the_longest_delay_of_a_message_stays_a_day_below_the_queues_limit():
    assert timedelta(days=7 - 1) == dispatch.LONGEST_DELAY


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


def test_a_message_without_a_row_waits_for_it_four_times_as_long_as_an_accept_may_take():
    assert timedelta(seconds=60) == dispatch.ROW_GRACE


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"hub_id": "physics-zzzzzz", "generation": 2, "pass_number": 9}, "another hub of that name"),
        ({"generation": 2, "pass_number": 9}, "another generation"),
        ({"pass_number": 9}, "another pass"),
    ],
)
def test_the_log_says_what_did_not_fit_first(change: dict[str, object], why: str):
    message = replace(work_message(a_hub(), NOW), **change)  # type: ignore[arg-type]
    assert fence(a_hub(), message, NOW) == Drop(why)
