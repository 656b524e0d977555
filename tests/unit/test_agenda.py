"""What a hub has ahead of it: stops, starts, warnings, Azure's own shutdown. Times are March 2026, UTC.

The hub of these tests is ready since Monday 2 March, 09:38, and its class is on weekdays from 07:30 to 18:00 (08:30 to
19:00 in Berlin).
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.hubs import agenda, schedule
from shared.hubs.agenda import Rules, Stop, Why
from shared.hubs.model import AutoShutdown, Block, Hub, Idle, Life, Schedule
from shared.hubs.states import HubState
from tests.support.builders import a_ready_hub, a_schedule, a_spec, a_stopped_hub, some_settings

RULES = Rules.of(some_settings())
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MON, TUE, WED, FRI, SAT = 2, 3, 4, 6, 7
NEXT_MON = 9


def on(day: int, wall: str) -> datetime:
    """That day of March 2026, UTC."""
    return datetime(2026, 3, day, int(wall[:2]), int(wall[3:]), tzinfo=UTC)


NOON = on(MON, "12:00")


def a_class(
    plan: Schedule | None = None,
    *,
    idle: int | None = None,
    ends: datetime | None = None,
    idle_seen: Idle | None = None,
    **life: Any,
) -> Hub:
    """Ready, with a schedule; more arguments are fields of its `life`."""
    spec = a_spec(schedule=plan or a_schedule(), idle_minutes=idle, expires_at=ends)
    return a_ready_hub(spec=spec, life=Life(idle=idle_seen or Idle(), **life))


def a_class_that_is_off(plan: Schedule | None = None, *, ends: datetime | None = None, **life: Any) -> Hub:
    """Stopped by its owner on Monday, 10:38."""
    hub = a_stopped_hub(spec=a_spec(schedule=plan or a_schedule(), expires_at=ends))
    return replace(hub, life=replace(hub.life, **life))


def without_schedule(
    *, idle: int | None = None, ends: datetime | None = None, idle_seen: Idle | None = None, **life: Any
) -> Hub:
    spec = a_spec(idle_minutes=idle, expires_at=ends)
    return a_ready_hub(spec=spec, life=Life(idle=idle_seen or Idle(), **life))


def ending(hub: Hub, ends: datetime | None) -> Hub:
    """The same hub with this end date."""
    return replace(hub, spec=replace(hub.spec, expires_at=ends))


def made(created: datetime, ready: datetime, plan: Schedule | None = None) -> Hub:
    """A hub whose making took from `created` to `ready`."""
    return a_ready_hub(
        created_at=created, state_since=ready, ready_at=ready, spec=a_spec(schedule=plan or a_schedule())
    )


def daily(*walls: str, zone: str = "UTC") -> Schedule:
    """Every day, times such as `start 07:30` and `stop 18:00`."""
    blocks = []
    for one in walls:
        kind, wall = one.split()
        blocks.append(
            Block(days=schedule.DAYS, start=wall) if kind == "start" else Block(days=schedule.DAYS, stop=wall)
        )
    return Schedule(time_zone=zone, blocks=tuple(blocks))


def next_stop(hub: Hub, now: datetime) -> Stop | None:
    return agenda.next_stop(hub, RULES, now)


def due_stop(hub: Hub, now: datetime) -> Why | None:
    return agenda.due_stop(hub, RULES, now)


# ------------------------------------------------------------------ the next stop by the schedule


def test_nothing_stops_a_hub_without_schedule_idle_rule_and_end_date():
    assert next_stop(a_ready_hub(), NOON) is None
    assert due_stop(a_ready_hub(), NOON + 1000 * DAY) is None


def test_a_class_stops_when_its_day_is_over():
    assert next_stop(a_class(), NOON) == Stop(on(MON, "18:00"), Why.SCHEDULE)


def test_a_stop_is_due_at_its_time_and_not_a_second_before():
    hub = a_class()
    assert due_stop(hub, on(MON, "18:00") - SECOND) is None
    assert due_stop(hub, on(MON, "18:00")) is Why.SCHEDULE


def test_a_stop_that_is_dealt_with_is_not_due_again_and_the_next_one_is_ahead():
    hub = a_class(cursor=on(FRI, "18:00"))
    assert due_stop(hub, on(FRI, "18:00") + SECOND) is None
    assert next_stop(hub, on(FRI, "18:01")) == Stop(on(NEXT_MON, "18:00"), Why.SCHEDULE)


def test_a_stop_from_before_the_hub_was_asked_for_is_not_its_stop():
    hub = made(created=on(MON, "18:00"), ready=on(MON, "18:10"))
    assert due_stop(hub, on(MON, "18:45")) is None
    assert next_stop(hub, on(MON, "18:45")) == Stop(on(TUE, "18:00"), Why.SCHEDULE)


def test_a_schedule_with_only_starts_stops_nothing():
    assert next_stop(a_class(daily("start 07:30")), NOON + 3 * DAY) is None


def test_a_schedule_with_only_stops_stops_every_day():
    hub = a_class(daily("stop 18:00"))
    assert next_stop(hub, NOON) == Stop(on(MON, "18:00"), Why.SCHEDULE)
    assert due_stop(hub, on(WED, "12:00")) is Why.SCHEDULE


def test_a_schedule_that_is_over_stops_nothing():
    hub = a_class(a_schedule(until=on(MON, "12:00").date()), cursor=on(MON, "18:00"))
    assert next_stop(hub, on(TUE, "12:00")) is None


# ------------------------------------------------------------------ after an outage


def test_after_an_outage_over_a_stop_the_hub_stops_at_once():
    assert due_stop(a_class(), on(TUE, "03:00")) is Why.SCHEDULE


def test_after_an_outage_over_a_stop_and_the_next_start_the_hub_runs_on():
    hub, now = a_class(), on(TUE, "09:00")
    assert due_stop(hub, now) is None
    assert next_stop(hub, now) == Stop(on(TUE, "18:00"), Why.SCHEDULE)


def test_after_an_outage_over_several_stops_and_starts_only_the_latest_counts_for_a_running_hub():
    assert due_stop(a_class(), on(WED, "19:00")) is Why.SCHEDULE
    assert due_stop(a_class(), on(FRI, "12:00")) is None


def test_after_an_outage_over_several_starts_and_stops_only_the_latest_counts_for_a_stopped_hub():
    hub = a_class_that_is_off()
    assert agenda.next_start(hub, on(WED, "12:00")) == on(WED, "07:30")
    assert agenda.next_start(hub, on(WED, "19:00")) == on(5, "07:30")


# ------------------------------------------------------------------ a stop that came before the hub was ready


def test_a_stop_that_came_while_the_hub_was_made_comes_one_warning_time_after_ready():
    hub = made(created=on(MON, "17:50"), ready=on(MON, "18:05"))
    assert next_stop(hub, on(MON, "18:05")) == Stop(on(MON, "18:35"), Why.SCHEDULE)
    assert due_stop(hub, on(MON, "18:35") - SECOND) is None
    assert due_stop(hub, on(MON, "18:35")) is Why.SCHEDULE


def test_a_stop_at_the_very_moment_of_ready_comes_one_warning_time_later():
    hub = made(created=on(MON, "17:50"), ready=on(MON, "18:00"))
    assert next_stop(hub, on(MON, "18:00")) == Stop(on(MON, "18:30"), Why.SCHEDULE)


def test_a_stop_right_after_ready_is_not_put_off():
    hub = made(created=on(MON, "17:50"), ready=on(MON, "18:00") - SECOND)
    assert due_stop(hub, on(MON, "18:00")) is Why.SCHEDULE


def test_a_stop_that_came_while_the_hub_was_started_comes_one_warning_time_after_ready():
    hub = replace(a_class(cursor=on(MON, "17:59")), state_since=on(MON, "18:02"))
    assert next_stop(hub, on(MON, "18:02")) == Stop(on(MON, "18:32"), Why.SCHEDULE)


def test_people_are_warned_of_a_stop_that_was_put_off_as_soon_as_the_hub_is_ready():
    hub = made(created=on(MON, "17:50"), ready=on(MON, "18:05"))
    assert [alert.deadline for alert in agenda.alerts_due(hub, RULES, on(MON, "18:05"))] == [on(MON, "18:35")]


def test_a_stop_and_the_start_after_it_that_came_while_the_hub_was_made_leave_it_running():
    hub = made(created=on(MON, "17:50"), ready=on(MON, "18:25"), plan=daily("stop 18:00", "start 18:20"))
    assert next_stop(hub, on(MON, "18:25")) == Stop(on(TUE, "18:00"), Why.SCHEDULE)


def test_a_start_that_comes_before_a_stop_that_was_put_off_takes_it_back():
    hub = made(created=on(MON, "17:50"), ready=on(MON, "18:05"), plan=daily("stop 18:00", "start 18:20"))
    for now in (on(MON, "18:05"), on(MON, "18:19"), on(MON, "18:20"), on(MON, "18:35"), on(MON, "20:00")):
        assert next_stop(hub, now) == Stop(on(TUE, "18:00"), Why.SCHEDULE), now


def test_another_stop_that_comes_before_the_one_that_was_put_off_counts():
    hub = made(created=on(MON, "17:50"), ready=on(MON, "18:05"), plan=daily("stop 18:00", "stop 18:20"))
    for now in (on(MON, "18:05"), on(MON, "18:19"), on(MON, "18:20")):
        assert next_stop(hub, now) == Stop(on(MON, "18:20"), Why.SCHEDULE), now


def test_a_skipped_stop_does_not_bring_the_one_that_was_put_off_nearer():
    hub = made(created=on(MON, "17:50"), ready=on(MON, "18:05"), plan=daily("stop 18:00", "stop 18:20"))
    hub = replace(hub, life=replace(hub.life, skipped_stop=on(MON, "18:20")))
    for now in (on(MON, "18:05"), on(MON, "18:25")):
        assert next_stop(hub, now) == Stop(on(MON, "18:35"), Why.SCHEDULE), now


# ------------------------------------------------------------------ extend


def test_an_extended_stop_comes_at_the_end_of_the_extension():
    hub = a_class(keep_until=on(MON, "20:00"))
    for now in (NOON, on(MON, "18:00"), on(MON, "20:00") - SECOND):
        assert next_stop(hub, now) == Stop(on(MON, "20:00"), Why.EXTENDED)
        assert due_stop(hub, now) is None
    assert due_stop(hub, on(MON, "20:00")) is Why.EXTENDED


def test_an_extension_that_ends_before_the_stop_changes_nothing():
    hub = a_class(keep_until=on(MON, "17:00"))
    assert next_stop(hub, NOON) == Stop(on(MON, "18:00"), Why.SCHEDULE)
    assert due_stop(hub, on(MON, "17:30")) is None
    assert due_stop(hub, on(MON, "18:00")) is Why.SCHEDULE


def test_an_extension_to_the_very_stop_is_an_extension():
    assert next_stop(a_class(keep_until=on(MON, "18:00")), NOON) == Stop(on(MON, "18:00"), Why.EXTENDED)


def test_an_extension_that_is_long_over_changes_nothing():
    hub = a_class(keep_until=on(MON, "11:00"))
    assert next_stop(hub, on(TUE, "12:00")) == Stop(on(TUE, "18:00"), Why.SCHEDULE)


def test_an_extension_past_another_stop_moves_both_to_its_end():
    hub = a_class(daily("start 07:30", "stop 18:00", "stop 20:00"), keep_until=on(MON, "21:00"))
    for now in (NOON, on(MON, "19:00"), on(MON, "20:30")):
        assert next_stop(hub, now) == Stop(on(MON, "21:00"), Why.EXTENDED), now
    assert due_stop(hub, on(MON, "21:00")) is Why.EXTENDED


def test_an_extension_over_a_start_lets_the_hub_run_to_the_stop_after_it():
    """The start says that the hub is wanted: nothing is left of the evening's stop, and nobody is told otherwise."""
    hub = a_class(keep_until=on(TUE, "08:00"))
    for now in (NOON, on(MON, "18:00"), on(TUE, "07:00"), on(TUE, "07:30"), on(TUE, "08:00"), on(TUE, "12:00")):
        assert next_stop(hub, now) == Stop(on(TUE, "18:00"), Why.SCHEDULE), now
        assert due_stop(hub, now) is None, now
        assert not list(agenda.alerts_due(hub, RULES, now)), now


