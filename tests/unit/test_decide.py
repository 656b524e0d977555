"""What `decide` says, row by row. Pure."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.hubs.agenda import Rules, Why
from shared.hubs.decide import (
    Begin,
    ClearAttempt,
    Deallocate,
    Expire,
    Fail,
    LookAtActivity,
    PowerOff,
    PowerOn,
    Remove,
    RunStep,
    SetAutoShutdown,
    Settle,
    StartNow,
    StopNow,
    Warn,
    decide,
)
from shared.hubs.model import PROVISION, AutoShutdown, Hub, Idle, Life, Schedule, StepName, StepRecord
from shared.hubs.ports import Activity, Server
from shared.hubs.schedule import DAYS
from shared.hubs.states import Goal, HubState
from tests.support.builders import a_hub, a_ready_hub, a_schedule, a_spec, a_stopped_hub, some_settings
from tests.support.clock import MONDAY_MORNING as NOW
from tests.support.hub_life import HubLife
from tests.support.often import examples

RULES = Rules.of(some_settings())
KEEP = timedelta(hours=24)


def at_step(step: StepName, state: HubState = HubState.PROVISIONING, **changes: object) -> Hub:
    hub = a_hub(state=state)
    for earlier in PROVISION[: PROVISION.index(step)]:
        hub = hub.with_step(StepRecord(name=earlier, started_at=NOW, finished_at=NOW))
    return replace(hub, **changes)  # type: ignore[arg-type]


def test_an_accepted_hub_begins():
    assert decide(a_hub(), NOW, RULES) == Begin()


@pytest.mark.parametrize("step", PROVISION)
def test_the_first_step_that_is_not_done_runs(step: StepName):
    assert decide(at_step(step), NOW, RULES) == RunStep(step)


def test_the_last_attempt_is_cleared_away_before_the_next_one_begins():
    hub = at_step(StepName.GROUP)
    assert decide(replace(hub, life=Life(clearing=True)), NOW, RULES) == ClearAttempt()


def test_all_steps_done_but_not_ready_is_said_to_be_impossible():
    hub = at_step(StepName.LOCK).with_step(StepRecord(name=StepName.LOCK, started_at=NOW, finished_at=NOW))
    decision = decide(hub, NOW, RULES)
    assert isinstance(decision, Fail)
    assert decision.reason.code == "ImpossibleState"


@pytest.mark.parametrize("state", [s for s in HubState if s is not HubState.DELETED])
def test_goal_deleted_wins_in_every_state(state: HubState):
    assert decide(a_hub(state=state, goal=Goal.DELETED), NOW, RULES) == Remove()


def test_a_deleted_hub_rests():
    assert decide(a_hub(state=HubState.DELETED, goal=Goal.DELETED), NOW, RULES) == Settle()


def test_a_failed_hub_is_deallocated_then_kept_then_removed():
    failed = a_hub(state=HubState.FAILED, failed_at=NOW)
    assert decide(failed, NOW, RULES) == Deallocate()
    quiet = replace(failed, deallocated_at=NOW)
    assert decide(quiet, NOW, RULES) == Settle(NOW + KEEP)
    assert decide(quiet, NOW + KEEP, RULES) == Expire("The failed hub was kept for its time and is removed now.")


def test_a_failed_hub_is_kept_from_the_moment_it_failed():
    failed = a_hub(state=HubState.FAILED, failed_at=NOW, state_since=NOW + timedelta(hours=1), deallocated_at=NOW)
    assert decide(failed, NOW, RULES) == Settle(NOW + KEEP)
    assert decide(replace(failed, failed_at=None), NOW, RULES) == Settle(NOW + timedelta(hours=1) + KEEP)


# ---- ready


def on(day: int, wall: str) -> datetime:
    """That day of March 2026, UTC. The 2nd is a Monday; classes are from 07:30 to 18:00."""
    return datetime(2026, 3, day, int(wall[:2]), int(wall[3:]), tzinfo=UTC)


NOON = on(2, "12:00")
GUARDED = AutoShutdown(enabled=True, time="1830")


def a_class(**changes: object) -> Hub:
    """Ready, with a schedule and Azure's own shutdown set for it: nothing to do before the warning at 17:30."""
    hub = a_ready_hub(spec=a_spec(schedule=a_schedule()), life=Life(auto_shutdown=GUARDED))
    return replace(hub, **changes)  # type: ignore[arg-type]


