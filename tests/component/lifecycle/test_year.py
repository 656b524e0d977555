"""Weeks around changes of the clock: every stop is seen deallocated, every start seen ready, when tables of minutes say
that it should be. `./dev bench year` does a whole year for every distinct clock of the database."""

from datetime import UTC, datetime, timedelta

import pytest

from localdev.bench import year

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("zone", "change"),
    [
        ("Europe/Berlin", datetime(2027, 3, 28, 1, tzinfo=UTC)),
        ("Europe/Berlin", datetime(2027, 10, 31, 1, tzinfo=UTC)),
        ("America/New_York", datetime(2027, 3, 14, 7, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2027, 10, 2, 15, 30, tzinfo=UTC)),
        ("America/Santiago", datetime(2027, 9, 5, 4, tzinfo=UTC)),
        ("Africa/Casablanca", datetime(2027, 2, 7, 2, tzinfo=UTC)),
        ("Asia/Kathmandu", datetime(2027, 2, 28, tzinfo=UTC)),
    ],
)
async def test_around_a_change_of_the_clock_every_start_and_stop_is_kept(zone: str, change: datetime):
    lived = await year.live_through(zone, change - timedelta(days=8), change + timedelta(days=8))
    assert lived.stops >= 15
    assert lived.stops_seen == lived.stops, lived.wrong
    assert lived.starts_seen == lived.starts, lived.wrong
    assert lived.wrong == ()
    assert max(lived.late_s) <= year.TO_THE_SECOND_S


async def test_without_queue_messages_the_timer_alone_is_in_time():
    begin = datetime(2027, 3, 20, tzinfo=UTC)
    lived = await year.live_through("Europe/Berlin", begin, begin + timedelta(days=14), timer_alone=True)
    assert lived.wrong == ()
    assert max(lived.late_s) <= year.STARTED_WITHIN_S


def test_the_database_has_many_distinct_clocks_and_every_zone_has_one():
    clocks = year.distinct_clocks()
    assert len(clocks) > 50
    assert sum(clocks.values()) > 400