def test_an_extension_over_a_start_and_the_stop_after_it_ends_with_the_extension():
    hub = a_class(daily("start 07:30", "stop 07:45", "stop 18:00"), keep_until=on(TUE, "08:00"))
    for now in (NOON, on(TUE, "07:35"), on(TUE, "07:50")):
        assert next_stop(hub, now) == Stop(on(TUE, "08:00"), Why.EXTENDED), now


def test_a_start_at_the_very_end_of_the_extension_lets_the_hub_run_on():
    hub = a_class(keep_until=on(TUE, "07:30"))
    for now in (NOON, on(TUE, "07:30")):
        assert next_stop(hub, now) == Stop(on(TUE, "18:00"), Why.SCHEDULE)


def test_an_extension_over_a_start_of_a_schedule_without_more_stops_ends_in_no_stop():
    plan = Schedule(
        time_zone="UTC",
        blocks=(Block(days=("mon",), stop="18:00"), Block(days=("tue",), start="07:30")),
        until=on(TUE, "00:00").date(),
    )
    assert next_stop(a_class(plan, keep_until=on(TUE, "08:00")), NOON) is None


def test_an_extended_stop_that_an_outage_missed_is_due():
    assert due_stop(a_class(keep_until=on(MON, "20:00")), on(TUE, "01:00")) is Why.EXTENDED


