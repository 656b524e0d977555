"""Token buckets as one number each: never more than what Azure takes, and nobody waits for nothing."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.hubs.write_budget import BUCKETS, WRITE_LIMIT, Bucket, Budget, Lane

NOW = 1_800_000_000.0
LINE, CHANGE, DELETE = BUCKETS[Lane.LINE], BUCKETS[Lane.CHANGE], BUCKETS[Lane.DELETE]

type Asks = Sequence[tuple[float, Lane, int]]
"""Seconds since the last one, lane, writes."""


def given_slots(asks: Asks) -> list[tuple[float, Lane, int]]:
    """When each may write (seconds since NOW), in the order of asking."""
    budget, now, slots = Budget(), NOW, []
    for pause, lane, writes in asks:
        now += pause
        budget, slot = budget.reserve(lane, writes, now)
        assert slot >= now
        slots.append((slot - NOW, lane, writes))
    return slots


def wait_after(used: int, lane: Lane, writes: int, *, by: Lane | None = None) -> float:
    budget, _ = Budget().reserve(by or lane, used, NOW)
    return budget.reserve(lane, writes, NOW)[1] - NOW


@pytest.mark.parametrize(
    ("lane", "used", "writes", "seconds"),
    [
        (Lane.LINE, 0, 4, 0.0),
        (Lane.LINE, 146, 4, 0.0),
        (Lane.LINE, 150, 4, 4 / 9.5),
        (Lane.LINE, 150 + 95, 4, 10 + 4 / 9.5),
        (Lane.DELETE, 179, 1, 0.0),
        (Lane.DELETE, 180, 1, 0.1),
    ],
)
def test_a_write_waits_for_the_tokens_it_needs(lane: Lane, used: int, writes: int, seconds: float):
    assert wait_after(used, lane, writes) == pytest.approx(seconds, abs=1e-5)


def test_five_hundred_creates_are_a_paced_line_and_not_a_storm():
    slots = [at for at, _, _ in given_slots([(0.0, Lane.LINE, 4)] * 500)]
    assert slots == sorted(slots)
    assert slots[-1] == pytest.approx((2000 - LINE.size) / LINE.per_second, abs=0.01)
    assert slots[-1] < 1.2 * 180


def test_a_long_line_leaves_room_for_everything_else():
    budget, _ = Budget().reserve(Lane.LINE, 2000, NOW)
    waits = []
    for _ in range(int(CHANGE.size)):
        budget, slot = budget.reserve(Lane.CHANGE, 1, NOW)
        waits.append(slot - NOW)
    assert max(waits) < 1e-3
    assert budget.reserve(Lane.CHANGE, 1, NOW)[1] - NOW == pytest.approx(2.0, abs=1e-3), "when it is truly empty"
    assert budget.reserve(Lane.DELETE, 1, NOW)[1] == NOW


def test_without_a_line_everything_else_may_use_it_all():
    budget, waits = Budget(), []
    for _ in range(int(LINE.size + CHANGE.size)):
        budget, slot = budget.reserve(Lane.CHANGE, 1, NOW)
        waits.append(slot - NOW)
    assert max(waits) < 1e-3
    assert budget.left(Lane.CHANGE, NOW) == pytest.approx(0.0, abs=1e-3)
    assert 0 < budget.reserve(Lane.CHANGE, 1, NOW)[1] - NOW < 1


def test_a_lane_is_as_full_as_itself_whatever_the_others_have_left():
    budget, _ = Budget().reserve(Lane.DELETE, 180, NOW)
    assert budget.left(Lane.DELETE, NOW) == pytest.approx(0.0, abs=1e-3)
    assert budget.left(Lane.LINE, NOW) == LINE.size
    assert budget.left(Lane.CHANGE, NOW) == LINE.size, "it may use the line's"


def test_the_buckets_are_as_agreed_below_what_azure_publishes():
    assert Bucket(200, 10.0) == WRITE_LIMIT
    assert dict(BUCKETS) == {
        Lane.LINE: Bucket(150, 9.5),
        Lane.CHANGE: Bucket(30, 0.5),
        Lane.DELETE: Bucket(180, 10.0),
        Lane.RETURN: Bucket(5, 2.2),
    }


def test_a_bucket_is_never_fuller_than_full():
    budget, _ = Budget().reserve(Lane.LINE, 150, NOW)
    assert budget.left(Lane.LINE, NOW + 1e6) == LINE.size


def test_after_a_refusal_nobody_writes_before_the_time_azure_named_and_then_at_its_pace():
    lowered = Budget().lowered(NOW + 30)
    for lane in Lane:
        _, slot = lowered.reserve(lane, 1, NOW)
        assert NOW + 30 <= slot <= NOW + 33
    _, slot = lowered.reserve(Lane.LINE, 95, NOW)
    assert slot == pytest.approx(NOW + 40, abs=1e-5)


def test_a_second_refusal_can_only_make_it_later():
    lowered = Budget().lowered(NOW + 30)
    assert lowered.lowered(NOW + 10) == lowered
    assert lowered.lowered(NOW + 60).hold_until == NOW + 60


ASKS = st.lists(
    st.tuples(st.floats(0, 20), st.sampled_from([Lane.LINE, Lane.LINE, Lane.CHANGE]), st.integers(1, 6)),
    min_size=1,
    max_size=150,
)


@given(ASKS)
def test_no_window_of_time_ever_has_more_writes_than_azure_takes(asks: Asks):
    sent = sorted((at, writes) for at, _, writes in given_slots(asks))
    for first in range(len(sent)):
        total = 0
        for at, writes in sent[first:]:
            total += writes
            allowed = LINE.size + CHANGE.size + WRITE_LIMIT.per_second * (at - sent[first][0])
            assert total <= allowed + 1e-3
    assert LINE.size + CHANGE.size < WRITE_LIMIT.size
    assert LINE.per_second + CHANGE.per_second <= WRITE_LIMIT.per_second


@given(ASKS, st.integers(0, 149), st.floats(1, 100))
def test_that_holds_after_a_refusal_too(asks: Asks, after: int, hold_s: float):
    budget, now = Budget(), NOW
    sent: list[tuple[float, int]] = []
    until = None
    for number, (pause, lane, writes) in enumerate(asks):
        now += pause
        if number == min(after, len(asks) - 1):
            until = now + hold_s
            budget, sent = budget.lowered(until), []
        budget, slot = budget.reserve(lane, writes, now)
        sent.append((slot, writes))
    assert until is not None
    for at, _ in sent:
        total = sum(writes for slot, writes in sent if slot <= at)
        assert at >= until and total <= WRITE_LIMIT.per_second * (at - until) + 1e-3


@given(st.lists(st.floats(0, 3), min_size=1, max_size=60))
def test_whoever_asks_first_has_its_turn_first(pauses: list[float]):
    slots = [at for at, _, _ in given_slots([(pause, Lane.LINE, 4) for pause in pauses])]
    assert slots == sorted(slots)
