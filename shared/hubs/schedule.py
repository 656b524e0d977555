"""When a schedule starts and stops its hub. Pure: nothing here reads a clock.

The rule. A start or stop happens exactly once for each local date it is meant for: at the first instant at which the
wall clock of the zone shows that date and time, or a later one. So

* where the clock is set back and a time comes twice, it is the first of the two;
* where the clock is set forward and a time is left out, it is the moment right after the gap (a stop at 02:30 and
  one at 02:59 both happen when the clock jumps from 02:00 to 03:00);
* where a zone leaves out a whole date, it is the first moment of the next one.

`days`, `until` and `skip` are about the local date an event is meant for, not about the date it may slip to.

Several events at one instant (two times in one gap): they occur in the order of their wall times, and at the same
wall time the stop comes after the start. Only the last one decides; the others are over in the same moment, and a hub
must not be started only to be stopped. So stop 02:10 and start 02:40 in one gap leave the hub running, start 02:10
and stop 02:40 leave it stopped. `events` lists them all; `next_event` and `last_event` name only those that decide.

Later dates and times never come before earlier ones by this rule, so walking through days in order is enough.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from shared.hubs.model import Block, Schedule

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

MAX_BLOCKS = 14
"""Two for each day of the week."""

SEARCH_DAYS = 2 * 366
"""How many days `next_event` and `last_event` look at. Days repeat weekly, so only `skip` can make a longer pause; a
pause of two years is nobody's schedule, and a search without end would be a gift to whoever sends one."""

_LAST_DAY = date.max.toordinal() - 3
"""Far enough from the end of Python's calendar for every offset."""

_SECOND = timedelta(seconds=1)

_WALL = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d", re.ASCII)

_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,31}(?:/[A-Za-z][A-Za-z0-9_+-]{0,31}){0,2}")
"""No dots and no slash at an end: `zoneinfo` opens a file of that name."""

ZONE_ADVICE = "Write a name of the IANA time zone database, such as Europe/Berlin."

_NO_ZONES = frozenset({"Factory", "localtime"})
"""In the database's folder, but no place: "not set", and whatever the computer itself uses."""


class Kind(StrEnum):
    START = "start"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A start or stop at this moment. `at` is aware UTC."""

    at: datetime
    kind: Kind


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. `pointer`: JSON pointer below the schedule ("" = the schedule itself). `detail` quotes no value."""

    pointer: str
    code: str
    detail: str


# ------------------------------------------------------------------ when


def instant(day: date, wall: str, zone: ZoneInfo) -> datetime:
    """The moment (UTC) at which `wall` (`HH:MM`) of that local date happens: the rule at the top of this module.

    Raises ValueError for a time of another form.
    """
    return _first(day, _time(wall), zone)


def next_event(
    schedule: Schedule, after: datetime, *, kind: Kind | None = None, ignoring: datetime | None = None
) -> Occurrence | None:
    """The first event (of this kind) strictly after `after`, an aware time. None = there is none within two years.

    `ignoring`: the instant of a stop that was called off; it is as if it were not there, a start at that instant stays.
    An event that another one at the same instant overrules is passed over.
    Raises ZoneInfoNotFoundError or ValueError for a schedule that `problems` or the field grammar refuses.
    """
    if kind is not None and not any(its is kind for times in _week(schedule.all_blocks) for _, its in times):
        return None  # a schedule that only stops is common; its start is not looked for in two years of days
    found: Occurrence | None = None
    for event in _after(schedule, after, SEARCH_DAYS):
        if event.at == ignoring and event.kind is Kind.STOP:
            continue
        if found is not None and found.at != event.at and kind in (None, found.kind):
            return found
        found = event
    return found if found is not None and kind in (None, found.kind) else None


def last_event(schedule: Schedule, upto: datetime, *, ignoring: datetime | None = None) -> Occurrence | None:
    """The last event at or before `upto`, an aware time: what the schedule wants at that time. None = there is none
    within the two years before (or before `until`). `ignoring` and errors as for `next_event`."""
    zone, week, skip = _zone(schedule.time_zone), _week(schedule.all_blocks), frozenset(schedule.skip)
    if not any(week):
        return None
    # One day more than the clock shows: it may have been set back over midnight since.
    newest = min(_local_day(upto, zone) + 1, _last_day(schedule))
    for ordinal in range(newest, max(newest - SEARCH_DAYS, 3), -1):
        for wall, kind in reversed(_events_of(ordinal, week, skip)):
            at = _first(date.fromordinal(ordinal), wall, zone)
            if at <= upto and not (at == ignoring and kind is Kind.STOP):
                return Occurrence(at, kind)
    return None


