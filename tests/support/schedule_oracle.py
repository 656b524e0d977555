"""What a schedule's next and last event are, by brute force: the judge of `shared/hubs/schedule.py`.

It shares no code with it. Of each zone it has a table of what the wall clock shows at each minute of eight years,
found by walking through them. "When does 02:30 of that date happen" is answered by reading the table from its
beginning until the clock shows that date and time or a later one. Times are whole numbers: minutes since 1970, of UTC
or of a wall clock.

`run(10**6, seed=1)` is the long comparison; from a shell: `python -m tests.support.schedule_oracle 1000000 1`.
"""

import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from shared.hubs import schedule as judged
from shared.hubs.model import Block, Schedule
from shared.hubs.schedule import Kind, Occurrence

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY = 24 * 60
MINUTE = timedelta(minutes=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_DAY = EPOCH.toordinal()
BEGIN, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2032, 1, 1, tzinfo=UTC)
STRIDE = 12 * 60
"""The walk looks every twelve hours, and minute by minute where the offset has changed in between. No zone sets its
clock and takes it back within half a day; a test compares with a walk through every minute."""

SLIP = 2
"""Days by which the UTC date of an event may differ from the date it is meant for: generous."""


def minute(moment: datetime) -> int:
    """The minute (UTC) that `moment` is in."""
    return (moment - EPOCH) // MINUTE


def moment(minute_utc: int) -> datetime:
    return EPOCH + minute_utc * MINUTE


class Stretch(NamedTuple):
    """From `begin` to before `end` (minutes UTC) the wall clock is `offset` minutes ahead of UTC."""

    begin: int
    end: int
    offset: int


def table(zone: ZoneInfo, *, stride: int = STRIDE) -> list[Stretch]:
    """What the wall clock of a zone shows at each minute from BEGIN to END."""
    # `fromutc` reads the fields as UTC; the difference of two times of one zone is that of their fields.
    at, end = BEGIN.replace(tzinfo=zone), END.replace(tzinfo=zone)
    shown, step = zone.fromutc, stride * MINUTE
    found: list[Stretch] = []
    since, offset = at, shown(at) - at
    while at < end:
        following = at + step
        if shown(following) - following != offset:
            while shown(at) - at == offset:
                at += MINUTE
            if at >= end:
                break
            found.append(_stretch(since, at, offset))
            since, offset = at, shown(at) - at
        else:
            at = following
    found.append(_stretch(since, end, offset))
    return found


def _stretch(since: datetime, at: datetime, offset: timedelta) -> Stretch:
    minutes, rest = divmod(offset, MINUTE)
    assert not rest, "an offset with seconds: none has one in these years"
    return Stretch(minute(since.replace(tzinfo=UTC)), minute(at.replace(tzinfo=UTC)), minutes)


def first_minute(clock: Sequence[Stretch], wanted: int) -> int:
    """The first minute (UTC) at which the clock shows `wanted` (wall minutes since 1970) or a later time."""
    for begin, end, offset in clock:
        if end + offset > wanted:  # its last minute shows `wanted` or later
            return max(begin, wanted - offset)
    raise AssertionError("after the table")


class Found(NamedTuple):
    """One event: when it happens, the wall time it was written for, and (at the same one) the stop after the start."""

    at: int
    written: int
    stop: bool

    @property
    def occurrence(self) -> Occurrence:
        return Occurrence(moment(self.at), Kind.STOP if self.stop else Kind.START)


def _minutes(wall: str) -> int:
    return int(wall[:2]) * 60 + int(wall[3:])