def test_a_hub_that_is_ready_again_near_the_end_of_its_extension_gets_one_warning_time():
    hub = replace(a_class(keep_until=on(MON, "20:00")), state_since=on(MON, "19:50"))
    assert next_stop(hub, on(MON, "19:55")) == Stop(on(MON, "20:20"), Why.SCHEDULE)


# ------------------------------------------------------------------ skip


def test_a_skipped_stop_does_not_come_and_the_one_after_it_does():
    hub = a_class(skipped_stop=on(MON, "18:00"))
    for now in (NOON, on(MON, "18:00"), on(TUE, "03:00"), on(TUE, "12:00")):
        assert next_stop(hub, now) == Stop(on(TUE, "18:00"), Why.SCHEDULE), now
        assert due_stop(hub, now) is None, now
    assert due_stop(hub, on(TUE, "18:00")) is Why.SCHEDULE


def test_a_skipped_stop_of_a_schedule_with_only_stops_does_not_come_late():
    hub = a_class(daily("stop 18:00"), skipped_stop=on(MON, "18:00"))
    assert due_stop(hub, on(TUE, "17:59")) is None
    assert due_stop(hub, on(TUE, "18:00")) is Why.SCHEDULE


def test_a_skip_calls_off_one_stop_and_an_outage_over_more_of_them_stops_the_hub():
    assert due_stop(a_class(daily("stop 18:00"), skipped_stop=on(MON, "18:00")), on(WED, "01:00")) is Why.SCHEDULE


def test_stops_that_are_dealt_with_ahead_of_their_time_do_not_come():
    hub = a_class(daily("start 07:30", "stop 18:00", "stop 19:00"), cursor=on(MON, "20:00"))
    for now in (NOON, on(MON, "18:00"), on(MON, "19:30"), on(MON, "20:00")):
        assert next_stop(hub, now) == Stop(on(TUE, "18:00"), Why.SCHEDULE), now


# ------------------------------------------------------------------ by hand


def test_a_hub_started_by_hand_after_the_stop_runs_to_the_next_days_stop():
    hub = replace(a_class(cursor=on(MON, "19:00")), state_since=on(MON, "19:03"))
    for now in (on(MON, "19:03"), on(TUE, "03:00"), on(TUE, "12:00")):
        assert next_stop(hub, now) == Stop(on(TUE, "18:00"), Why.SCHEDULE), now
        assert due_stop(hub, now) is None, now


