"""What a worker does when Azure says "not now": how long it waits, what it tells, what it remembers."""

from datetime import timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from shared.app import App
from shared.errors import RetryableError
from shared.hubs.course import _not_now, _retry_later, retry_delay_s
from shared.hubs.gate_state import AzurePaused, Cause
from shared.hubs.model import Reason, StepName, StepRecord
from shared.hubs.pace import Blocked
from shared.hubs.states import HubState
from shared.hubs.visit import Visit
from tests.support.builders import a_hub, some_settings
from tests.support.clock import MONDAY_MORNING, FakeClock

STEP = StepName.NETWORK
BUSY = RetryableError("AnotherOperationInProgress", "Azure is busy.", fix="Nothing to do.")
THROTTLED = RetryableError("AzureThrottled", "Fewer requests, please.", retry_after_s=40.0)
PAUSED = AzurePaused(Cause.OUTAGE, 7.0)


def a_visit(*, jitter: float = 0.0, scale: float = 1.0, age_s: float = 0.0, tries: int = 0) -> Visit:
    """Of a hub that stops, for `age_s`; its network step has been tried so often."""
    entropy = SimpleNamespace(jitter=lambda: jitter)
    settings = some_settings(HUBLET_POLL_SCALE=str(scale))
    clock = FakeClock(MONDAY_MORNING + timedelta(seconds=age_s))
    hub = a_hub(state=HubState.STOPPING).with_step(StepRecord(name=STEP, tries=tries))
    return Visit(cast(App, SimpleNamespace(clock=clock, settings=settings, entropy=entropy)), hub)


# ---- how long


@pytest.mark.parametrize(
    ("tries", "ceiling_s"), [(1, 2.0), (2, 4.0), (3, 8.0), (5, 32.0), (6, 60.0), (7, 60.0), (5000, 60.0)]
)
def test_the_pause_is_somewhere_below_a_ceiling_that_doubles_up_to_a_minute(tries: int, ceiling_s: float):
    assert retry_delay_s(a_visit(jitter=0.0), tries, None) == 1.0
    assert retry_delay_s(a_visit(jitter=0.5), tries, None) == 1.0 + ceiling_s / 2
    assert retry_delay_s(a_visit(jitter=1.0), tries, None) == 1.0 + ceiling_s


def test_our_own_pauses_follow_the_pace_of_the_azure_that_is_asked():
    assert retry_delay_s(a_visit(jitter=0.5, scale=10.0), 3, None) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("wish_s", "jitter", "expected_s"),
    [(40.0, 0.0, 40.0), (40.0, 1.0, 44.0), (40.0, 0.5, 42.0), (0.0, 1.0, 1.0), (5.0, 0.5, 5.5)],
)
def test_azures_wish_is_kept_with_a_tenth_or_a_second_of_jitter(wish_s: float, jitter: float, expected_s: float):
    assert retry_delay_s(a_visit(jitter=jitter, scale=10.0), 1, wish_s) == pytest.approx(expected_s)


# ---- a step


def test_a_step_that_has_to_wait_remembers_why_and_how_often():
    visit = a_visit(tries=2)
    wait = _retry_later(visit, STEP, BUSY)
    assert wait.note == "Azure is busy."
    reason = Reason(code="AnotherOperationInProgress", message="Azure is busy.", fix="Nothing to do.")
    assert visit.hub.step(STEP) == StepRecord(name=STEP, tries=3, last_error=reason)


@pytest.mark.parametrize(("tries", "expected_s"), [(0, 3.0), (2, 9.0)])
def test_a_step_waits_the_longer_the_more_often_it_was_tried(tries: int, expected_s: float):
    assert _retry_later(a_visit(jitter=1.0, tries=tries), STEP, BUSY).after_s == expected_s


def test_a_step_waits_as_long_as_azure_wishes():
    assert _retry_later(a_visit(), STEP, THROTTLED).after_s == 40.0


def test_the_history_tells_a_cause_once_and_another_one_again():
    visit = a_visit()
    _retry_later(visit, STEP, BUSY)
    _retry_later(visit, STEP, BUSY)
    _retry_later(visit, STEP, THROTTLED)
    told = [(event.kind, event.message, event.step, event.cause and event.cause.code) for event in visit.events]
    assert told == [
        ("retry", "'network' has to wait: Azure is busy.", "network", "AnotherOperationInProgress"),
        ("retry", "'network' has to wait: Fewer requests, please.", "network", "AzureThrottled"),
    ]


def test_an_outage_is_held_against_no_step():
    visit = a_visit(tries=2)
    wait = _retry_later(visit, STEP, PAUSED)
    assert isinstance(wait, Blocked)
    assert (wait.after_s, wait.note) == (7.0, PAUSED.message)
    assert visit.hub.step(STEP) == StepRecord(name=STEP, tries=2)
    assert visit.hub.blocked_since == MONDAY_MORNING


# ---- power and removal


def test_power_and_removal_begin_with_the_pause_of_a_fourth_try():
    wait = _not_now(a_visit(jitter=1.0), BUSY)
    assert (wait.after_s, wait.note) == (17.0, "Azure is busy.")


@pytest.mark.parametrize(("age_s", "expected_s"), [(3000.0, 300.0), (9000.0, 900.0), (90_000.0, 900.0)])
def test_power_and_removal_are_tried_ever_more_seldom_but_every_quarter_of_an_hour(age_s: float, expected_s: float):
    assert _not_now(a_visit(age_s=age_s), BUSY).after_s == pytest.approx(expected_s)


def test_the_quarter_of_an_hour_follows_the_pace_too():
    assert _not_now(a_visit(age_s=90_000.0, scale=10.0), BUSY).after_s == pytest.approx(90.0)


def test_azures_longer_wish_wins():
    assert _not_now(a_visit(age_s=100.0), THROTTLED).after_s == 40.0


def test_an_outage_is_waited_out_as_long_as_the_gate_says():
    wait = _not_now(a_visit(age_s=90_000.0), PAUSED)
    assert isinstance(wait, Blocked)
    assert wait.after_s == 7.0