class Oracle:
    """Answers for one schedule. `clock` is the table of its zone."""

    def __init__(self, clock: Sequence[Stretch], plan: Schedule) -> None:
        self.clock = clock
        self.until = plan.until.toordinal() if plan.until else None
        self.skip = {day.toordinal() for day in plan.skip}
        blocks = [(block.days, block.start, block.stop) for block in plan.blocks]
        if plan.start is not None or plan.stop is not None:
            blocks.append((plan.days, plan.start, plan.stop))
        self.rows: dict[int, set[tuple[int, bool]]] = {}
        for days, start, end in blocks:
            rows = {(_minutes(wall), stop) for wall, stop in ((start, False), (end, True)) if wall is not None}
            for day in days:
                self.rows.setdefault(DAYS.index(day), set()).update(rows)
        self.kinds = {stop for rows in self.rows.values() for _, stop in rows}
        self._known: dict[int, list[Found]] = {}
        self.first_day = clock[0].begin // DAY + EPOCH_DAY + SLIP
        self.last_day = clock[-1].end // DAY + EPOCH_DAY - SLIP

    def all_of(self, first_day: int, last_day: int, ignoring: datetime | None = None) -> list[Found]:
        """Every event written for these dates, in the order in which they happen."""
        called_off = minute(ignoring) if ignoring is not None and not (ignoring - EPOCH) % MINUTE else None
        until = self.last_day if self.until is None else min(self.until, self.last_day)
        found: list[Found] = []
        for day in range(max(first_day, self.first_day), min(last_day, until) + 1):
            if day not in self.skip:
                found += self._of_day(day)
        if called_off is not None:
            found = [one for one in found if one.at != called_off or not one.stop]
        found.sort()
        return found

    def _of_day(self, day: int) -> list[Found]:
        if day not in self._known:
            midnight = (day - EPOCH_DAY) * DAY
            rows = self.rows.get((day - 1) % 7, ())  # 0001-01-01 was a Monday
            self._known[day] = [
                Found(first_minute(self.clock, midnight + wall), midnight + wall, stop) for wall, stop in rows
            ]
        return self._known[day]

    def next_event(
        self, after: datetime, *, kind: Kind | None = None, ignoring: datetime | None = None
    ) -> Occurrence | None:
        if not self.kinds or (kind is not None and (kind is Kind.STOP) not in self.kinds):
            return None
        today, now, ahead = after.toordinal(), minute(after), 5  # events are at whole minutes: later = another minute
        while True:
            # The last event of each instant, which decides.
            deciding = {one.at: one for one in self.all_of(today - SLIP, today + ahead, ignoring) if one.at > now}
            over = today + ahead >= self.last_day or (self.until is not None and today + ahead > self.until)
            for one in deciding.values():
                if not over and one.at // DAY + EPOCH_DAY > today + ahead - SLIP:
                    break  # something from a later date might be at the same instant
                if kind is None or one.stop == (kind is Kind.STOP):
                    return one.occurrence
            if over:
                return None
            ahead *= 4

    def last_event(self, upto: datetime, *, ignoring: datetime | None = None) -> Occurrence | None:
        if not self.kinds:
            return None
        today, now, back = upto.toordinal(), minute(upto), 5
        while True:
            known = [one for one in self.all_of(today - back, today + SLIP, ignoring) if one.at <= now]
            if known and known[-1].at // DAY + EPOCH_DAY >= today - back + SLIP:
                return known[-1].occurrence
            assert today - back >= self.first_day, "before the table"
            back *= 4

    def events(self, after: datetime, upto: datetime) -> list[Occurrence]:
        found = self.all_of(after.toordinal() - SLIP, upto.toordinal() + SLIP)
        return [one.occurrence for one in found if minute(after) < one.at <= minute(upto)]


# ------------------------------------------------------------------ random cases


@dataclass(frozen=True, slots=True)
class Subject:
    """What is judged: the real thing, unless a test plants a wrong one."""

    next_event: Callable[..., Occurrence | None] = judged.next_event
    last_event: Callable[..., Occurrence | None] = judged.last_event
    events: Callable[..., Iterator[Occurrence]] = judged.events


@dataclass(frozen=True, slots=True)
class Report:
    """`mismatches`: cases with at least one answer that differs. `at_changes`: cases made around a change of the
    clock. `slipped`: cases of which an answer is an event that slipped out of a gap. `examples`: some mismatches."""

    cases: int
    mismatches: int
    zones: int
    seconds: float
    at_changes: int = 0
    slipped: int = 0
    examples: tuple[str, ...] = ()


@dataclass(slots=True)
class Case:
    zone: str
    plan: Schedule
    now: datetime
    kind: Kind | None = None
    ignoring: datetime | None = None
    at_change: bool = False


FIRST_PIVOT, LAST_PIVOT = minute(BEGIN) + 150 * DAY, minute(END) - 150 * DAY