def test_a_hub_started_by_hand_at_the_very_moment_of_the_stop_runs_on():
    hub = replace(a_class(cursor=on(MON, "18:00")), state_since=on(MON, "18:03"))
    assert next_stop(hub, on(MON, "18:03")) == Stop(on(TUE, "18:00"), Why.SCHEDULE)


def test_a_hub_stopped_by_hand_before_its_stop_starts_with_the_next_start():
    hub = a_class_that_is_off()
    for now in (NOON, on(MON, "18:00"), on(MON, "23:00")):
        assert agenda.next_start(hub, now) == on(TUE, "07:30"), now


def test_a_hub_started_by_hand_before_its_start_is_not_stopped_by_yesterdays_stop():
    hub = replace(a_class(cursor=on(TUE, "05:00")), state_since=on(TUE, "05:03"))
    assert next_stop(hub, on(TUE, "05:03")) == Stop(on(TUE, "18:00"), Why.SCHEDULE)


def test_a_changed_schedule_does_nothing_late():
    hub = a_class(daily("start 08:00", "stop 11:00"), cursor=NOON)
    assert due_stop(hub, NOON) is None
    assert next_stop(hub, NOON) == Stop(on(TUE, "11:00"), Why.SCHEDULE)
    off = a_class_that_is_off(daily("start 11:00", "stop 18:00"), cursor=NOON)
    assert agenda.next_start(off, NOON) == on(TUE, "11:00")


def test_a_changed_schedule_holds_from_its_first_event_on():
    hub = a_class(daily("start 08:00", "stop 12:01"), cursor=NOON)
    assert due_stop(hub, on(MON, "12:01")) is Why.SCHEDULE


# ------------------------------------------------------------------ the end date


def test_a_hub_stops_at_its_end_date():
    hub = without_schedule(ends=on(FRI, "12:00"))
    assert next_stop(hub, NOON) == Stop(on(FRI, "12:00"), Why.EXPIRES)
    assert due_stop(hub, on(FRI, "12:00") - SECOND) is None
    assert due_stop(hub, on(FRI, "12:00")) is Why.EXPIRES


def test_an_end_date_before_the_stop_comes_first_and_after_it_second():
    assert next_stop(a_class(ends=on(MON, "17:00")), NOON) == Stop(on(MON, "17:00"), Why.EXPIRES)
    assert next_stop(a_class(ends=on(MON, "19:00")), NOON) == Stop(on(MON, "18:00"), Why.SCHEDULE)


def test_an_extension_does_not_move_the_end_date():
    hub = a_class(ends=on(MON, "19:00"), keep_until=on(MON, "20:00"))
    assert next_stop(hub, NOON) == Stop(on(MON, "19:00"), Why.EXPIRES)
    assert due_stop(hub, on(MON, "19:00")) is Why.EXPIRES


def test_the_end_date_is_the_reason_when_a_stop_is_due_as_well():
    assert due_stop(a_class(ends=on(MON, "19:00")), on(MON, "20:00")) is Why.EXPIRES


def test_a_hub_is_removed_after_it_was_kept():
    assert agenda.removal(without_schedule(ends=on(FRI, "12:00")), RULES) == on(FRI, "12:00") + 7 * DAY
    assert agenda.removal(a_class(), RULES) is None


# ------------------------------------------------------------------ starts


def test_a_stopped_hub_starts_with_its_next_start():
    assert agenda.next_start(a_class_that_is_off(), on(FRI, "18:00")) == on(NEXT_MON, "07:30")


def test_a_start_is_due_from_its_time_on_until_the_stop_after_it():
    hub = a_class_that_is_off()
    assert agenda.next_start(hub, on(TUE, "07:30")) == on(TUE, "07:30")
    assert agenda.next_start(hub, on(TUE, "17:59")) == on(TUE, "07:30")
    assert agenda.next_start(hub, on(TUE, "18:00")) == on(WED, "07:30")


def test_a_start_that_came_while_the_hub_was_stopping_is_due():
    hub = replace(a_class_that_is_off(cursor=on(TUE, "07:29")), state_since=on(TUE, "07:32"))
    assert agenda.next_start(hub, on(TUE, "07:32")) == on(TUE, "07:30")


def test_a_start_that_is_dealt_with_is_not_due_again():
    assert agenda.next_start(a_class_that_is_off(cursor=on(TUE, "07:30")), on(TUE, "08:00")) == on(WED, "07:30")


def test_nothing_starts_a_hub_without_starts():
    assert agenda.next_start(a_class_that_is_off(daily("stop 18:00")), NOON) is None
    assert agenda.next_start(a_stopped_hub(), NOON) is None


def test_a_start_at_or_after_the_end_date_does_not_come():
    assert agenda.next_start(a_class_that_is_off(ends=on(TUE, "07:31")), NOON) == on(TUE, "07:30")
    assert agenda.next_start(a_class_that_is_off(ends=on(TUE, "07:30")), NOON) is None


