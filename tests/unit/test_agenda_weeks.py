"""Weeks of hubs with random schedules: stops come as they were promised, Azure's own shutdown never hits a class."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from shared.hubs import agenda, schedule, steer
from shared.hubs.agenda import Rules, Why
from shared.hubs.model import AutoShutdown, Block, Schedule
from shared.hubs.schedule import Kind
from shared.hubs.states import HubState
from tests.support.builders import a_ready_hub, a_schedule, a_spec, some_settings
from tests.support.hub_life import Ask, HubLife, own_stop, ready_at

pytestmark = pytest.mark.slow

RULES = Rules.of(some_settings())
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
AT_LEAST_LATE = 25 * MINUTE
"""Azure's shutdown may stop only a hub whose own stop was due this long ago: nobody carried it out."""

BEGIN = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
SLOW = settings(
    phases=set(Phase) - {Phase.explain},
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


# ------------------------------------------------------------------ random lives

zones = st.sampled_from(["Europe/Berlin", "America/New_York", "Pacific/Auckland", "Asia/Kathmandu", "UTC"])
begins = st.sampled_from([BEGIN, datetime(2026, 3, 26, 11, tzinfo=UTC), datetime(2026, 10, 22, 20, 40, tzinfo=UTC)])
walls = st.builds(lambda quarter: f"{quarter // 4:02}:{quarter % 4 * 15:02}", st.integers(0, 95))


@st.composite
def blocks(draw: st.DrawFn) -> Block:
    days = draw(st.sampled_from([schedule.DAYS, schedule.DAYS[:5], ("mon", "wed"), ("sat",), ("sun", "thu")]))
    first, second = sorted((draw(walls), draw(walls)))
    shape = draw(st.sampled_from(["both", "both", "stop", "start"]))
    return Block(days=days, start=first if shape != "stop" else None, stop=second if shape != "start" else None)


plans = st.builds(
    lambda zone, found: Schedule(time_zone=zone, blocks=tuple(found)),
    zones,
    st.lists(blocks(), min_size=1, max_size=3),
)


def _extend(hours: float) -> Ask:
    return lambda life: life.extend(hours)


def _change(plan: Schedule) -> Ask:
    return lambda life: life.change(schedule=plan)


wishes: st.SearchStrategy[Ask] = st.one_of(
    st.builds(_extend, st.sampled_from([0.25, 0.5, 1, 2, 5, 11.7, 14, 20])),
    st.just(HubLife.skip),
    st.just(HubLife.start),
    st.just(HubLife.stop),
    st.just(HubLife.restart),
    st.builds(_change, plans),
)


@st.composite
def lives(draw: st.DrawFn, *, outages: bool = False) -> tuple[HubLife, datetime, list[tuple[datetime, Ask]]]:
    """A hub that became ready at some moment, until when to watch it, and what its owner asks for meanwhile."""
    begin = draw(begins)
    ends = draw(st.one_of(st.none(), st.none(), st.integers(60, 20 * 1440).map(lambda wait: begin + wait * MINUTE)))
    spec = a_spec(schedule=draw(plans), expires_at=ends)
    moment, asks = begin, []
    for wait, wish in draw(st.lists(st.tuples(st.integers(1, 2000), wishes), max_size=12)):
        moment += wait * MINUTE
        asks.append((moment, wish))
    answers = iter(draw(st.lists(st.sampled_from(["", "", "", "lost", "unanswered"]), max_size=40)))
    life = HubLife(ready_at(a_ready_hub(spec=spec), begin), refuses=_never_twice(answers))
    moment = begin
    for wait, length in draw(st.lists(st.tuples(st.integers(1, 5000), st.integers(1, 3000)), max_size=4)) * outages:
        life.down.append((moment + wait * MINUTE, moment + (wait + length) * MINUTE))
        moment += (wait + length) * MINUTE
    return life, begin + 16 * DAY, asks


def _never_twice(answers: Iterator[str]) -> Callable[[HubLife], str]:
    """Azure is not down for longer than until the next try, and not when a hub has just been started: of that, see
    `test_a_class_that_is_started_minutes_before_yesterdays_shutdown_is_not_hit`."""
    last = ""

    def refuses(life: HubLife) -> str:
        nonlocal last
        started = life.hub.goal_since
        just_started = started is not None and life.now < started + 15 * MINUTE
        last = "" if last or just_started else next(answers, "")
        return last

    return refuses


# ------------------------------------------------------------------ stops


@settings(SLOW, max_examples=60)
@given(lives())
def test_every_stop_by_the_clock_comes_at_its_time(drawn: tuple[HubLife, datetime, list[tuple[datetime, Ask]]]):
    life, until, asks = drawn
    asyncio.run(life.live(until, asks))
    for stop in life.stops:
        assert own_stop(stop.hub, stop.at, RULES.stop_warning) == stop.at


@settings(SLOW, max_examples=100)
@given(lives(), st.integers(0, 200))
def test_what_is_shown_as_the_next_stop_is_what_happens(
    drawn: tuple[HubLife, datetime, list[tuple[datetime, Ask]]], minutes: int
):
    """From some time after the last wish on."""
    life, until, asks = drawn
    moment = max([at for at, _ in asks], default=life.now) + minutes * MINUTE
    asyncio.run(life.live(moment, asks))
    assume(life.hub.state is HubState.READY)
    promised = agenda.next_stop(life.hub, RULES, life.now)
    known = len(life.stops)
    asyncio.run(life.live(until))
    stops = life.stops[known:]
    if promised is None or promised.at > until:
        assert not stops
    else:
        assert (stops[0].at, stops[0].why) == (promised.at, promised.why)


@settings(SLOW, max_examples=60)
@given(lives(), st.integers(1, 8 * 1440), st.integers(1, 6 * 1440))
def test_after_an_outage_there_is_one_catch_up_towards_the_latest_wish(
    drawn: tuple[HubLife, datetime, list[tuple[datetime, Ask]]], before: int, length: int
):
    """Of all starts and stops that were missed the last one counts. Without Azure's shutdown, extensions and an end
    date, which have tests of their own."""
    life, _, asks = drawn
    life = HubLife(replace(life.hub, spec=replace(life.hub.spec, expires_at=None)), settings=WITHOUT)
    down = life.now + before * MINUTE
    back = down + length * MINUTE
    asyncio.run(life.live(down, [one for one in asks if one[0] <= down]))
    assume(life.hub.state in (HubState.READY, HubState.STOPPED) and life.hub.life.keep_until is None)
    hub = life.hub
    life.down.append((down, back))
    assert hub.spec.schedule is not None
    missed = [
        event
        for event in schedule.events(hub.spec.schedule, down, back)
        if event.kind is Kind.START or event.at != hub.life.skipped_stop
    ]
    last = schedule.last_event(hub.spec.schedule, down, ignoring=hub.life.skipped_stop)
    waits = last is not None and last.kind is Kind.STOP and last.at > (hub.life.cursor or hub.created_at)
    assume(own_stop(hub, down, RULES.stop_warning) is None and not waits)
    assume(schedule.next_event(hub.spec.schedule, back) is None or _is_quiet(hub.spec.schedule, back))
    known = len(life.stops) + len(life.starts)
    asyncio.run(life.live(back + 10 * MINUTE))
    wanted = hub.state if not missed else HubState.STOPPED if missed[-1].kind is Kind.STOP else HubState.READY
    assert life.hub.state is wanted
    assert len(life.stops) + len(life.starts) - known == (wanted is not hub.state)


WITHOUT = some_settings(HUBLET_DEAD_MANS_SWITCH="off")


def _is_quiet(plan: Schedule, moment: datetime) -> bool:
    return not list(schedule.events(plan, moment, moment + 10 * MINUTE))


# ------------------------------------------------------------------ Azure's own shutdown


@settings(SLOW, max_examples=100)
@given(lives(outages=True))
def test_azures_shutdown_hits_only_a_hub_whose_own_stop_was_due_long_before(
    drawn: tuple[HubLife, datetime, list[tuple[datetime, Ask]]],
):
    """Whatever the owner asks for, also when the app is down for hours and Azure does not answer every write."""
    life, until, asks = drawn
    asyncio.run(life.live(until, asks))
    for shot in life.shots:
        assert own_stop(shot.hub, shot.at - AT_LEAST_LATE, RULES.stop_warning) is not None, shot


@settings(SLOW, max_examples=60)
@given(lives())
def test_azures_shutdown_never_hits_a_ready_hub_while_the_app_is_up(
    drawn: tuple[HubLife, datetime, list[tuple[datetime, Ask]]],
):
    life, until, asks = drawn
    asyncio.run(life.live(until, asks))
    assert life.shots == []


@settings(SLOW, max_examples=60)
@given(lives(), st.integers(1, 8 * 1440))
def test_azures_shutdown_stops_the_hub_when_the_app_is_not_there(
    drawn: tuple[HubLife, datetime, list[tuple[datetime, Ask]]], minutes: int
):
    """The app goes away less than twelve hours before a stop and does not come back: the hub is off half an hour after
    its stop. (A hub whose stop was further away then is not guarded.)"""
    life, _, asks = drawn
    down = life.now + minutes * MINUTE
    asyncio.run(life.live(down, [one for one in asks if one[0] <= down]))
    assume(life.hub.state is HubState.READY and life.hub.life.auto_shutdown_retry_at is None)
    stop = agenda.next_stop(life.hub, RULES, down)
    assume(stop is not None and down < stop.at <= down + agenda.SHUTDOWN_AHEAD)
    assert stop is not None
    life.down.append((down, down + 30 * DAY))
    asyncio.run(life.live(stop.at + 2 * HOUR))
    (shot,) = life.shots
    assert stop.at + AT_LEAST_LATE <= shot.at <= stop.at + agenda.SHUTDOWN_MARGIN


def a_life(*, ready: datetime = BEGIN, plan: Schedule | None = None, **more: object) -> HubLife:
    spec = a_spec(schedule=plan or a_schedule())
    return HubLife(ready_at(a_ready_hub(spec=spec), ready), **more)  # type: ignore[arg-type]


def on(day: int, wall: str) -> datetime:
    """That day of March 2026, UTC. The 2nd is a Monday; classes are from 07:30 to 18:00."""
    return datetime(2026, 3, day, int(wall[:2]), int(wall[3:]), tzinfo=UTC)


async def test_a_class_that_is_extended_in_its_last_minutes_is_not_hit():
    life = a_life()
    await life.live(on(2, "21:00"), [(on(2, "17:59"), _extend(2.5))])
    assert life.shots == []
    assert [(stop.at, stop.why) for stop in life.stops] == [(on(2, "20:30"), Why.EXTENDED)]
    assert life.azure == AutoShutdown(enabled=True, time="2100")


async def test_a_class_on_a_saturday_is_not_hit_by_fridays_shutdown():
    life = a_life(ready=on(6, "09:00"))
    await life.live(on(8, "12:00"), [(on(7, "15:00"), HubLife.start)])
    assert life.hub.state is HubState.READY
    assert life.shots == []


async def test_a_class_whose_stop_was_skipped_is_not_hit_although_azures_first_answer_was_lost():
    """The write of noon is done, but nobody hears of it; five minutes later the stop is called off."""
    answers = iter(["unanswered"])
    life = a_life(ready=on(2, "12:00"), refuses=lambda _: next(answers, ""))
    await life.live(on(2, "23:00"), [(on(2, "12:02"), HubLife.skip)])
    assert life.hub.state is HubState.READY
    assert life.shots == []


async def test_a_hub_that_is_started_while_yesterdays_shutdown_is_on_is_not_hit():
    life = a_life(ready=on(6, "09:00"))
    await life.live(on(7, "23:00"), [(on(7, "18:26"), HubLife.start)])
    assert (life.azure, life.shots) == (AutoShutdown(enabled=False, time="1830"), [])


async def test_yesterdays_shutdown_is_off_before_the_machine_is_on():
    life = a_life(ready=on(6, "09:00"))
    await life.live(on(7, "18:29"), [(on(7, "18:29"), HubLife.start)])
    assert life.hub.state is HubState.STARTING
    assert life.azure == AutoShutdown(enabled=False, time="1830")


async def test_a_class_that_is_started_minutes_before_yesterdays_shutdown_is_not_hit():
    """Azure does not take the first write; the next try must come before the shutdown does."""
    answers = iter(["", "lost"])
    life = a_life(ready=on(6, "09:00"), refuses=lambda _: next(answers, ""))
    await life.live(on(7, "23:00"), [(on(7, "18:26"), HubLife.start)])
    assert life.shots == []


async def test_a_second_skip_leaves_the_first_one_skipped():
    """On Friday the evening's stop is called off, on Saturday Monday's as well: nothing stops the hub until Tuesday."""
    life = a_life(ready=on(6, "09:00"))
    await life.live(on(10, "12:00"), [(on(6, "17:00"), HubLife.skip), (on(7, "10:00"), HubLife.skip)])
    assert life.stops == []
    assert life.hub.state is HubState.READY


async def test_a_skip_of_an_extended_stop_does_not_bring_another_one_nearer():
    """Stops at 18:00 and 19:00, extended to 20:00: the next stop is at 20:00, and that one is called off."""
    stops = tuple(Block(days=schedule.DAYS, stop=wall) for wall in ("18:00", "19:00"))
    life = a_life(plan=Schedule(time_zone="UTC", blocks=stops))
    await life.live(on(3, "17:00"), [(on(2, "17:00"), _extend(2)), (on(2, "17:10"), HubLife.skip)])
    assert life.stops == []


async def test_a_waiting_stop_that_is_skipped_twice_is_skipped_once():
    """The stop of 18:00 waits until 20:00; two clicks call it off, and tomorrow's stands."""
    life = a_life()
    asks = [(on(2, "17:00"), _extend(2)), (on(2, "19:00"), HubLife.skip), (on(2, "19:01"), HubLife.skip)]
    await life.live(on(3, "19:00"), asks)
    assert [stop.at for stop in life.stops] == [on(3, "18:00")]


async def test_a_stop_from_before_a_retry_does_not_stop_the_hub_that_the_retry_made():
    """It failed on Monday afternoon and is tried again on Tuesday at 05:00, for a class before the usual hours."""
    failed = a_ready_hub(spec=a_spec(schedule=a_schedule()), state=HubState.FAILED, failed_at=on(2, "17:00"))
    life = HubLife(failed, now=on(3, "05:00"))
    await steer.retry_hub(life.app, life.hub, life.request())
    made = replace(life.hub, state=HubState.READY, state_since=on(3, "05:10"))
    assert agenda.next_stop(made, RULES, on(3, "05:10")) == agenda.Stop(on(3, "18:00"), Why.SCHEDULE)
    assert agenda.due_stop(made, RULES, on(3, "05:40")) is None