@dataclass(slots=True)
class Cases:
    """Random cases, the same for the same seed and zone database. Zones without changes of their clock are taken less
    often; with the others more than half of the cases are around one."""

    random: random.Random
    zones: Sequence[str]
    _tables: dict[str, tuple[list[Stretch], list[Stretch]]] = field(default_factory=dict)

    def clock(self, zone: str) -> tuple[list[Stretch], list[Stretch]]:
        """The zone's table, and of it the stretches that begin with a change, far enough from both ends."""
        if zone not in self._tables:
            found = table(ZoneInfo(zone))
            self._tables[zone] = found, [one for one in found[1:] if FIRST_PIVOT < one.begin < LAST_PIVOT]
        return self._tables[zone]

    def _between(self, low: int, high: int) -> int:
        """`randint`, several times as fast."""
        return low + int(self.random.random() * (high - low + 1))

    def one(self) -> tuple[Case, Oracle]:
        chance = self.random
        zone = chance.choice(self.zones)
        if not self.clock(zone)[1] and chance.random() < 0.7:
            zone = chance.choice(self.zones)
        clock, changes = self.clock(zone)
        at_change = bool(changes) and chance.random() < 0.7
        if at_change:
            stretch = chance.choice(changes)
            pivot = stretch.begin
        else:
            pivot = self._between(FIRST_PIVOT, LAST_PIVOT)
            stretch = next(one for one in clock if one.begin <= pivot < one.end)
        plan = self._plan(zone, pivot + stretch.offset)
        reach = chance.choice((0, 5, 60, 300, DAY, 9 * DAY))
        now = moment(pivot + self._between(-reach, reach)) + timedelta(seconds=chance.choice((0, 0, 0, 1, 59)))
        case = Case(zone, plan, now, at_change=at_change)
        oracle = Oracle(clock, plan)
        if chance.random() < 0.25:  # exactly at an event, and one second to either side
            known = oracle.next_event(now)
            if known is not None:
                case.now = known.at + timedelta(seconds=chance.choice((-1, 0, 0, 1)))
        if chance.random() < 0.4:
            case.kind = chance.choice((Kind.START, Kind.STOP))
        if chance.random() < 0.3:
            known = oracle.next_event(case.now - timedelta(days=chance.choice((0, 0, 1, 3))), kind=Kind.STOP)
            case.ignoring = known.at if known is not None else None
        return case, oracle

    def _plan(self, zone: str, shown: int) -> Schedule:
        """`shown`: what the wall clock shows at the moment the case is about, minutes since 1970."""
        chance = self.random
        today = date.fromordinal(shown // DAY + EPOCH_DAY)
        more: dict[str, Any] = {}
        if chance.random() < 0.25:
            reach = chance.choice((2, 30))
            more["until"] = today + timedelta(days=self._between(-reach, reach))
        if chance.random() < 0.3:
            more["skip"] = tuple(today + timedelta(days=self._between(-9, 9)) for _ in range(self._between(1, 6)))
        if chance.random() < 0.4:
            block = self._block(shown)
            return Schedule(time_zone=zone, start=block.start, stop=block.stop, days=block.days, **more)
        blocks = tuple(self._block(shown) for _ in range(self._between(1, 3)))
        return Schedule(time_zone=zone, blocks=blocks, **more)

    def _block(self, shown: int) -> Block:
        chance = self.random
        days = DAYS if chance.random() < 0.6 else tuple(chance.sample(DAYS, self._between(1, 6)))
        start, stop = sorted((self._wall(shown), self._wall(shown)))
        shape = chance.random()
        if shape < 0.25:
            return Block(days=days, start=start)
        return Block(days=days, stop=stop) if shape < 0.5 else Block(days=days, start=start, stop=stop)

    def _wall(self, shown: int) -> str:
        chance = self.random
        where = chance.random()
        if where < 0.5:  # around what the clock shows at the change: in the gap, in the overlap, beside them
            wall = (shown + self._between(-75, 75)) % DAY
        elif where < 0.6:
            wall = chance.choice((0, 1, DAY - 1))
        else:
            wall = self._between(0, DAY - 1)
        return f"{wall // 60:02}:{wall % 60:02}"


def run(cases: int, seed: int, *, subject: Subject | None = None, zones: Sequence[str] = ()) -> Report:
    """Compares so many random cases over these zones, or all zones of the database."""
    subject = subject or Subject()
    began = time.perf_counter()
    source = Cases(random.Random(seed), zones or sorted(available_timezones()))
    seen: set[str] = set()
    mismatches = at_changes = slipped = 0
    examples: list[str] = []
    for number in range(cases):
        case, oracle = source.one()
        seen.add(case.zone)
        at_changes += case.at_change
        wrong, in_gap = _compare(case, oracle, subject, also_events=number % 8 == 0)
        slipped += in_gap
        if wrong:
            mismatches += 1
            if len(examples) < 5:
                examples.append(f"{case}: {wrong}")
    seconds = time.perf_counter() - began
    return Report(cases, mismatches, len(seen), seconds, at_changes, slipped, tuple(examples))


def _compare(case: Case, oracle: Oracle, subject: Subject, *, also_events: bool) -> tuple[str, bool]:
    """What differs, or ""; and whether one of the right answers slipped out of a gap."""
    following = oracle.next_event(case.now, kind=case.kind, ignoring=case.ignoring)
    last = oracle.last_event(case.now, ignoring=case.ignoring)
    slipped = case.at_change and any(one is not None and _slipped(one, oracle) for one in (following, last))
    have = subject.next_event(case.plan, case.now, kind=case.kind, ignoring=case.ignoring)
    if following != have:
        return f"next is {have}, should be {following}", slipped
    have = subject.last_event(case.plan, case.now, ignoring=case.ignoring)
    if last != have:
        return f"last is {have}, should be {last}", slipped
    if also_events:
        end = case.now + timedelta(days=4)
        all_of_them, listed = oracle.events(case.now, end), list(subject.events(case.plan, case.now, end))
        if all_of_them != listed:
            return f"events are {listed}, should be {all_of_them}", slipped
    return "", slipped


def _slipped(event: Occurrence, oracle: Oracle) -> bool:
    """Whether the wall clock does not show the time the event was written for. Of several, one is enough."""
    day, at = event.at.toordinal(), minute(event.at)
    offset = next(stretch.offset for stretch in oracle.clock if stretch.begin <= at < stretch.end)
    return any(one.at == at and one.written != at + offset for one in oracle.all_of(day - 1, day + 1))


if __name__ == "__main__":
    sys.stdout.write(f"{run(int(sys.argv[1]), int(sys.argv[2]))}\n")