def test_a_start_that_an_outage_missed_does_not_come_after_the_end_date():
    """It would be stopped at once: a minute of billing, and two notices about nothing."""
    hub = a_class_that_is_off(ends=on(TUE, "10:00"))
    assert agenda.next_start(hub, on(TUE, "09:59")) == on(TUE, "07:30")
    assert agenda.next_start(hub, on(TUE, "10:00")) is None
    assert agenda.next_start(hub, on(TUE, "12:00")) is None


# ------------------------------------------------------------------ the idle stop


def an_idle_hub(*, minutes: int = 60, rule: float | None = 50, since: datetime | None = NOON, **life: Any) -> Hub:
    """No server runs since noon, and no schedule. The machine's own rule: `rule` minutes."""
    return without_schedule(idle=minutes, idle_seen=Idle(rule_minutes=rule, no_server_since=since), **life)


def test_a_hub_without_servers_stops_after_the_grace_time():
    assert next_stop(an_idle_hub(), NOON) == Stop(on(MON, "12:10"), Why.IDLE)


def test_a_hub_with_servers_or_without_idle_rule_has_no_idle_stop():
    assert next_stop(an_idle_hub(since=None), NOON) is None
    assert next_stop(replace(an_idle_hub(), spec=a_spec()), NOON) is None


def test_an_idle_stop_is_never_due_by_the_clock_alone():
    assert due_stop(an_idle_hub(), on(TUE, "12:00")) is None


def test_an_extension_holds_off_the_idle_stop_and_one_that_is_over_does_not():
    assert next_stop(an_idle_hub(keep_until=on(MON, "14:00")), NOON) == Stop(on(MON, "14:00"), Why.IDLE)
    assert next_stop(an_idle_hub(keep_until=on(MON, "11:00")), NOON) == Stop(on(MON, "12:10"), Why.IDLE)


def test_of_several_stops_the_first_is_next():
    hub = a_class(idle=60, ends=on(MON, "12:05"), idle_seen=Idle(rule_minutes=50, no_server_since=NOON))
    assert next_stop(hub, NOON) == Stop(on(MON, "12:05"), Why.EXPIRES)
    for ends in (None, on(MON, "12:15")):
        assert next_stop(ending(hub, ends), NOON) == Stop(on(MON, "12:10"), Why.IDLE)
    late = replace(hub, life=replace(hub.life, idle=Idle(rule_minutes=50, no_server_since=on(MON, "17:55"))))
    assert next_stop(ending(late, None), on(MON, "17:55")) == Stop(on(MON, "18:00"), Why.SCHEDULE)


# ------------------------------------------------------------------ when people's activity is looked at


def test_a_hub_without_idle_stop_is_not_looked_at():
    assert agenda.idle_look(a_class(), RULES) is None


@pytest.mark.parametrize(
    ("minutes", "rule", "first"),
    [
        (60, 50.0, 50),  # what the machine's rule takes; the grace of 10 minutes is the rest
        (15, 10.0, 10),
        (120, 50.0, 50),  # PATCHed above the machine's rule: the grace is 70 minutes
        (30, 50.0, 20),  # PATCHed below it: the grace is the shortest there is
        (60, None, 50),  # a machine without a rule
    ],
)
def test_the_first_look_after_ready_leaves_the_whole_idle_time_until_the_stop(
    minutes: int, rule: float | None, first: int
):
    hub = an_idle_hub(minutes=minutes, rule=rule, since=None)
    assert agenda.idle_look(hub, RULES) == hub.state_since + first * MINUTE
    empty = replace(
        hub, life=replace(hub.life, idle=Idle(rule_minutes=rule, no_server_since=hub.state_since + first * MINUTE))
    )
    assert next_stop(empty, NOON) == Stop(hub.state_since + minutes * MINUTE, Why.IDLE)


def test_later_looks_come_when_the_last_one_said():
    hub = without_schedule(idle=60, idle_seen=Idle(rule_minutes=50, look_again_at=on(MON, "12:05")))
    assert agenda.idle_look(hub, RULES) == on(MON, "12:05")


def test_nobody_is_looked_at_during_an_extension():
    seen = Idle(rule_minutes=50, look_again_at=on(MON, "12:05"))
    assert agenda.idle_look(without_schedule(idle=60, idle_seen=seen, keep_until=on(MON, "14:00")), RULES) == on(
        MON, "14:00"
    )
    assert agenda.idle_look(without_schedule(idle=60, idle_seen=seen, keep_until=on(MON, "11:00")), RULES) == on(
        MON, "12:05"
    )


# ------------------------------------------------------------------ warnings


def alerts(hub: Hub, now: datetime, rules: Rules = RULES) -> list[tuple[str, datetime]]:
    return [(alert.kind, alert.deadline) for alert in agenda.alerts_due(hub, rules, now)]


def given_now(hub: Hub, now: datetime) -> Hub:
    """The hub after everything due was said."""
    said = {alert.kind: alert.deadline for alert in agenda.alerts_due(hub, RULES, now)}
    return replace(hub, life=replace(hub.life, warned={**hub.life.warned, **said}))


def test_a_warning_comes_half_an_hour_before_a_scheduled_stop_and_not_a_second_earlier():
    hub = a_class()
    assert alerts(hub, on(MON, "17:30") - SECOND) == []
    assert alerts(hub, on(MON, "17:30")) == [("stop", on(MON, "18:00"))]