def with_life(hub: Hub, **life: object) -> Hub:
    return replace(hub, life=replace(hub.life, **life))  # type: ignore[arg-type]


def watched(**seen: object) -> Hub:
    """Ready, without schedule, looked at for people's activity."""
    idle = Idle(rule_minutes=50, **seen)  # type: ignore[arg-type]
    return a_ready_hub(spec=a_spec(idle_minutes=60), life=Life(idle=idle))


def test_a_ready_hub_without_anything_ahead_rests():
    assert decide(a_ready_hub(), NOW, RULES) == Settle()


def test_a_class_rests_until_its_warning():
    assert decide(a_class(), NOON, RULES) == Settle(on(2, "17:30"))


def test_a_class_is_warned_once_and_then_rests_until_its_stop():
    decision = decide(a_class(), on(2, "17:30"), RULES)
    assert isinstance(decision, Warn)
    assert [(alert.kind, alert.deadline) for alert in decision.alerts] == [("stop", on(2, "18:00"))]
    warned = with_life(a_class(), warned={"stop": on(2, "18:00")})
    assert decide(warned, on(2, "17:30"), RULES) == Settle(on(2, "18:00"))


def test_all_warnings_that_are_due_are_one_decision():
    hub = a_class(spec=a_spec(schedule=a_schedule(), expires_at=on(3, "09:00")))
    decision = decide(hub, on(2, "17:30"), RULES)
    assert isinstance(decision, Warn)
    assert {alert.kind for alert in decision.alerts} == {"stop", "expires-1d"}


REASONS = {
    Why.SCHEDULE: (a_class(), on(2, "18:00")),
    Why.EXTENDED: (with_life(a_class(), keep_until=on(2, "20:00")), on(2, "20:00")),
    Why.EXPIRES: (a_ready_hub(spec=a_spec(expires_at=NOON)), NOON),
}
"""A hub and the moment it stops at, for every reason that the clock alone can give."""


@pytest.mark.parametrize("why", REASONS)
def test_a_hub_stops_when_its_time_has_come_and_not_before(why: Why):
    hub, at = REASONS[why]
    assert decide(hub, at, RULES) == StopNow(why)
    assert not isinstance(decide(hub, at - timedelta(seconds=1), RULES), StopNow)


def test_only_an_idle_stop_needs_more_than_the_clock():
    assert set(Why) - set(REASONS) == {Why.IDLE}


def test_a_stop_comes_before_everything_else():
    hub = with_life(a_class(), auto_shutdown=None, idle=Idle(look_again_at=NOON))
    hub = replace(hub, spec=replace(hub.spec, idle_minutes=60, expires_at=on(3, "09:00")))
    assert decide(hub, on(2, "18:00"), RULES) == StopNow(Why.SCHEDULE)


def test_a_hub_that_was_extended_over_a_start_rests_at_the_end_of_the_extension():
    hub = with_life(a_class(), keep_until=on(3, "08:00"))
    assert decide(hub, on(3, "08:00"), RULES) == Settle(on(3, "17:30"))


@pytest.mark.parametrize(
    "present", [None, AutoShutdown(enabled=True, time="2030"), AutoShutdown(enabled=False, time="1830")]
)
def test_azures_shutdown_is_set_when_it_is_not_as_wanted(present: AutoShutdown | None):
    assert decide(with_life(a_class(), auto_shutdown=present), NOON, RULES) == SetAutoShutdown(GUARDED)


def test_a_write_that_was_put_off_waits_for_its_time_and_then_comes():
    hub = with_life(a_class(), auto_shutdown=None, auto_shutdown_retry_at=on(2, "12:05"))
    assert decide(hub, NOON, RULES) == Settle(on(2, "12:05"))
    assert decide(hub, on(2, "12:05"), RULES) == SetAutoShutdown(GUARDED)


