"""A year of a hub under every distinct clock of the time zone database, and how punctual its starts and stops are.

Everything runs in virtual time on the real domain code (tests/support/world.py: fakes with memory for storage, Azure
and the machine). When a stop should be is told by tables of the zones' minutes (tests/support/schedule_oracle.py),
which share no code with `shared/hubs/schedule.py`.

The minute timer runs at full minutes but is left out while nothing is due, which it would find out with one query.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from localdev.bench.report import Report
from shared.hubs.model import Block, Schedule
from shared.hubs.schedule import Kind, Occurrence
from shared.hubs.states import HubState
from tests.support import schedule_oracle as oracle
from tests.support.world import World

YEAR = 2027
BEGIN, END = datetime(YEAR, 1, 1, tzinfo=UTC), datetime(YEAR + 1, 1, 1, tzinfo=UTC)
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat")
SEEN_WITHIN = timedelta(minutes=5)
STARTED_WITHIN_S = 61.0
TO_THE_SECOND_S = 3.0
CREATED_BEFORE = timedelta(hours=6)


def a_schedule(zone: str) -> Schedule:
    """Weekdays by day; on Sundays a night in which most zones change their clocks, with a stop in the gap of many."""
    blocks = (
        Block(days=WEEK, start="08:30", stop="19:00"),
        Block(days=("sun",), start="00:10", stop="02:30"),
    )
    return Schedule(time_zone=zone, blocks=blocks)


def distinct_clocks(first: datetime = BEGIN, last: datetime = END) -> Mapping[str, int]:
    """One zone for each way in which wall clocks go between the two moments, and how many zones go so."""
    kinds: dict[tuple[tuple[int, int, int], ...], list[str]] = {}
    for name in sorted(available_timezones()):
        low, high = oracle.minute(first), oracle.minute(last)
        rows = [row for row in oracle.table(ZoneInfo(name)) if row.end > low and row.begin < high]
        key = tuple((max(row.begin, low), min(row.end, high), row.offset) for row in rows)
        kinds.setdefault(key, []).append(name)
    return {zones[0]: len(zones) for zones in kinds.values()}


@dataclass(frozen=True, slots=True)
class Year:
    """What became of one zone's hub. `late_s`: seconds from each event to the beginning of its effect."""

    zone: str
    stops: int
    stops_seen: int
    starts: int
    starts_seen: int
    late_s: tuple[float, ...]
    wrong: tuple[str, ...] = ()


class _Quiet(World):
    """Skips ticks that would find nothing. `timer_alone`: messages that wait longer than a visit may are lost, so that
    only the due table and the timer are left."""

    timer_alone = False

    async def run_to(self, moment: datetime) -> None:
        while self.clock.now() < moment:
            if self.timer_alone:
                queue = self.storage.queue
                late = self.clock.now() + timedelta(minutes=5)
                queue.waiting[:] = [one for one in queue.waiting if one.visible_at < late]
            due = min((row.at for row in self.storage.due.rows.values()), default=moment)
            tick = self.timers[0]
            tick.next_at = max(tick.next_at, _full_minute(due))
            step = max(min(tick.next_at, moment) - self.clock.now(), timedelta(seconds=1))
            await self.run(limit_s=step.total_seconds())


def _full_minute(moment: datetime) -> datetime:
    floor = moment.replace(second=0, microsecond=0)
    return floor if floor == moment else floor + timedelta(minutes=1)


async def live_through(zone: str, begin: datetime, end: datetime, *, timer_alone: bool = False) -> Year:
    """One hub from `begin` to `end`, made some hours before."""
    world = _Quiet(start=begin - CREATED_BEFORE, through_json=False)
    world.timers[1].every = timedelta(hours=1)  # the sweep compares with Azure, where nobody interferes here
    world.timers[2].every = timedelta(days=400)  # the audit would forget the history that is judged at the end
    plan = a_schedule(zone)
    await world.create("demo", schedule=plan)
    await world.run_to_rest(HubState.READY)
    world.timer_alone = timer_alone
    await world.run_to(end + timedelta(minutes=10))
    clock = oracle.table(ZoneInfo(zone))
    events = oracle.Oracle(clock, plan).events(begin, end)
    while events[0].kind is Kind.START:  # the hub that was just made runs already
        events = events[1:]
    return _judged(zone, events, list(_moves(world)))