def events(schedule: Schedule, after: datetime, upto: datetime) -> Iterator[Occurrence]:
    """All events strictly after `after` and at or before `upto` (aware times), in order. Errors as for `next_event`."""
    for event in _after(schedule, after, max((upto - after).days, 0) + 4):
        if event.at > upto:
            return
        yield event


def _after(schedule: Schedule, after: datetime, days: int) -> Iterator[Occurrence]:
    """Events after `after` in order, of so many local dates from the present one on."""
    zone, week, skip = _zone(schedule.time_zone), _week(schedule.all_blocks), frozenset(schedule.skip)
    if not any(week):
        return
    # No earlier date: all its times have been shown or passed, or the clock would not show this one.
    today = _local_day(after, zone)
    for ordinal in range(today, min(today + days, _last_day(schedule) + 1)):
        for wall, kind in _events_of(ordinal, week, skip):
            at = _first(date.fromordinal(ordinal), wall, zone)
            if at > after:
                yield Occurrence(at, kind)


type _Times = Sequence[tuple[time, Kind]]


@lru_cache(maxsize=1024)  # a hub's schedule is asked several times in each visit
def _week(blocks: tuple[Block, ...]) -> tuple[_Times, ...]:
    """Times and kinds by weekday (0 = Monday), in the order in which they happen."""
    week: list[set[tuple[time, Kind]]] = [set() for _ in DAYS]
    for block in blocks:
        written = ((block.start, Kind.START), (block.stop, Kind.STOP))
        times = [(_time(wall), kind) for wall, kind in written if wall is not None]
        for day in block.days:
            week[DAYS.index(day)].update(times)
    return tuple(tuple(sorted(times, key=lambda event: (event[0], event[1] is Kind.STOP))) for times in week)


def _events_of(ordinal: int, week: Sequence[_Times], skip: frozenset[date]) -> _Times:
    times = week[(ordinal + 6) % 7]
    return () if times and skip and date.fromordinal(ordinal) in skip else times


def _local_day(moment: datetime, zone: ZoneInfo) -> int:
    return moment.astimezone(zone).toordinal()


def _last_day(schedule: Schedule) -> int:
    return _LAST_DAY if schedule.until is None else min(schedule.until.toordinal(), _LAST_DAY)


def _first(day: date, wall: time, zone: ZoneInfo) -> datetime:
    """The first instant at which the clock of `zone` shows this date and time or a later one."""
    wanted = datetime.combine(day, wall, zone)  # fold=0: the first of two
    at = wanted.astimezone(UTC)
    if at.astimezone(zone) == wanted:  # in one zone, what the clocks show is compared
        return at
    # In a gap. With the offset from before the gap, `at` comes after it; with the other offset (fold=1) before it.
    before = wanted.replace(fold=1).astimezone(UTC)
    shown = wanted.replace(tzinfo=None)
    while at - before > _SECOND:
        middle = before + (at - before) // _SECOND // 2 * _SECOND
        if middle.astimezone(zone).replace(tzinfo=None) >= shown:
            at = middle
        else:
            before = middle
    return at


def _time(wall: str) -> time:
    if not _WALL.fullmatch(wall):
        raise ValueError("a time of day is written HH:MM")
    return time(int(wall[:2]), int(wall[3:]))


@cache  # holds no more than the database has: what is not found is not kept
def _zone(name: str) -> ZoneInfo:
    if not _ZONE.fullmatch(name):
        raise ZoneInfoNotFoundError("no such time zone")
    try:
        return ZoneInfo(name)
    except (ValueError, OSError):  # a file or folder that is no zone
        raise ZoneInfoNotFoundError("no such time zone") from None


# ------------------------------------------------------------------ what is wrong with it


def problems(schedule: Schedule) -> list[Problem]:
    """Every mistake of what the fields mean together; [] = a schedule that can be kept. Never raises.

    What breaks the grammar of a field (times, names of days) is another check's and is passed over here, and so is an
    `until` that has passed.
    """
    return [*_of_the_whole(schedule), *_of_blocks(schedule), *_of_skip(schedule)]


def is_time_zone(name: str) -> bool:
    """Whether the IANA database has a zone of exactly this name. Opens no file of that name."""
    return bool(_ZONE.fullmatch(name)) and name in _known_zones()


def zone_like(text: str) -> str | None:
    """The zone somebody means who types `europe/berlin` or `Berlin`; None when none, or more than one, is called so."""
    wanted = text.strip().lower().replace(" ", "_")
    known = _known_zones()
    same = [zone for zone in known if zone.lower() == wanted]
    alike = same or [zone for zone in known if "/" in zone and zone.lower().rpartition("/")[2] == wanted]
    return alike[0] if len(alike) == 1 else None


@cache
def _known_zones() -> frozenset[str]:
    """About 50 ms at the first call: the whole folder is looked through."""
    return frozenset(available_timezones()) - _NO_ZONES