def test_a_write_that_was_not_answered_is_done_again_although_nothing_else_is_wanted_now():
    """Azure may have taken it: what is known to be there is not what is there."""
    off = replace(GUARDED, enabled=False)
    hub = with_life(a_class(), auto_shutdown=off, auto_shutdown_retry_at=NOON, skipped_stop=on(2, "18:00"))
    assert decide(hub, NOON, RULES) == SetAutoShutdown(off)
    assert decide(with_life(hub, auto_shutdown_retry_at=None), NOON, RULES) == Settle(on(3, "06:00"))


def test_people_are_looked_at_when_it_is_time_and_exactly_then():
    hub = watched(look_again_at=NOON)
    assert decide(hub, NOON - timedelta(seconds=1), RULES) == Settle(NOON)
    assert decide(hub, NOON, RULES) == LookAtActivity()
    assert decide(hub, NOON + timedelta(hours=3), RULES) == LookAtActivity()


def test_people_are_looked_at_for_the_first_time_when_the_machines_rule_may_have_ended_servers():
    hub = watched()
    assert decide(hub, hub.state_since, RULES) == Settle(hub.state_since + timedelta(minutes=50))


def test_a_hub_without_servers_is_looked_at_again_and_not_stopped_by_the_clock():
    hub = watched(no_server_since=on(2, "09:50"), look_again_at=on(2, "10:00"))
    assert decide(hub, NOON, RULES) == LookAtActivity()


def test_nobody_is_looked_at_during_an_extension():
    hub = with_life(watched(look_again_at=NOON), keep_until=on(2, "14:00"))
    assert decide(hub, NOON, RULES) == Settle(on(2, "14:00"))
    assert decide(hub, on(2, "14:00"), RULES) == LookAtActivity()


# ---- stopped, stopping, starting


def off(**changes: object) -> Hub:
    """Stopped by its owner on Monday morning, with a schedule."""
    return replace(a_stopped_hub(spec=a_spec(schedule=a_schedule())), **changes)  # type: ignore[arg-type]


def test_a_stopped_hub_without_anything_ahead_rests():
    assert decide(a_stopped_hub(), NOON, RULES) == Settle()


def test_a_stopped_hub_rests_until_its_start_and_starts_then():
    assert decide(off(), NOON, RULES) == Settle(on(3, "07:30"))
    assert decide(off(), on(3, "07:30"), RULES) == StartNow()


def test_a_start_that_was_called_off_is_not_asked_for_again():
    hub = with_life(off(), cursor=on(3, "07:30"))
    assert decide(hub, on(3, "07:30"), RULES) == Settle(on(4, "07:30"))


def test_after_an_outage_over_a_start_and_a_stop_a_stopped_hub_stays_off():
    assert decide(off(), on(3, "19:00"), RULES) == Settle(on(4, "07:30"))


def test_a_hub_whose_machine_is_gone_is_not_started():
    hub = off()
    hub = replace(hub, machine=replace(hub.machine, missing_since=NOON))
    assert decide(hub, on(3, "08:00"), RULES) == Settle()


def test_a_stopped_hub_is_warned_of_its_end_and_removed_after_it_was_kept():
    hub = off(spec=a_spec(expires_at=on(3, "12:00")))
    assert isinstance(decide(hub, NOON, RULES), Warn)
    told = with_life(hub, warned={"expires-1d": on(3, "12:00")})
    assert decide(told, NOON, RULES) == Settle(on(3, "12:00"))
    assert decide(told, on(3, "12:00"), RULES) == Settle(on(10, "12:00"))
    assert isinstance(decide(told, on(10, "12:00"), RULES), Expire)


def test_a_hub_past_its_end_date_is_not_started_by_its_schedule():
    hub = off(spec=a_spec(schedule=a_schedule(), expires_at=on(3, "09:00")))
    hub = with_life(hub, warned={"expires-1d": on(3, "09:00")})
    assert decide(hub, on(3, "09:30"), RULES) == Settle(on(10, "09:00"))


def test_a_hub_that_stops_is_powered_off_whatever_its_schedule_says():
    for now in (NOON, on(3, "08:00"), on(3, "19:00")):
        assert decide(off(state=HubState.STOPPING), now, RULES) == PowerOff()


def test_a_hub_that_starts_is_powered_on():
    for now in (NOON, on(3, "08:00"), on(3, "19:00")):
        assert decide(a_ready_hub(state=HubState.STARTING), now, RULES) == PowerOn()


