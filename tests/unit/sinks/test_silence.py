"""Receivers that let us wait in vain are left alone for a while."""

import pytest

from shared.adapters.notify.silence import LONGEST, REMEMBERED, Silence
from shared.errors import RetryableError
from tests.support.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def silence(clock: FakeClock) -> Silence:
    return Silence(clock)


def left_alone_s(silence: Silence, target: str = "a") -> float:
    """0 = it is tried."""
    try:
        silence.respect(target)
    except RetryableError as error:
        assert error.code == "SinkSilent"
        return error.retry_after_s or 0.0
    return 0.0


def test_who_was_never_silent_is_tried(silence: Silence):
    assert [left_alone_s(silence) for _ in range(3)] == [0, 0, 0]


def test_who_did_not_answer_is_left_alone_for_half_a_minute_and_nobody_else_is(silence: Silence, clock: FakeClock):
    silence.unanswered("a")
    assert (left_alone_s(silence), left_alone_s(silence, "b")) == (30, 0)
    clock.advance(29)
    assert left_alone_s(silence) == 1
    clock.advance(1)
    assert left_alone_s(silence) == 0


def test_one_notice_tries_it_again_and_the_others_wait_for_what_comes_of_it(silence: Silence, clock: FakeClock):
    silence.unanswered("a")
    clock.advance(30)
    assert [left_alone_s(silence) for _ in range(3)] == [0, 10, 10]
    clock.advance(10)  # whoever tried it died
    assert left_alone_s(silence) == 0


def test_each_silence_doubles_the_pause_up_to_ten_minutes(silence: Silence, clock: FakeClock):
    pauses = []
    for _ in range(7):
        silence.unanswered("a")
        pauses.append(left_alone_s(silence))
        clock.advance(pauses[-1])
        assert left_alone_s(silence) == 0
    assert pauses == [30, 60, 120, 240, 480, 600, 600]


def test_any_answer_ends_it_and_the_next_silence_is_short_again(silence: Silence):
    silence.unanswered("a")
    silence.unanswered("a")
    silence.answered("a")
    assert left_alone_s(silence) == 0
    silence.unanswered("a")
    assert left_alone_s(silence) == 30


def test_a_clock_that_was_set_back_makes_nobody_wait_for_ever(silence: Silence, clock: FakeClock):
    silence.unanswered("a")
    clock.advance(-2 * LONGEST.total_seconds())
    assert left_alone_s(silence) == 0


def test_no_more_than_a_thousand_are_remembered_and_the_oldest_goes_first(silence: Silence):
    for number in range(REMEMBERED + 1):
        silence.unanswered(str(number))
    assert (left_alone_s(silence, "0"), left_alone_s(silence, "1")) == (0, 30)