def _of_the_whole(schedule: Schedule) -> Iterator[Problem]:
    if not is_time_zone(schedule.time_zone):
        yield Problem("/timeZone", "UnknownTimeZone", ZONE_ADVICE)
    short = schedule.start is not None or schedule.stop is not None
    if not short and not schedule.blocks:
        yield Problem("", "MissingField", "A schedule needs a time to start or to stop, or `blocks`.")
    if schedule.blocks and (short or schedule.days):
        detail = "Write either `start`, `stop` and `days`, or `blocks`: the first are one block in short."
        yield Problem("/blocks", "Contradiction", detail)
    if short:
        yield from _of_block("", Block(days=schedule.days, start=schedule.start, stop=schedule.stop))


def _of_blocks(schedule: Schedule) -> Iterator[Problem]:
    if len(schedule.blocks) > MAX_BLOCKS:
        yield Problem("/blocks", "TooLong", f"A schedule has at most {MAX_BLOCKS} blocks.")
        return
    spans: list[tuple[int, frozenset[str], time, time]] = []
    for index, block in enumerate(schedule.blocks):
        mistakes = list(_of_block(f"/blocks/{index}", block))
        yield from mistakes
        span = None if mistakes else _span(block)
        if span is None:
            continue
        days = frozenset(block.days)
        for other, its_days, first, last in spans:
            if days & its_days and span[0] <= last and first <= span[1]:
                detail = (
                    f"This block overlaps `/blocks/{other}` on a common day. A start or stop at the very edge of "
                    "another block counts as well."
                )
                yield Problem(f"/blocks/{index}", "OverlappingBlocks", detail)
                break
        spans.append((index, days, *span))


def _of_block(where: str, block: Block) -> Iterator[Problem]:
    if block.start is None and block.stop is None:
        yield Problem(where, "MissingField", "A block needs a time to start or to stop.")
    if not block.days:
        yield Problem(f"{where}/days", "MissingField", "A block needs at least one day.")
    span = _span(block)
    if span is not None and block.start is not None and block.stop is not None and span[1] <= span[0]:
        detail = (
            "The stop is not after the start. For a night over midnight write two blocks: one with only `start`, and "
            "one on the next day with only `stop`."
        )
        yield Problem(f"{where}/stop", "StopBeforeStart", detail)


def _span(block: Block) -> tuple[time, time] | None:
    """First and last time of a block, the same where it has only one. None when a time breaks the grammar."""
    first = block.start if block.start is not None else block.stop
    last = block.stop if block.stop is not None else block.start
    if first is None or last is None or not _WALL.fullmatch(first) or not _WALL.fullmatch(last):
        return None
    return _time(first), _time(last)


def _of_skip(schedule: Schedule) -> Iterator[Problem]:
    seen: set[date] = set()
    for index, day in enumerate(schedule.skip):
        if day in seen:
            yield Problem(f"/skip/{index}", "Duplicate", "This date is there already.")
        seen.add(day)


# ------------------------------------------------------------------ for people

_SKIPS_SHOWN = 3


def describe(schedule: Schedule) -> str:
    """The schedule in one line for people: `mon-fri 08:30-19:00 Europe/Berlin`. Never raises."""
    blocks = ", ".join(_block_in_words(block) for block in schedule.all_blocks) or "no starts or stops"
    words = [blocks, schedule.time_zone]
    if schedule.until is not None:
        words.append(f"until {schedule.until.isoformat()}")
    if schedule.skip:
        dates = [day.isoformat() for day in sorted(set(schedule.skip))]
        more = len(dates) - _SKIPS_SHOWN
        shown = ", ".join(dates[:_SKIPS_SHOWN])
        words.append(f"except {shown} and {more} more" if more > 0 else f"except {shown}")
    return " ".join(words)


def _block_in_words(block: Block) -> str:
    days = _days_in_words(block.days)
    if block.start is not None and block.stop is not None:
        return f"{days} {block.start}-{block.stop}"
    if block.start is not None:
        return f"{days} start {block.start}"
    return f"{days} stop {block.stop}" if block.stop is not None else f"{days} without times"


def _days_in_words(days: Sequence[str]) -> str:
    """`mon-fri`, `sat+sun`, `daily`: three and more days in a row become a range."""
    wanted = [day for day in DAYS if day in days]
    if len(wanted) == len(DAYS):
        return "daily"
    rows: list[list[str]] = []
    for day in wanted:
        if rows and DAYS.index(rows[-1][-1]) + 1 == DAYS.index(day):
            rows[-1].append(day)
        else:
            rows.append([day])
    return "+".join(f"{row[0]}-{row[-1]}" if len(row) > 2 else "+".join(row) for row in rows) or "on no day"