def test_yesterdays_shutdown_is_off_before_the_machine_is_on():
    hub = with_life(a_class(state=HubState.STARTING), cursor=on(7, "18:26"))
    assert decide(hub, on(7, "18:26"), RULES) == SetAutoShutdown(replace(GUARDED, enabled=False))
    waiting = with_life(hub, auto_shutdown_retry_at=on(7, "18:31"))
    assert decide(waiting, on(7, "18:26"), RULES) == PowerOn()


def test_a_hub_that_starts_for_the_class_of_the_day_keeps_its_shutdown():
    hub = with_life(a_class(state=HubState.STARTING), cursor=on(3, "07:30"))
    assert decide(hub, on(3, "07:30"), RULES) == PowerOn()


# ---- every visit ends

moments = st.integers(-5 * 1440, 12 * 1440).map(lambda minutes: NOON + timedelta(minutes=minutes))
maybe_moments = st.none() | moments
walls = st.sampled_from(["00:00", "07:30", "11:45", "12:00", "12:20", "12:30", "18:00", "23:59"])


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    days = draw(st.sampled_from([DAYS, DAYS[:5], ("mon",)]))
    start, stop = draw(st.none() | walls), draw(st.none() | walls)
    return Schedule(time_zone=draw(st.sampled_from(["UTC", "Europe/Berlin"])), days=days, start=start, stop=stop)


lives = st.builds(
    Life,
    cursor=maybe_moments,
    keep_until=maybe_moments,
    skipped_stop=maybe_moments,
    warned=st.dictionaries(st.sampled_from(["stop", "idle", "expires-7d", "expires-1d"]), moments),
    idle=st.builds(
        Idle,
        rule_minutes=st.sampled_from([None, 10, 50, 110]),
        looked_at=maybe_moments,
        look_again_at=maybe_moments,
        no_server_since=maybe_moments,
        misses=st.integers(0, 9),
    ),
    auto_shutdown=st.none() | st.builds(AutoShutdown, enabled=st.booleans(), time=st.sampled_from(["1230", "1830"])),
    auto_shutdown_retry_at=maybe_moments,
)
hubs = st.builds(
    lambda since, state, life, plan, minutes, ends: replace(
        a_ready_hub() if state is HubState.READY else a_stopped_hub(),
        state_since=since,
        life=life,
        spec=a_spec(schedule=plan, idle_minutes=minutes, expires_at=ends),
    ),
    moments,
    st.sampled_from([HubState.READY, HubState.READY, HubState.STOPPED]),
    lives,
    st.none() | schedules(),
    st.sampled_from([None, 15, 60, 1440]),
    maybe_moments,
)
people = st.none() | st.builds(
    lambda servers: Activity(servers=tuple(servers)),
    st.lists(
        st.builds(Server, user=st.just("ada"), idle_s=st.none() | st.floats(-3600, 1e6), pending=st.booleans()),
        max_size=2,
    ),
)


@settings(max_examples=examples(500))
@given(hubs, moments, people, st.sampled_from(["", "lost", "unanswered", "refused"]), st.booleans())
def test_every_visit_ends_and_what_is_left_is_in_the_future(
    hub: Hub, now: datetime, activity: Activity | None, azure: str, guarded: bool
):
    """`HubLife` carries out the decisions as the worker does, at most 8 in one visit, and refuses to settle a hub that
    would be looked at again at once."""
    switch = some_settings(HUBLET_DEAD_MANS_SWITCH="on" if guarded else "off")
    life = HubLife(hub, now=now, people=lambda: activity, refuses=lambda _: azure, settings=switch)
    last = asyncio.run(life.visit())
    assert isinstance(last, Settle | StopNow | StartNow | Expire | LookAtActivity)
    if isinstance(last, Settle):
        assert decide(life.hub, now, Rules.of(switch)) == last


@pytest.mark.parametrize("state", [HubState.DELETING, HubState.DELETED])
@pytest.mark.parametrize("goal", [Goal.RUNNING, Goal.STOPPED])
def test_nothing_is_done_for_a_hub_that_goes_although_nobody_wants_it(state: HubState, goal: Goal):
    """No way leads there; were there one, a worker must not raise at every visit."""
    assert decide(a_hub(state=state, goal=goal), NOW, RULES) == Settle()
