"""When a target that did not take a notice is asked again, and when nobody asks it any more."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.errors import CapacityError, ConcurrentUpdate, FatalError, RetryableError, RowTooNew, UserError
from shared.hubs import deliveries
from shared.hubs.deliveries import (
    GIVEN_UP_AFTER,
    JITTER,
    LET_GO_AFTER,
    LONGEST_WISH_S,
    LOOK_AGAIN_S,
    RETRY_AFTER_S,
    UNKNOWN,
    after_refusal,
    age,
    due,
    fresh,
    given_up,
    key_of,
    merged,
    parts_of,
    passes,
    told,
)
from shared.hubs.ports import Delivery
from tests.support.builders import a_notice

NOTICE = a_notice()
MADE = NOTICE.at
NOT_NOW = RetryableError("SinkBusy", "Not now.")
MIDDLE = 0.5
"""Chance that makes no pause longer or shorter."""


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


# ---- names


@pytest.mark.parametrize(
    ("sink", "target", "key"),
    [
        ("console", "", "console"),
        ("webhook", "jay@example.com/ab2", "webhook:jay@example.com/ab2"),
        ("teams", "a:b", "teams:a:b"),
        ("slack", UNKNOWN, "slack:*"),
    ],
)
def test_a_target_is_named_after_its_sink_and_read_back(sink: str, target: str, key: str):
    assert key_of(sink, target) == key
    assert parts_of(key) == (sink, target)


# ---- who is due


def test_a_new_notice_is_due_at_once_by_the_clock_that_is_behind():
    assert fresh(NOTICE, MADE + seconds(9)) == Delivery(next_at=MADE)
    assert fresh(NOTICE, MADE - seconds(9)) == Delivery(next_at=MADE - seconds(9))


def test_due_is_whose_time_has_come_and_nobody_who_is_done_with():
    states = {
        "past": Delivery(next_at=MADE - seconds(1)),
        "now": Delivery(next_at=MADE),
        "later": Delivery(next_at=MADE + seconds(1)),
        "done": Delivery(next_at=None),
    }
    assert list(due(states, MADE)) == ["past", "now"]


# ---- what passes


@pytest.mark.parametrize(
    ("error", "may_pass"),
    [
        (NOT_NOW, True),
        (ConcurrentUpdate("Hub x"), True),
        (RowTooNew("a row"), True),
        (FatalError("SinkGone", "Gone."), False),
        (UserError("AddressNotAllowed", "No."), False),
        (CapacityError("Full", "No room."), False),
    ],
)
def test_only_trouble_that_says_nothing_about_the_target_or_may_end_passes(error, may_pass: bool):
    assert passes(error) is may_pass


# ---- states of one target


def test_time_counts_from_the_notice_or_from_when_it_was_put_in_again():
    now = MADE + timedelta(days=2)
    assert age(NOTICE, Delivery(), now) == timedelta(days=2)
    assert age(NOTICE, Delivery(since=MADE + timedelta(days=1)), now) == timedelta(days=1)


def test_who_took_it_and_who_never_will_are_asked_no_more():
    waiting = Delivery(tries=3, next_at=MADE, code="SinkBusy", since=MADE)
    assert told(waiting) == Delivery(tries=3, next_at=None, code="", since=MADE)
    gone = FatalError("SinkGone", "Gone.")
    assert given_up(waiting, gone) == Delivery(tries=3, next_at=None, code="SinkGone", since=MADE)


# ---- after a refusal


def later(
    one: Delivery, after: timedelta, error: RetryableError | FatalError = NOT_NOW, chance: float = MIDDLE
) -> Delivery | None:
    return after_refusal(NOTICE, one, error, MADE + after, chance)


def test_the_schedule_is_quick_first_and_takes_about_three_days_in_all():
    assert RETRY_AFTER_S == (5, 30, 300, 1800, 7200, 18000, 36000, 50400, 72000, 72000)
    assert sum(RETRY_AFTER_S) * (1 - JITTER) < GIVEN_UP_AFTER.total_seconds() < sum(RETRY_AFTER_S) * (1 + JITTER)
    assert timedelta(days=3) == GIVEN_UP_AFTER
    assert timedelta(days=6) == LET_GO_AFTER
    assert (JITTER, LONGEST_WISH_S, LOOK_AGAIN_S) == (0.2, 86_400.0, 1800.0)


@pytest.mark.parametrize("number", range(len(RETRY_AFTER_S)))
def test_after_each_try_it_waits_as_long_as_the_schedule_says(number: int):
    found = later(Delivery(tries=number, next_at=MADE), seconds(0))
    assert found == Delivery(tries=number + 1, next_at=MADE + seconds(RETRY_AFTER_S[number]), code="SinkBusy")


def test_what_was_put_in_again_keeps_since_when_its_time_counts():
    since = MADE + timedelta(days=5)
    found = later(Delivery(next_at=since, since=since), timedelta(days=5, seconds=1))
    assert found == Delivery(tries=1, next_at=since + seconds(6), code="SinkBusy", since=since)


@pytest.mark.parametrize(("chance", "pause_s"), [(0.0, 240.0), (0.25, 270.0), (0.5, 300.0), (0.999, 359.88)])
def test_a_pause_is_up_to_a_fifth_shorter_or_longer(chance: float, pause_s: float):
    found = later(Delivery(tries=2), seconds(60), chance=chance)
    assert found is not None
    assert found.next_at is not None
    assert (found.next_at - MADE).total_seconds() == pytest.approx(60 + pause_s)


def test_after_the_last_pause_of_the_schedule_it_is_given_up():
    assert later(Delivery(tries=9), timedelta(hours=1)) is not None
    assert later(Delivery(tries=10), timedelta(hours=1)) is None


def test_the_last_try_is_at_the_end_of_the_three_days():
    found = later(Delivery(tries=9), timedelta(days=2, hours=20))
    assert found is not None
    assert found.next_at == MADE + GIVEN_UP_AFTER
    since = MADE + timedelta(days=1)
    again = later(Delivery(tries=9, since=since), timedelta(days=3, hours=20))
    assert again is not None
    assert again.next_at == since + GIVEN_UP_AFTER


@pytest.mark.parametrize(("after", "asked_again"), [(seconds(-1), True), (seconds(0), False), (seconds(1), False)])
def test_at_three_days_it_is_given_up(after: timedelta, asked_again: bool):
    assert (later(Delivery(tries=1), GIVEN_UP_AFTER + after) is not None) is asked_again
    since = MADE + timedelta(days=1)
    again = later(Delivery(tries=1, since=since), timedelta(days=1) + GIVEN_UP_AFTER + after)
    assert (again is not None) is asked_again


@pytest.mark.parametrize(
    ("wish_s", "pause_s"),
    [(None, 5.0), (0.0, 5.0), (1.0, 5.0), (5.5, 5.5), (600.0, 600.0), (86_400.0, 86_400.0), (86_401.0, 86_400.0)],
)
def test_a_target_may_wish_for_a_longer_pause_up_to_a_day_and_not_for_a_shorter_one(
    wish_s: float | None, pause_s: float
):
    error = RetryableError("SinkBusy", "Not now.", retry_after_s=wish_s)
    assert later(Delivery(), seconds(0), error) == Delivery(tries=1, next_at=MADE + seconds(pause_s), code="SinkBusy")


def test_a_wish_is_honoured_beyond_the_three_days():
    error = RetryableError("SinkBusy", "Not now.", retry_after_s=7200)
    found = later(Delivery(tries=2), GIVEN_UP_AFTER - seconds(10), error)
    assert found is not None
    assert found.next_at == MADE + GIVEN_UP_AFTER + seconds(7190)


def test_only_a_retryable_error_can_wish():
    """Another one that passes has no such field: the schedule alone counts."""
    raced = ConcurrentUpdate("Hub x")
    found = after_refusal(NOTICE, Delivery(), raced, MADE, MIDDLE)
    assert found == Delivery(tries=1, next_at=MADE + seconds(5), code=raced.code)


# ---- the row changed during a visit

FRESH, TOLD = Delivery(next_at=MADE), Delivery()
PUT_OFF = Delivery(tries=1, next_at=MADE + seconds(5), code="SinkBusy")
AGAIN = Delivery(next_at=MADE + seconds(60), since=MADE + seconds(60))


@pytest.mark.parametrize(
    ("before", "after", "stored", "kept"),
    [
        ({"a": FRESH}, {"a": TOLD}, None, {"a": TOLD}),
        ({"a": FRESH}, {"a": TOLD}, {"a": FRESH}, {"a": TOLD}),
        ({"a": FRESH}, {"a": PUT_OFF}, {"a": FRESH}, {"a": PUT_OFF}),
        ({"a": FRESH}, {"a": PUT_OFF}, {"a": TOLD}, {"a": TOLD}),
        ({"a": FRESH}, {"a": TOLD}, {"a": PUT_OFF}, {"a": TOLD}),
        ({"a": FRESH}, {"a": PUT_OFF}, {"a": replace(PUT_OFF, tries=2)}, {"a": replace(PUT_OFF, tries=2)}),
        ({"a": FRESH}, {"a": TOLD}, {"a": AGAIN}, {"a": AGAIN}),
        ({"a": AGAIN}, {"a": told(AGAIN)}, {"a": replace(AGAIN, tries=1)}, {"a": told(AGAIN)}),
        ({"a": FRESH}, {"a": TOLD}, {"a": FRESH, "b": AGAIN}, {"a": TOLD, "b": AGAIN}),
        ({"a": FRESH, "b": FRESH}, {"a": TOLD, "b": PUT_OFF}, {"a": FRESH, "b": TOLD}, {"a": TOLD, "b": TOLD}),
        ({"s:*": FRESH}, {"s:x": TOLD}, {"s:*": FRESH}, {"s:x": TOLD}),
        ({"s:*": FRESH}, {"s:x": PUT_OFF}, {"s:x": TOLD}, {"s:x": TOLD}),
        ({"s:*": FRESH}, {"s:x": TOLD}, {"s:*": PUT_OFF}, {"s:x": TOLD}),
        ({"s:*": FRESH}, {"s:*": PUT_OFF}, {"s:x": TOLD}, {"s:x": TOLD, "s:*": PUT_OFF}),
    ],
    ids=[
        "nobody had looked",
        "nobody else touched it: told",
        "nobody else touched it: put off",
        "another worker told it",
        "another worker put off what this one told",
        "two put it off: the stored one stays",
        "put in again since: asked again",
        "put in again before: told",
        "another target was put in",
        "each its own",
        "the place of a sink's targets is gone",
        "another worker told the target that is known by now",
        "another worker could not say whom",
        "another worker knew whom",
    ],
)
def test_of_two_visits_at_once_what_was_told_stays_told(
    before: Mapping[str, Delivery],
    after: Mapping[str, Delivery],
    stored: Mapping[str, Delivery] | None,
    kept: Mapping[str, Delivery],
):
    assert merged(before, after, stored) == kept


def test_the_result_is_a_mapping_of_its_own():
    after = {"a": TOLD}
    assert merged({}, after, None) is not after
    assert deliveries.UNKNOWN == "*"