def test_a_warning_says_when_and_what_for():
    (alert,) = agenda.alerts_due(a_class(), RULES, on(MON, "17:30"))
    assert (alert.why, "2026-03-02 18:00 UTC" in alert.message) == (Why.SCHEDULE, True)
    (alert,) = agenda.alerts_due(a_class(keep_until=on(MON, "20:00")), RULES, on(MON, "19:30"))
    assert (alert.why, "2026-03-02 20:00 UTC" in alert.message) == (Why.EXTENDED, True)
    (alert,) = agenda.alerts_due(an_idle_hub(), RULES, NOON)
    assert (alert.why, "2026-03-02 12:10 UTC" in alert.message) == (Why.IDLE, True)
    (alert,) = agenda.alerts_due(without_schedule(ends=on(FRI, "12:00")), RULES, NOON)
    assert (alert.why, "2026-03-06 12:00" in alert.message, "2026-03-13 12:00" in alert.message) == (
        Why.EXPIRES,
        True,
        True,
    )


def test_how_early_the_warnings_come_can_be_set():
    rules = Rules.of(some_settings(HUBLET_STOP_WARNING_MINUTES="5", HUBLET_IDLE_WARNING_MINUTES="3"))
    assert alerts(a_class(), on(MON, "17:54"), rules) == []
    assert alerts(a_class(), on(MON, "17:55"), rules) == [("stop", on(MON, "18:00"))]
    assert alerts(an_idle_hub(rule=57), NOON, rules) == [("idle", on(MON, "12:03"))]


def test_a_warning_is_given_once():
    hub = given_now(a_class(), on(MON, "17:30"))
    for now in (on(MON, "17:30"), on(MON, "17:59")):
        assert alerts(hub, now) == []


def test_the_next_days_stop_has_a_warning_of_its_own():
    hub = given_now(a_class(), on(MON, "17:30"))
    assert alerts(hub, on(TUE, "17:30")) == [("stop", on(TUE, "18:00"))]


def test_an_extension_re_arms_the_warning():
    hub = given_now(a_class(), on(MON, "17:30"))
    hub = replace(hub, life=replace(hub.life, keep_until=on(MON, "20:00")))
    assert alerts(hub, on(MON, "19:29")) == []
    assert alerts(hub, on(MON, "19:30")) == [("stop", on(MON, "20:00"))]
    assert alerts(given_now(hub, on(MON, "19:30")), on(MON, "19:45")) == []


def test_a_skip_takes_the_warning_back():
    assert alerts(a_class(skipped_stop=on(MON, "18:00")), on(MON, "17:30")) == []


def test_a_late_warning_is_given_and_none_at_or_after_the_deadline():
    hub = a_class()
    assert alerts(hub, on(MON, "18:00") - SECOND) == [("stop", on(MON, "18:00"))]
    assert alerts(hub, on(MON, "18:00")) == []
    assert alerts(an_idle_hub(), on(MON, "12:10")) == []
    assert alerts(without_schedule(ends=on(FRI, "12:00")), on(FRI, "12:00")) == []


def test_a_hub_that_is_off_has_no_stop_to_be_warned_of():
    assert alerts(a_class_that_is_off(), on(MON, "17:45")) == []


def test_people_are_warned_of_an_idle_stop_as_soon_as_no_server_runs():
    assert alerts(an_idle_hub(), NOON) == [("idle", on(MON, "12:10"))]
    assert alerts(an_idle_hub(minutes=15, rule=10), NOON) == [("idle", on(MON, "12:05"))]


def test_people_are_warned_ten_minutes_before_an_idle_stop_however_long_the_grace_time():
    hub = an_idle_hub(minutes=120, rule=50)
    assert alerts(hub, on(MON, "13:00") - SECOND) == []
    assert alerts(hub, on(MON, "13:00")) == [("idle", on(MON, "13:10"))]


def test_a_new_idle_time_re_arms_the_warning():
    hub = given_now(an_idle_hub(), NOON)
    again = Idle(rule_minutes=50, no_server_since=on(MON, "14:00"))
    hub = replace(hub, life=replace(hub.life, idle=again))
    assert alerts(hub, on(MON, "14:00")) == [("idle", on(MON, "14:10"))]


def test_nobody_is_warned_of_an_idle_stop_that_another_stop_comes_before():
    hub = a_class(idle=60, idle_seen=Idle(rule_minutes=50, no_server_since=on(MON, "17:55")))
    assert alerts(hub, on(MON, "17:55")) == [("stop", on(MON, "18:00"))]
    same = replace(hub, life=replace(hub.life, idle=Idle(rule_minutes=50, no_server_since=on(MON, "17:50"))))
    assert {kind for kind, _ in alerts(same, on(MON, "17:50"))} == {"stop", "idle"}
    assert ("idle", on(MON, "18:05")) not in alerts(ending(hub, on(MON, "18:01")), on(MON, "17:55"))


def test_nobody_is_warned_of_a_scheduled_stop_that_the_end_date_comes_before():
    hub = a_class(ends=on(MON, "17:45"), warned={"expires-1d": on(MON, "17:45")})
    assert alerts(hub, on(MON, "17:31")) == []


def test_the_end_date_is_told_a_week_and_a_day_before():
    ends = on(20, "12:00")
    hub = without_schedule(ends=ends)
    assert alerts(hub, on(13, "12:00") - SECOND) == []
    assert alerts(hub, on(13, "12:00")) == [("expires-7d", ends)]
    hub = given_now(hub, on(13, "12:00"))
    assert alerts(hub, on(19, "12:00") - SECOND) == []
    assert alerts(hub, on(19, "12:00")) == [("expires-1d", ends)]
    assert alerts(given_now(hub, on(19, "12:00")), on(19, "12:01")) == []


