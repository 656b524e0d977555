"""When schedules start and stop hubs, what is refused, and the comparison with the brute-force oracle."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import pytest

from shared.hubs.model import Block, Schedule
from shared.hubs.schedule import (
    MAX_BLOCKS,
    SEARCH_DAYS,
    Kind,
    Occurrence,
    Problem,
    describe,
    events,
    instant,
    is_time_zone,
    last_event,
    next_event,
    problems,
    zone_like,
)
from tests.support import schedule_oracle as oracle

WORKDAYS = ("mon", "tue", "wed", "thu", "fri")
EVERY_DAY = (*WORKDAYS, "sat", "sun")
BERLIN = ZoneInfo("Europe/Berlin")
ROOT = Path(__file__).resolve().parents[2]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def a_schedule(**changes: Any) -> Schedule:
    """Workdays 08:30-19:00 in Berlin: all is well with it."""
    good = Schedule(time_zone="Europe/Berlin", start="08:30", stop="19:00", days=WORKDAYS)
    return replace(good, **changes)


def of_blocks(*blocks: Block, **changes: Any) -> Schedule:
    return a_schedule(start=None, stop=None, days=(), blocks=blocks, **changes)


def start(text: str) -> Occurrence:
    return Occurrence(utc(text), Kind.START)


def stop(text: str) -> Occurrence:
    return Occurrence(utc(text), Kind.STOP)


# ------------------------------------------------------------------ the rule


@pytest.mark.parametrize(
    ("zone", "day", "wall", "expected"),
    [
        ("Europe/Berlin", "2027-01-15", "08:30", "2027-01-15T07:30"),
        ("Europe/Berlin", "2027-07-15", "08:30", "2027-07-15T06:30"),
        ("Asia/Kathmandu", "2027-01-15", "08:30", "2027-01-15T02:45"),
        ("Pacific/Kiritimati", "2027-01-15", "00:00", "2027-01-14T10:00"),
        ("Etc/GMT+12", "2027-01-15", "23:59", "2027-01-16T11:59"),
        ("UTC", "2028-02-29", "23:59", "2028-02-29T23:59"),
        ("Europe/Berlin", "2028-02-29", "00:00", "2028-02-28T23:00"),
    ],
)
def test_on_an_ordinary_day_it_is_the_moment_the_clock_shows(zone: str, day: str, wall: str, expected: str):
    assert instant(date.fromisoformat(day), wall, ZoneInfo(zone)) == utc(expected)


@pytest.mark.parametrize(
    ("zone", "day", "gap_begins", "in_gap", "gap_ends", "jump"),
    [
        ("Europe/Berlin", "2027-03-28", "02:00", "02:30", "03:00", "2027-03-28T01:00"),
        ("America/New_York", "2027-03-14", "02:00", "02:59", "03:00", "2027-03-14T07:00"),
        ("Australia/Lord_Howe", "2027-10-03", "02:00", "02:15", "02:30", "2027-10-02T15:30"),
        ("Africa/Casablanca", "2024-04-14", "02:00", "02:01", "03:00", "2024-04-14T02:00"),
        ("America/Santiago", "2024-09-08", "00:00", "00:30", "01:00", "2024-09-08T04:00"),
    ],
)
def test_a_time_in_a_gap_happens_right_after_the_gap(
    zone: str, day: str, gap_begins: str, in_gap: str, gap_ends: str, jump: str
):
    for wall in (gap_begins, in_gap, gap_ends):
        assert instant(date.fromisoformat(day), wall, ZoneInfo(zone)) == utc(jump), wall


@pytest.mark.parametrize(
    ("zone", "day", "wall", "first"),
    [
        ("Europe/Berlin", "2027-10-31", "02:30", "2027-10-31T00:30"),
        ("Europe/Berlin", "2027-10-31", "02:00", "2027-10-31T00:00"),
        ("Europe/Berlin", "2027-10-31", "03:00", "2027-10-31T02:00"),
        ("America/New_York", "2027-11-07", "01:30", "2027-11-07T05:30"),
        ("Australia/Lord_Howe", "2027-04-04", "01:45", "2027-04-03T14:45"),
        ("Australia/Lord_Howe", "2027-04-04", "02:00", "2027-04-03T15:30"),
        ("Africa/Casablanca", "2024-03-10", "02:30", "2024-03-10T01:30"),
        ("America/Santiago", "2024-04-06", "23:30", "2024-04-07T02:30"),
        ("America/Santiago", "2024-04-07", "00:00", "2024-04-07T04:00"),
    ],
)
def test_a_time_that_comes_twice_happens_the_first_time(zone: str, day: str, wall: str, first: str):
    assert instant(date.fromisoformat(day), wall, ZoneInfo(zone)) == utc(first)


@pytest.mark.parametrize("wall", ["00:00", "12:00", "23:59"])
def test_times_of_a_date_that_a_zone_leaves_out_happen_at_the_beginning_of_the_next(wall: str):
    samoa = ZoneInfo("Pacific/Apia")  # 2011-12-30 was left out to change sides of the date line
    assert instant(date(2011, 12, 30), wall, samoa) == utc("2011-12-30T10:00")
    assert instant(date(2011, 12, 31), "00:00", samoa) == utc("2011-12-30T10:00")
    assert instant(date(2011, 12, 29), "23:59", samoa) == utc("2011-12-30T09:59")


def test_a_clock_set_back_over_midnight_does_not_repeat_the_new_date():
    st_johns = ZoneInfo("America/St_Johns")  # until 2011 at one minute past midnight
    assert instant(date(2010, 11, 7), "00:00", st_johns) == utc("2010-11-07T02:30")
    assert instant(date(2010, 11, 6), "23:30", st_johns) == utc("2010-11-07T02:00")
    midnight = Schedule(time_zone="America/St_Johns", stop="00:00", days=EVERY_DAY)
    once = [stop("2010-11-07T02:30"), stop("2010-11-08T03:30")]
    assert list(events(midnight, utc("2010-11-06T12:00"), utc("2010-11-08T12:00"))) == once
    assert last_event(midnight, utc("2010-11-07T02:45")) == once[0], "although the clock shows the 6th again"


@pytest.mark.parametrize("wall", ["24:00", "8:30", "08:30:00", "", "08.30", "٠٨:٣٠", "0٨:3٠"])
def test_a_time_of_another_form_is_an_error_and_never_guessed(wall: str):
    with pytest.raises(ValueError, match="HH:MM"):
        instant(date(2027, 1, 15), wall, BERLIN)


# ------------------------------------------------------------------ next and last


def test_a_week_of_starts_and_stops_in_order():
    found = list(events(a_schedule(), utc("2027-01-15T00:00"), utc("2027-01-19T00:00")))
    assert found == [
        start("2027-01-15T07:30"),
        stop("2027-01-15T18:00"),
        start("2027-01-18T07:30"),
        stop("2027-01-18T18:00"),
    ]


def test_next_is_strictly_after_and_last_is_at_or_before():
    at = utc("2027-01-15T18:00")
    moment = timedelta(microseconds=1)
    assert next_event(a_schedule(), at - moment) == stop("2027-01-15T18:00")
    assert next_event(a_schedule(), at) == start("2027-01-18T07:30")
    assert last_event(a_schedule(), at) == stop("2027-01-15T18:00")
    assert last_event(a_schedule(), at - moment) == start("2027-01-15T07:30")


def test_events_are_strictly_after_and_at_or_before():
    begin, end = utc("2027-01-15T07:30"), utc("2027-01-15T18:00")
    assert list(events(a_schedule(), begin, end)) == [stop("2027-01-15T18:00")]
    assert list(events(a_schedule(), end, begin)) == []


def test_the_next_event_of_a_kind():
    now = utc("2027-01-15T12:00")
    assert next_event(a_schedule(), now, kind=Kind.STOP) == stop("2027-01-15T18:00")
    assert next_event(a_schedule(), now, kind=Kind.START) == start("2027-01-18T07:30")


def test_a_schedule_that_only_stops_never_starts():
    only_stops = a_schedule(start=None)
    assert next_event(only_stops, utc("2027-01-15T12:00"), kind=Kind.START) is None
    assert next_event(only_stops, utc("2027-01-15T12:00")) == stop("2027-01-15T18:00")


def test_times_given_in_another_zone_mean_the_same_moment():
    tokyo = utc("2027-01-15T18:00").astimezone(ZoneInfo("Asia/Tokyo"))
    assert next_event(a_schedule(), tokyo) == start("2027-01-18T07:30")
    assert last_event(a_schedule(), tokyo) == stop("2027-01-15T18:00")
    found = next_event(a_schedule(), tokyo)
    assert found is not None and found.at.tzinfo is UTC


def test_midnight_and_one_minute_before_are_on_their_own_dates():
    edges = of_blocks(Block(days=("tue",), start="00:00", stop="23:59"))
    assert list(events(edges, utc("2027-01-10T00:00"), utc("2027-01-17T00:00"))) == [
        start("2027-01-11T23:00"),
        stop("2027-01-12T22:59"),
    ]


def test_the_29th_of_february_is_a_day_like_others():
    daily = a_schedule(start=None, days=EVERY_DAY)
    found = [event.at.date() for event in events(daily, utc("2028-02-27T20:00"), utc("2028-03-01T20:00"))]
    assert found == [date(2028, 2, 28), date(2028, 2, 29), date(2028, 3, 1)]


def test_several_blocks_take_turns():
    lessons = of_blocks(
        Block(days=WORKDAYS, start="13:00", stop="17:00"),
        Block(days=("mon", "wed"), start="08:00", stop="12:00"),
        Block(days=("sat",), stop="10:00"),
    )
    found = [
        (f"{e.at.astimezone(BERLIN):%a %H:%M}", e.kind) for e in events(lessons, utc("2027-01-18"), utc("2027-01-20"))
    ]
    assert found == [
        ("Mon 08:00", Kind.START),
        ("Mon 12:00", Kind.STOP),
        ("Mon 13:00", Kind.START),
        ("Mon 17:00", Kind.STOP),
        ("Tue 13:00", Kind.START),
        ("Tue 17:00", Kind.STOP),
    ]


def test_a_night_over_midnight_is_two_blocks():
    night = of_blocks(Block(days=("fri",), start="22:00"), Block(days=("sat",), stop="06:00"))
    assert problems(night) == []
    assert next_event(night, utc("2027-01-15T12:00")) == start("2027-01-15T21:00")
    assert next_event(night, utc("2027-01-15T21:00")) == stop("2027-01-16T05:00")
    assert last_event(night, utc("2027-01-16T00:30")) == start("2027-01-15T21:00")


# ---- until and skip


def test_the_last_day_is_the_until_date_itself():
    ending = a_schedule(until=date(2027, 1, 15))
    assert next_event(ending, utc("2027-01-15T12:00")) == stop("2027-01-15T18:00")
    assert next_event(ending, utc("2027-01-15T18:00")) is None


def test_until_is_a_local_date():
    tokyo = Schedule(time_zone="Asia/Tokyo", start="08:00", days=EVERY_DAY, until=date(2027, 1, 15))
    assert next_event(tokyo, utc("2027-01-14T12:00")) == start("2027-01-14T23:00"), "the 15th in Tokyo"
    assert next_event(tokyo, utc("2027-01-14T23:00")) is None, "although it is the 14th in UTC"


def test_the_last_event_of_a_schedule_that_ended_years_ago_is_known():
    ended = a_schedule(until=date(2019, 5, 31))
    assert next_event(ended, utc("2027-01-15T12:00")) is None
    assert last_event(ended, utc("2027-01-15T12:00")) == stop("2019-05-31T17:00")


def test_skipped_dates_have_neither_start_nor_stop():
    holidays = a_schedule(skip=(date(2027, 1, 18), date(2027, 1, 19)))
    assert next_event(holidays, utc("2027-01-15T18:00")) == start("2027-01-20T07:30")
    assert last_event(holidays, utc("2027-01-20T07:00")) == stop("2027-01-15T18:00")


def test_skip_is_about_the_date_an_event_is_for_and_not_the_one_it_slips_to():
    samoa = Schedule(time_zone="Pacific/Apia", stop="12:00", days=EVERY_DAY)
    around = (utc("2011-12-29T23:00"), utc("2011-12-31T12:00"))
    assert list(events(samoa, *around)) == [stop("2011-12-30T10:00"), stop("2011-12-30T22:00")]
    for skipped, left in ((30, [stop("2011-12-30T22:00")]), (31, [stop("2011-12-30T10:00")])):
        assert list(events(replace(samoa, skip=(date(2011, 12, skipped),)), *around)) == left


@pytest.mark.parametrize(
    "never",
    [
        a_schedule(until=date(2020, 1, 1)),
        a_schedule(days=("mon",), skip=tuple(date(2027, 1, 18) + timedelta(weeks=n) for n in range(200))),
        a_schedule(days=()),
        a_schedule(start=None, stop=None),
    ],
    ids=["ended", "every Monday skipped", "no days", "no times"],
)
def test_a_schedule_without_a_next_event_says_so_quickly(never: Schedule):
    began = time.process_time()
    assert next_event(never, utc("2027-01-15T18:00")) is None
    assert next_event(never, utc("2027-01-15T18:00"), kind=Kind.STOP) is None
    assert time.process_time() - began < 0.1


@pytest.mark.parametrize("never", [a_schedule(days=()), a_schedule(start=None, stop=None)], ids=["no days", "no times"])
def test_a_schedule_that_does_nothing_did_nothing_either(never: Schedule):
    assert last_event(never, utc("2027-01-15T18:00")) is None


def test_the_search_ends_after_two_years_either_way():
    assert 730 <= SEARCH_DAYS <= 740
    monday = date(2027, 1, 18)
    far = SEARCH_DAYS // 7 + 2
    ahead = a_schedule(days=("mon",), skip=tuple(monday + timedelta(weeks=n) for n in range(far)))
    assert next_event(ahead, utc("2027-01-15T18:00")) is None
    assert next_event(ahead, utc("2027-01-15T18:00") + timedelta(weeks=3)) is not None
    behind = a_schedule(days=("mon",), skip=tuple(monday - timedelta(weeks=n) for n in range(far)))
    assert last_event(behind, utc("2027-01-18T20:00")) is None
    assert last_event(behind, utc("2027-01-18T20:00") - timedelta(weeks=3)) is not None


@pytest.mark.parametrize("now", [utc("0001-01-08"), utc("9999-12-20")])
def test_the_ends_of_the_calendar_are_no_trouble(now: datetime):
    never_ending = a_schedule(until=date.max, skip=(date.min, date.max))
    assert next_event(never_ending, now) is not None
    assert last_event(never_ending, now) is not None


# ---- a stop that was called off


def test_a_called_off_stop_is_as_if_it_were_not_there():
    called_off = utc("2027-01-15T18:00")
    friday = utc("2027-01-15T12:00")
    assert next_event(a_schedule(), friday, ignoring=called_off) == start("2027-01-18T07:30")
    assert next_event(a_schedule(), friday, kind=Kind.STOP, ignoring=called_off) == stop("2027-01-18T18:00")
    assert last_event(a_schedule(), utc("2027-01-16T12:00"), ignoring=called_off) == start("2027-01-15T07:30")


def test_only_a_stop_at_exactly_that_instant_is_called_off():
    friday = utc("2027-01-15T12:00")
    assert next_event(a_schedule(), friday, ignoring=utc("2027-01-15T18:01")) == stop("2027-01-15T18:00")
    a_start = utc("2027-01-18T07:30")
    assert next_event(a_schedule(), utc("2027-01-15T18:00"), ignoring=a_start) == start("2027-01-18T07:30")


# ---- several events at one instant

GAP = utc("2027-03-28T01:00")  # Berlin, 02:00 -> 03:00, a Sunday
BEFORE_GAP = GAP - timedelta(minutes=30)


def test_a_start_and_a_later_stop_in_one_gap_leave_the_hub_stopped():
    within = of_blocks(Block(days=("sun",), start="02:10", stop="02:40"))
    both = [Occurrence(GAP, Kind.START), Occurrence(GAP, Kind.STOP)]
    assert list(events(within, BEFORE_GAP, GAP)) == both
    assert last_event(within, GAP) == both[1]
    assert next_event(within, BEFORE_GAP) == both[1]
    assert next_event(within, BEFORE_GAP, kind=Kind.START) == start("2027-04-04T00:10"), "nobody is started for nothing"


def test_a_stop_and_a_later_start_in_one_gap_leave_the_hub_running():
    across = of_blocks(Block(days=("sun",), stop="02:10"), Block(days=("sun",), start="02:40"))
    both = [Occurrence(GAP, Kind.STOP), Occurrence(GAP, Kind.START)]
    assert list(events(across, BEFORE_GAP, GAP)) == both
    assert last_event(across, GAP) == both[1]
    assert next_event(across, BEFORE_GAP) == both[1]
    assert next_event(across, BEFORE_GAP, kind=Kind.STOP) == stop("2027-04-04T00:10")


def test_at_the_same_wall_time_the_stop_wins():
    same = a_schedule(start="08:30", stop="08:30")  # refused today, but a row may be older than the rule
    now = utc("2027-01-15T00:00")
    assert [event.kind for event in events(same, now, utc("2027-01-15T12:00"))] == [Kind.START, Kind.STOP]
    assert next_event(same, now) == stop("2027-01-15T07:30")
    assert next_event(same, now, kind=Kind.START) is None


def test_a_called_off_stop_no_longer_overrules_the_start_of_its_instant():
    within = of_blocks(Block(days=("sun",), start="02:10", stop="02:40"))
    assert next_event(within, BEFORE_GAP, ignoring=GAP) == Occurrence(GAP, Kind.START)
    assert last_event(within, GAP, ignoring=GAP) == Occurrence(GAP, Kind.START)


def test_the_same_event_twice_occurs_once():
    twins = of_blocks(Block(days=("mon",), stop="19:00"), Block(days=("mon", "tue"), stop="19:00"))
    assert list(events(twins, utc("2027-01-18"), utc("2027-01-19"))) == [stop("2027-01-18T18:00")]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"])
@pytest.mark.parametrize("wall", ["00:00", "01:45", "02:15", "02:30", "23:59"])
def test_an_event_happens_exactly_once_on_every_date_of_ten_years(zone: str, wall: str):
    daily = Schedule(time_zone=zone, stop=wall, days=EVERY_DAY)
    begin, end = date(2024, 1, 1), date(2034, 1, 1)
    found = list(events(daily, instant(begin, wall, ZoneInfo(zone)), instant(end, wall, ZoneInfo(zone))))
    assert [event.at.astimezone(ZoneInfo(zone)).date() for event in found] == [
        begin + timedelta(days=n) for n in range(1, (end - begin).days + 1)
    ]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Lord_Howe", "America/Santiago"])
def test_following_the_next_event_visits_what_events_lists(zone: str):
    plan = Schedule(
        time_zone=zone,
        blocks=(Block(days=EVERY_DAY, start="00:10", stop="01:40"), Block(days=EVERY_DAY, start="02:20", stop="02:50")),
    )
    at, end = utc("2026-12-31T00:00"), utc("2028-01-01T00:00")
    listed = {event.at: event for event in events(plan, at, end)}  # the last of each instant
    followed = []
    while (event := next_event(plan, at)) is not None and event.at <= end:
        followed.append(event)
        assert last_event(plan, event.at) == event
        at = event.at
    assert followed == list(listed.values())
    assert all(earlier.at < later.at for earlier, later in pairwise(followed))


# ------------------------------------------------------------------ mistakes


def found_in(plan: Schedule) -> list[tuple[str, str]]:
    return [(problem.pointer, problem.code) for problem in problems(plan)]


def test_good_schedules_have_no_problems():
    assert problems(a_schedule()) == []
    assert problems(a_schedule(start=None)) == []
    assert problems(a_schedule(stop=None)) == []
    assert problems(a_schedule(until=date(2020, 1, 1), skip=(date(2027, 1, 1), date(2027, 5, 6)))) == []
    assert problems(of_blocks(Block(days=("mon",), start="00:00", stop="23:59"))) == []


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Berlin",
        "Mars/Olympus_Mons",
        "europe/berlin",
        "Europe/Berlin ",
        "Europe/Berlin\0",
        "../../etc/passwd",
        "../zoneinfo/Europe/Berlin",
        "Europe/../Europe/Berlin",
        "Europe/./Berlin",
        "/usr/share/zoneinfo/Europe/Berlin",
        "Europe\\Berlin",
        "Europe",
        "tzdata.zi",
        "zone.tab",
        "leapseconds",
        "posixrules",
        "posix/Europe/Berlin",
        "right/Europe/Berlin",
        "localtime",
        "Factory",
        "CET-1CEST",
        "A" * 5000,
    ],
)
def test_what_is_not_a_name_of_the_zone_database_is_refused(name: str):
    assert found_in(a_schedule(time_zone=name)) == [("/timeZone", "UnknownTimeZone")]


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "Europe", "tzdata.zi", "leapseconds", "No/Zone"])
def test_a_stored_name_that_is_no_zone_opens_no_file_and_is_one_kind_of_error(name: str):
    with pytest.raises(ZoneInfoNotFoundError):
        next_event(a_schedule(time_zone=name), utc("2027-01-15T12:00"))


def test_every_zone_of_the_database_can_be_used():
    for name in available_timezones() - {"Factory", "localtime"}:
        assert is_time_zone(name)
        assert next_event(a_schedule(time_zone=name), utc("2027-01-15T12:00")) is not None


def test_no_time_at_all_is_a_mistake():
    assert found_in(of_blocks()) == [("", "MissingField")]
    assert found_in(a_schedule(start=None, stop=None)) == [("", "MissingField")], "days alone are no schedule"


def test_a_block_without_start_and_stop_is_a_mistake():
    blocks = (Block(days=("mon",), stop="19:00"), Block(days=("tue",)))
    assert found_in(of_blocks(*blocks)) == [("/blocks/1", "MissingField")]


def test_a_block_without_days_is_a_mistake():
    assert found_in(a_schedule(days=())) == [("/days", "MissingField")]
    assert found_in(of_blocks(Block(days=(), stop="19:00"))) == [("/blocks/0/days", "MissingField")]


@pytest.mark.parametrize("short", [{"start": "08:30"}, {"stop": "19:00"}, {"days": WORKDAYS}])
def test_the_short_form_and_blocks_contradict_each_other(short: dict[str, Any]):
    both = replace(of_blocks(Block(days=("sat",), stop="19:00")), **{"days": WORKDAYS, **short})
    assert found_in(both) == [("/blocks", "Contradiction")]
    (problem,) = problems(both)
    assert "`blocks`" in problem.detail


@pytest.mark.parametrize("ends", ["08:30", "08:29", "00:00"])
def test_a_stop_before_its_start_is_refused_with_the_way_to_write_a_night(ends: str):
    assert found_in(a_schedule(stop=ends)) == [("/stop", "StopBeforeStart")]
    [problem] = problems(of_blocks(Block(days=("fri",), start="08:30", stop=ends)))
    assert (problem.pointer, problem.code) == ("/blocks/0/stop", "StopBeforeStart")
    assert "two blocks" in problem.detail and "only `start`" in problem.detail and "only `stop`" in problem.detail


DAYTIME = Block(days=("mon", "tue"), start="08:00", stop="12:00")


@pytest.mark.parametrize(
    "other",
    [
        Block(days=("tue", "wed"), start="11:59", stop="13:00"),
        Block(days=("tue",), start="09:00", stop="10:00"),
        Block(days=("tue",), start="07:00", stop="13:00"),
        Block(days=("tue",), start="12:00", stop="13:00"),
        Block(days=("tue",), start="07:00", stop="08:00"),
        Block(days=("tue",), stop="10:00"),
        Block(days=("tue",), start="08:00"),
        Block(days=("tue",), stop="12:00"),
        DAYTIME,
    ],
)
def test_blocks_that_overlap_on_a_common_day_are_refused(other: Block):
    assert found_in(of_blocks(DAYTIME, other)) == [("/blocks/1", "OverlappingBlocks")]
    assert found_in(of_blocks(other, DAYTIME)) == [("/blocks/1", "OverlappingBlocks")]
    (problem,) = problems(of_blocks(other, DAYTIME))
    assert "`/blocks/0`" in problem.detail


def test_a_block_with_a_mistake_is_compared_with_no_other():
    backwards = Block(days=("tue",), start="11:00", stop="09:00")
    assert found_in(of_blocks(DAYTIME, backwards)) == [("/blocks/1/stop", "StopBeforeStart")]
    assert found_in(of_blocks(backwards, DAYTIME)) == [("/blocks/0/stop", "StopBeforeStart")]


@pytest.mark.parametrize(
    "other",
    [
        Block(days=("wed",), start="08:00", stop="12:00"),
        Block(days=("tue",), start="12:01", stop="13:00"),
        Block(days=("tue",), stop="12:01"),
        Block(days=("tue",), start="07:59"),
    ],
)
def test_blocks_beside_each_other_are_fine(other: Block):
    assert problems(of_blocks(DAYTIME, other)) == []


def test_the_same_point_twice_overlaps():
    point = Block(days=("mon",), stop="19:00")
    assert found_in(of_blocks(point, point)) == [("/blocks/1", "OverlappingBlocks")]
    opposite = Block(days=("mon",), start="19:00")
    assert found_in(of_blocks(point, opposite)) == [("/blocks/1", "OverlappingBlocks")]


def test_at_most_14_blocks():
    blocks = [Block(days=(day,), stop=wall) for day in EVERY_DAY for wall in ("12:00", "19:00")]
    assert len(blocks) == MAX_BLOCKS
    assert problems(of_blocks(*blocks)) == []
    assert found_in(of_blocks(*blocks, Block(days=("mon",), stop="20:00"))) == [("/blocks", "TooLong")]


def test_thousands_of_blocks_are_refused_without_comparing_them_all():
    began = time.process_time()
    assert found_in(of_blocks(*[DAYTIME] * 20_000)) == [("/blocks", "TooLong")]
    assert time.process_time() - began < 0.5


def test_the_same_date_skipped_twice_is_a_mistake():
    dates = (date(2027, 1, 1), date(2027, 5, 6), date(2027, 1, 1), date(2027, 1, 1))
    assert found_in(a_schedule(skip=dates)) == [("/skip/2", "Duplicate"), ("/skip/3", "Duplicate")]


def test_all_mistakes_are_found_at_once():
    wrong = a_schedule(
        time_zone="Nowhere",
        days=(),
        blocks=(DAYTIME, DAYTIME, Block(days=("sun",), start="10:00", stop="09:00"), Block(days=("sat",))),
        skip=(date(2027, 1, 1),) * 2,
    )
    assert found_in(wrong) == [
        ("/timeZone", "UnknownTimeZone"),
        ("/blocks", "Contradiction"),
        ("/days", "MissingField"),
        ("/blocks/1", "OverlappingBlocks"),
        ("/blocks/2/stop", "StopBeforeStart"),
        ("/blocks/3", "MissingField"),
        ("/skip/1", "Duplicate"),
    ]


@pytest.mark.parametrize("wall", ["", "8:30", "25:00", "24:00", "noon", "08:30:00", "\0", "9" * 1000])
@pytest.mark.parametrize("day", ["mon", "monday", "", "\0"])
def test_what_breaks_the_grammar_of_a_field_is_passed_over(wall: str, day: str):
    odd = Block(days=(day,), start=wall, stop=wall)
    for plan in (of_blocks(odd, odd), a_schedule(start=wall, stop=wall, days=(day, day))):
        assert all(isinstance(problem, Problem) for problem in problems(plan))
        assert describe(plan)
    assert problems(of_blocks(Block(days=("mon",), start=wall, stop="19:00"))) == []


def test_no_detail_quotes_what_was_sent():
    wrong = a_schedule(time_zone="Secret/Place", start="11:11", stop="10:10", skip=(date(2027, 1, 1),) * 2)
    told = " ".join(problem.detail for problem in problems(wrong))
    assert not [sent for sent in ("Secret", "11:11", "10:10", "2027") if sent in told]


# ------------------------------------------------------------------ in words


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (a_schedule(), "mon-fri 08:30-19:00 Europe/Berlin"),
        (a_schedule(start=None, days=EVERY_DAY), "daily stop 19:00 Europe/Berlin"),
        (a_schedule(stop=None, days=("sun", "sat")), "sat+sun start 08:30 Europe/Berlin"),
        (a_schedule(days=("mon", "tue", "wed", "sat")), "mon-wed+sat 08:30-19:00 Europe/Berlin"),
        (
            of_blocks(Block(days=("fri",), start="22:00"), Block(days=("sat",), stop="06:00")),
            "fri start 22:00, sat stop 06:00 Europe/Berlin",
        ),
        (a_schedule(until=date(2027, 7, 31)), "mon-fri 08:30-19:00 Europe/Berlin until 2027-07-31"),
        (
            a_schedule(skip=(date(2027, 5, 6), date(2027, 1, 1))),
            "mon-fri 08:30-19:00 Europe/Berlin except 2027-01-01, 2027-05-06",
        ),
        (
            a_schedule(skip=tuple(date(2027, 5, n) for n in range(1, 5))),
            "mon-fri 08:30-19:00 Europe/Berlin except 2027-05-01, 2027-05-02, 2027-05-03 and 1 more",
        ),
        (
            a_schedule(skip=tuple(date(2027, 5, n) for n in range(1, 4))),
            "mon-fri 08:30-19:00 Europe/Berlin except 2027-05-01, 2027-05-02, 2027-05-03",
        ),
        (of_blocks(), "no starts or stops Europe/Berlin"),
        (a_schedule(days=()), "on no day 08:30-19:00 Europe/Berlin"),
        (of_blocks(Block(days=("mon",))), "mon without times Europe/Berlin"),
    ],
)
def test_a_schedule_in_words(plan: Schedule, words: str):
    assert describe(plan) == words


# ------------------------------------------------------------------ the oracle


@pytest.mark.parametrize(
    ("cases", "zones"), [(1_000, 400), pytest.param(10_000, 500, marks=pytest.mark.slow)], ids=["some", "many"]
)
def test_random_cases_are_as_the_minute_table_says(cases: int, zones: int):
    report = oracle.run(cases, seed=20270328)
    assert report.examples == ()
    assert report.mismatches == 0
    assert report.cases == cases
    assert report.zones > zones
    assert report.at_changes > cases / 4, "too few cases where it matters"
    assert report.slipped > cases * 0.015, "too few cases in a gap"


@pytest.mark.parametrize(
    "zone",
    [
        "Africa/Casablanca",  # changes most often, and beside the usual days
        *(
            pytest.param(zone, marks=pytest.mark.slow)
            for zone in ("Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu")
        ),
    ],
)
def test_the_oracles_table_is_what_a_walk_through_every_minute_finds(zone: str):
    stretches = oracle.table(ZoneInfo(zone))
    assert oracle.table(ZoneInfo(zone), stride=1) == stretches
    assert (stretches[0].begin, stretches[-1].end) == (oracle.minute(oracle.BEGIN), oracle.minute(oracle.END))
    for stretch, following in pairwise(stretches):
        assert stretch.end == following.begin
    for stretch in stretches:
        for at in (stretch.begin, stretch.end - 1):
            assert oracle.moment(at).astimezone(ZoneInfo(zone)).utcoffset() == timedelta(minutes=stretch.offset)


type Rule = Callable[[date, str, ZoneInfo], datetime]


def by_rule(rule: Rule) -> oracle.Subject:
    """A second, slow schedule that lists all events around the moment; what differs is when a wall time happens."""

    def around(plan: Schedule, now: datetime) -> list[Occurrence]:
        zone = ZoneInfo(plan.time_zone)
        found = []
        for n in range(-45, 25):
            day = now.astimezone(zone).date() + timedelta(days=n)
            if day in plan.skip or (plan.until is not None and day > plan.until):
                continue
            for block in plan.all_blocks:
                if EVERY_DAY[day.weekday()] in block.days:
                    for wall, kind in ((block.start, Kind.START), (block.stop, Kind.STOP)):
                        if wall is not None:
                            found.append((rule(day, wall, zone), day, wall, kind))
        ordered = sorted(set(found), key=lambda one: (one[0], one[1], one[2], one[3] is Kind.STOP))
        return [Occurrence(at, kind) for at, _, _, kind in ordered]

    def following(
        plan: Schedule, after: datetime, *, kind: Kind | None = None, ignoring: datetime | None = None
    ) -> Occurrence | None:
        known = [
            one for one in around(plan, after) if one.at > after and one != Occurrence(ignoring or after, Kind.STOP)
        ]
        deciding = {one.at: one for one in known}.values()
        return next((one for one in deciding if kind in (None, one.kind)), None)

    def last(plan: Schedule, upto: datetime, *, ignoring: datetime | None = None) -> Occurrence | None:
        known = [one for one in around(plan, upto) if one.at <= upto]
        return next((one for one in reversed(known) if one.at != ignoring or one.kind is Kind.START), None)

    def between(plan: Schedule, after: datetime, upto: datetime) -> Iterator[Occurrence]:
        return (one for one in around(plan, after) if after < one.at <= upto)

    return oracle.Subject(following, last, between)


def shifted_by_the_gap(day: date, wall: str, zone: ZoneInfo) -> datetime:
    """What most programs do: 02:30 in a gap of an hour becomes 03:30."""
    return datetime.fromisoformat(f"{day}T{wall}").replace(tzinfo=zone).astimezone(UTC)


def second_of_two(day: date, wall: str, zone: ZoneInfo) -> datetime:
    right = instant(day, wall, zone)
    shown = datetime.fromisoformat(f"{day}T{wall}")
    later = shown.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return later if later.astimezone(zone).replace(tzinfo=None) == shown else right


def before_the_gap(day: date, wall: str, zone: ZoneInfo) -> datetime:
    return datetime.fromisoformat(f"{day}T{wall}").replace(tzinfo=zone, fold=1).astimezone(UTC)


CLOCKS_THAT_CHANGE = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago")


def judge(subject: oracle.Subject) -> oracle.Report:
    return oracle.run(150, seed=5, subject=subject, zones=CLOCKS_THAT_CHANGE)


def test_the_oracle_agrees_with_another_program_of_the_same_rule():
    report = judge(by_rule(instant))
    assert report.mismatches == 0, report.examples


@pytest.mark.parametrize("wrong", [shifted_by_the_gap, second_of_two, before_the_gap])
def test_the_oracle_sees_a_wrong_rule(wrong: Rule):
    report = judge(by_rule(wrong))
    assert report.mismatches > 0
    assert report.examples


@pytest.mark.parametrize(
    "planted",
    [
        oracle.Subject(next_event=lambda plan, after, **more: next_event(plan, after - timedelta(seconds=1), **more)),
        oracle.Subject(last_event=lambda plan, upto, **more: last_event(plan, upto - timedelta(seconds=1), **more)),
        oracle.Subject(next_event=lambda plan, after, kind, ignoring: next_event(plan, after, kind=kind)),
        oracle.Subject(next_event=lambda plan, after, **more: next_event(replace(plan, skip=()), after, **more)),
        oracle.Subject(last_event=lambda plan, upto, **more: last_event(replace(plan, until=None), upto, **more)),
    ],
    ids=["at counts as after", "at is not counted", "nothing called off", "nothing skipped", "no until"],
)
def test_the_oracle_sees_other_mistakes(planted: oracle.Subject):
    assert judge(planted).mismatches > 0


def test_importing_it_loads_the_standard_library_and_the_model_only():
    code = "import sys; known = set(sys.modules); import shared.hubs.schedule; print(*(set(sys.modules) - known))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = run.stdout.split()
    ours = {name for name in loaded if name.startswith("shared.")}
    model = {f"shared.hubs{name}" for name in ("", ".model", ".schedule", ".meter", ".states")}
    assert ours <= model
    others = {name.partition(".")[0] for name in loaded if not name.startswith(("shared", "_sysconfigdata"))}
    assert others <= set(sys.stdlib_module_names)


# ---- zones as people type them


@pytest.mark.parametrize(
    ("typed", "zone"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("Berlin", "Europe/Berlin"),
        (" new york ", "America/New_York"),
        ("utc", "UTC"),
        ("Louisville", None),  # there are two
        ("localtime", None),
        ("../etc/passwd", None),
        ("Mars", None),
        ("", None),
    ],
)
def test_a_zone_is_found_by_what_people_call_it(typed: str, zone: str | None):
    assert zone_like(typed) == zone