def _moves(world: World) -> Iterator[tuple[str, datetime]]:
    """Every state the hub came to, and when."""
    history = world.storage.hubs.history[world.hub.owner, world.hub.id]
    for seq in sorted(history):
        event = history[seq]
        if event.to_state is not None:
            yield event.to_state, event.at


def _judged(zone: str, events: Sequence[Occurrence], moves: Sequence[tuple[str, datetime]]) -> Year:
    seen = {Kind.START: 0, Kind.STOP: 0}
    late: list[float] = []
    wrong: list[str] = []
    effects = {Kind.START: (HubState.STARTING, HubState.READY), Kind.STOP: (HubState.STOPPING, HubState.STOPPED)}
    for event in events:
        began, ended = effects[event.kind]
        within = [(state, at) for state, at in moves if event.at <= at <= event.at + SEEN_WITHIN]
        begun = next((at for state, at in within if state == began), None)
        if begun is None or not any(state == ended for state, _ in within):
            wrong.append(f"{zone}: {event.kind} at {event.at:%Y-%m-%d %H:%M} UTC was not seen in time")
            continue
        seen[event.kind] += 1
        late.append((begun - event.at).total_seconds())
    stops = [event for event in events if event.kind is Kind.STOP]
    extra = sum(1 for state, at in moves if state == HubState.STOPPING and at >= events[0].at) - len(stops)
    if extra > 0:
        wrong.append(f"{zone}: {extra} stops that nobody asked for")
    return Year(
        zone=zone,
        stops=len(stops),
        stops_seen=seen[Kind.STOP],
        starts=len(events) - len(stops),
        starts_seen=seen[Kind.START],
        late_s=tuple(late),
        wrong=tuple(wrong),
    )


def measure(zones: int | None = None) -> Report:
    """P8 and the year; `zones` limits how many of the distinct clocks are lived through."""
    began = time.perf_counter()
    clocks = distinct_clocks()
    chosen = sorted(clocks)[:zones]
    years = [asyncio.run(live_through(zone, BEGIN, END)) for zone in chosen]
    seconds = time.perf_counter() - began
    alone = asyncio.run(live_through("Europe/Berlin", BEGIN, END, timer_alone=True))
    report = Report(f"P8, schedules: {YEAR}, one hub for each of {len(chosen)} distinct clocks (modelled)")
    report.add("zones with one of these clocks", str(sum(clocks[zone] for zone in chosen)))
    for name, wanted, got in (
        ("stops seen deallocated within 5 min", sum(y.stops for y in years), sum(y.stops_seen for y in years)),
        ("starts seen ready within 5 min", sum(y.starts for y in years), sum(y.starts_seen for y in years)),
    ):
        report.add(name, f"{got} of {wanted}", "all", got == wanted, exact=True)
    late = [second for year in years for second in year.late_s]
    report.at_most("begun after, with queue messages, at most", max(late), TO_THE_SECOND_S, " s", exact=True)
    report.at_most("begun after, by the timer alone, at most", max(alone.late_s), STARTED_WITHIN_S, " s", exact=True)
    report.add("wall time", f"{seconds:.0f} s")
    for line in [one for year in (*years, alone) for one in year.wrong][:10]:
        report.note(line)
    return report


def measure_oracle(cases: int, seed: int) -> Report:
    """R10: the schedule's arithmetic against tables of minutes."""
    found = oracle.run(cases, seed)
    report = Report(f"R10, schedule arithmetic: {found.cases} random (zone, rule, now), {found.zones} zones")
    report.at_most("mismatches", found.mismatches, 0, exact=True)
    report.add("cases around a change of the clock", str(found.at_changes))
    report.add("answers that slipped out of a gap", str(found.slipped))
    report.add("wall time", f"{found.seconds:.0f} s")
    for example in found.examples:
        report.note(example)
    return report