def test_exactly_a_day_before_the_end_only_the_nearer_warning_is_given():
    ends = on(20, "12:00")
    assert alerts(without_schedule(ends=ends), on(19, "12:00") - SECOND) == [("expires-7d", ends)]
    assert alerts(without_schedule(ends=ends), on(19, "12:00")) == [("expires-1d", ends)]


def test_people_are_warned_of_a_scheduled_stop_at_the_very_end_date():
    hub = a_class(ends=on(MON, "18:00"), warned={"expires-1d": on(MON, "18:00")})
    assert alerts(hub, on(MON, "17:31")) == [("stop", on(MON, "18:00"))]


def test_an_end_date_that_is_less_than_a_day_away_is_told_once():
    hub = without_schedule(ends=on(TUE, "09:00"))
    assert alerts(hub, NOON) == [("expires-1d", on(TUE, "09:00"))]
    assert alerts(given_now(hub, NOON), NOON) == []


def test_an_end_date_of_a_stopped_hub_is_told_too():
    assert alerts(a_class_that_is_off(ends=on(TUE, "09:00")), NOON) == [("expires-1d", on(TUE, "09:00"))]


def test_another_end_date_re_arms_its_warnings():
    hub = given_now(without_schedule(ends=on(FRI, "12:00")), NOON)
    assert alerts(ending(hub, on(7, "12:00")), NOON) == [("expires-7d", on(7, "12:00"))]


# ------------------------------------------------------------------ Azure's own shutdown


def switch(hub: Hub, now: datetime, rules: Rules = RULES) -> AutoShutdown | None:
    return agenda.auto_shutdown(hub, rules, now)


ON_1830 = AutoShutdown(enabled=True, time="1830")
OFF_1830 = AutoShutdown(enabled=False, time="1830")
WITHOUT = Rules.of(some_settings(HUBLET_DEAD_MANS_SWITCH="off"))


def test_azures_shutdown_comes_half_an_hour_after_the_stop_of_the_day():
    assert switch(a_class(), NOON) == ON_1830


def test_azures_shutdown_is_in_utc_whatever_the_zone():
    hub = a_class(a_schedule(time_zone="America/New_York", stop="21:45"))
    assert switch(hub, on(TUE, "00:00")) == AutoShutdown(enabled=True, time="0315")


def test_azures_shutdown_is_on_in_the_twelve_hours_before_the_stop():
    hub = a_class(cursor=on(MON, "18:00"))
    assert switch(hub, on(TUE, "06:00") - SECOND) is None
    assert switch(hub, on(TUE, "06:00")) == ON_1830


def test_a_hub_that_never_had_azures_shutdown_and_needs_none_is_left_alone():
    assert switch(a_ready_hub(), NOON) is None
    assert switch(a_class(cursor=on(FRI, "18:00")), on(SAT, "12:00")) is None


def test_azures_shutdown_is_turned_off_where_azure_may_have_taken_what_it_did_not_answer():
    """Nothing is known to be on; the write that was not answered was for the stop of that time."""
    unanswered = a_class(cursor=on(FRI, "18:00"), auto_shutdown_retry_at=on(SAT, "12:01"))
    assert switch(unanswered, on(SAT, "12:00")) == OFF_1830


def test_azures_shutdown_is_off_on_a_day_without_a_stop():
    assert switch(a_class(cursor=on(FRI, "18:00"), auto_shutdown=ON_1830), on(SAT, "12:00")) == OFF_1830


def test_azures_shutdown_that_is_on_for_the_same_time_stays_on_over_night():
    hub = a_class(cursor=on(MON, "22:00"), auto_shutdown=ON_1830)
    assert switch(hub, on(MON, "22:00") - SECOND) == OFF_1830
    assert switch(hub, on(MON, "22:00")) == ON_1830


def test_azures_shutdown_at_another_time_does_not_stay_on_over_night():
    late = AutoShutdown(enabled=True, time="2330")
    assert switch(a_class(cursor=on(MON, "23:00"), auto_shutdown=late), on(MON, "23:01")) == replace(
        late, enabled=False
    )


def test_azures_shutdown_moves_with_an_extension():
    assert switch(a_class(auto_shutdown=ON_1830, keep_until=on(MON, "20:15")), NOON) == AutoShutdown(
        enabled=True, time="2045"
    )


def test_azures_shutdown_is_off_during_a_very_long_extension():
    hub = a_class(auto_shutdown=ON_1830, keep_until=on(TUE, "07:00"))
    assert switch(hub, on(MON, "17:50")) == OFF_1830
    assert switch(hub, on(MON, "19:00")) == AutoShutdown(enabled=True, time="0730")


def test_azures_shutdown_does_not_come_at_the_end_of_an_extension_over_a_start():
    hub = a_class(auto_shutdown=ON_1830, keep_until=on(TUE, "08:00"))
    assert switch(hub, on(MON, "21:00")) == OFF_1830
    assert switch(hub, on(TUE, "07:00")) == ON_1830


def test_azures_shutdown_is_off_for_a_skipped_stop():
    assert switch(a_class(auto_shutdown=ON_1830, skipped_stop=on(MON, "18:00")), NOON) == OFF_1830


