"""Schedules: the NCRONTAB dialect of timer triggers."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localdev.host.ncrontab import Every, Ncrontab
from localdev.host.settings import SettingsError

FRIDAY = datetime(2026, 11, 20, 10, 59, 30, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 * * * * *", "2026-11-20T11:00:00"),
        ("*/10 * * * * *", "2026-11-20T10:59:40"),
        ("0 */5 * * * *", "2026-11-20T11:00:00"),
        ("0 7 * * * *", "2026-11-20T11:07:00"),
        ("7/20 * * * * *", "2026-11-20T10:59:47"),
        ("0 0 9-17 * * *", "2026-11-20T11:00:00"),
        ("0 30 9 * * 1-5", "2026-11-23T09:30:00"),
        ("0 30 9 * * Mon,Wed", "2026-11-23T09:30:00"),
        ("0 0 0 * * Sunday", "2026-11-22T00:00:00"),
        ("0 0 0 1 jan *", "2027-01-01T00:00:00"),
        ("0 0 0 29 2 *", "2028-02-29T00:00:00"),
        ("0 0 0 13 * 5", "2027-08-13T00:00:00"),
        ("15 10 * * *", "2026-11-21T10:15:00"),
    ],
)
def test_next_occurrence(expression: str, expected: str) -> None:
    found = Ncrontab.parse(expression).next_after(FRIDAY)
    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_an_occurrence_is_strictly_later() -> None:
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert Ncrontab.parse("0 0 12 * * *").next_after(noon) == datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "expression",
    [
        *("", "* * * *", "00:05:00", "* * * * * * *"),
        *("60 * * * * *", "* * 24 * * *", "* * * 0 * *", "* * * * 13 *", "* * * * * 7"),
        *("*/0 * * * * *", "5-1 * * * * *", "x * * * * *", "* * * * * ju", "* * * * ju *"),
    ],
)
def test_what_is_not_a_schedule_is_refused(expression: str) -> None:
    with pytest.raises(SettingsError):
        Ncrontab.parse(expression)


def test_a_date_that_never_comes_is_refused_when_asked() -> None:
    with pytest.raises(SettingsError, match="never"):
        Ncrontab.parse("0 0 0 31 2 *").next_after(FRIDAY)


@given(
    st.floats(0, 400 * 86_400),
    st.integers(0, 59),
    st.integers(0, 23),
)
def test_no_occurrence_is_left_out(later_s: float, minute: int, hour: int) -> None:
    aware = FRIDAY + timedelta(seconds=later_s)
    found = Ncrontab.parse(f"0 {minute} {hour} * * *").next_after(aware)
    assert found > aware
    assert (found.hour, found.minute, found.second) == (hour, minute, 0)
    assert (found - aware).total_seconds() <= 86_400


def test_a_rhythm_beats_at_the_same_moments_for_everybody() -> None:
    every = Every(5)
    assert every.next_after(FRIDAY) == datetime(2026, 11, 20, 10, 59, 35, tzinfo=UTC)
    assert every.next_after(every.next_after(FRIDAY)) == datetime(2026, 11, 20, 10, 59, 40, tzinfo=UTC)