def test_azures_shutdown_guards_a_stop_that_was_put_off():
    hub = made(created=on(MON, "17:50"), ready=on(MON, "18:05"))
    assert switch(hub, on(MON, "18:05")) == AutoShutdown(enabled=True, time="1905")


def test_azures_shutdown_guards_the_end_date():
    assert switch(without_schedule(ends=on(MON, "20:00")), NOON) == AutoShutdown(enabled=True, time="2030")
    assert switch(a_class(ends=on(MON, "17:00")), NOON) == AutoShutdown(enabled=True, time="1730")


def test_azures_shutdown_does_not_guard_an_idle_stop():
    assert switch(an_idle_hub(), NOON) is None


def test_azures_shutdown_is_turned_off_with_the_schedule():
    assert switch(without_schedule(auto_shutdown=ON_1830), NOON) == OFF_1830


def test_azures_shutdown_is_set_while_the_hub_starts():
    hub = replace(a_class(cursor=on(SAT, "12:00"), auto_shutdown=ON_1830), state=HubState.STARTING)
    assert switch(hub, on(SAT, "12:00")) == OFF_1830


@pytest.mark.parametrize("state", sorted(set(HubState) - {HubState.READY, HubState.STARTING}))
def test_azures_shutdown_of_a_hub_that_is_off_or_goes_off_is_left_alone(state: HubState):
    assert switch(replace(a_class(auto_shutdown=ON_1830), state=state), on(SAT, "12:00")) is None


def test_without_the_setting_no_hub_gets_azures_shutdown():
    assert switch(a_class(), NOON, WITHOUT) is None


def test_azures_shutdown_that_is_on_when_the_setting_is_turned_off_is_turned_off():
    """Nobody would move it any more: it would stop the next class that is extended."""
    assert switch(a_class(auto_shutdown=ON_1830), NOON, WITHOUT) == OFF_1830


def test_azures_shutdown_that_may_have_been_written_is_turned_off_when_it_is_not_needed():
    """The first write got no answer: whether Azure took it is not known."""
    hub = a_class(skipped_stop=on(MON, "18:00"), auto_shutdown_retry_at=on(MON, "12:05"))
    found = switch(hub, NOON)
    assert found is not None
    assert not found.enabled


# ------------------------------------------------------------------ the next look


def look(hub: Hub, now: datetime, rules: Rules = RULES) -> datetime | None:
    return agenda.next_look(hub, rules, now)


def test_a_hub_without_anything_ahead_is_not_looked_at():
    assert look(a_ready_hub(), NOON) is None
    assert look(a_stopped_hub(), NOON) is None


def test_a_class_is_looked_at_for_its_warning_its_stop_and_azures_shutdown():
    hub = a_class()
    assert look(hub, NOON) == on(MON, "17:30")
    assert look(hub, on(MON, "17:30")) == on(MON, "18:00")
    night = a_class(cursor=on(MON, "22:00"))
    assert look(night, on(MON, "22:00")) == on(TUE, "06:00")
    assert look(night, on(MON, "22:00"), WITHOUT) == on(TUE, "17:30")


def test_azures_shutdown_is_looked_after_although_an_idle_stop_comes_first():
    quiet = Idle(rule_minutes=50, no_server_since=on(TUE, "05:00"))  # an idle stop at 16:10
    hub = a_class(idle=12 * 60, cursor=on(MON, "22:00"), idle_seen=quiet)
    assert look(hub, on(TUE, "05:00")) == on(TUE, "06:00")


def test_an_end_date_is_looked_at_for_its_warnings_and_itself():
    hub = without_schedule(ends=on(20, "12:00"))
    assert look(hub, NOON) == on(13, "12:00")
    assert look(hub, on(13, "12:00")) == on(19, "12:00")
    assert look(hub, on(19, "12:00"), WITHOUT) == on(20, "12:00")


def test_a_stopped_hub_is_looked_at_for_its_start_its_end_and_its_removal():
    hub = a_class_that_is_off(ends=on(FRI, "12:00"))
    assert look(hub, NOON) == on(TUE, "07:30")
    assert look(hub, on(FRI, "08:00")) == on(FRI, "12:00")
    assert look(hub, on(FRI, "12:00")) == on(13, "12:00")


def test_an_idle_hub_is_looked_at_when_the_last_look_said():
    hub = without_schedule(idle=60, idle_seen=Idle(rule_minutes=50, look_again_at=on(MON, "12:05")))
    assert look(hub, NOON) == on(MON, "12:05")


def test_a_write_that_was_put_off_is_looked_at_again():
    assert look(a_class(auto_shutdown_retry_at=on(MON, "12:05")), NOON) == on(MON, "12:05")


# ------------------------------------------------------------------ the rules


def test_the_rules_are_the_settings():
    rules = Rules.of(
        some_settings(
            HUBLET_FAILED_KEEP_HOURS="5",
            HUBLET_STOP_WARNING_MINUTES="6",
            HUBLET_IDLE_WARNING_MINUTES="7",
            HUBLET_EXPIRED_KEEP_DAYS="8",
            HUBLET_DEAD_MANS_SWITCH="off",
        )
    )
    assert rules == Rules(
        failed_keep=5 * HOUR,
        stop_warning=6 * MINUTE,
        idle_warning=7 * MINUTE,
        expired_keep=8 * DAY,
        auto_shutdown=False,
    )
