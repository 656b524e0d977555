"""When a hub is idle: what a look at its servers means, and when to look again. Times are March 2026, UTC."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.hubs import idle
from shared.hubs.idle import Verdict, judge, rule_minutes
from shared.hubs.model import Hub, Idle, Life
from shared.hubs.ports import Activity, Server
from tests.support.builders import a_ready_hub, a_spec
from tests.support.often import examples

MINUTE = timedelta(minutes=1)
WARNING = 10 * MINUTE
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
NOBODY = Activity(servers=())
UNREADABLE = None


def a_hub(minutes: int | None = 60, *, rule: float | None = 50, **seen: object) -> Hub:
    """Idle stop after an hour; the machine ends servers after 50 minutes. More arguments are what was seen before."""
    return a_ready_hub(
        spec=a_spec(idle_minutes=minutes),
        life=Life(idle=Idle(rule_minutes=rule, **seen)),  # type: ignore[arg-type]
    )


def quiet_since(
    since: datetime, minutes: int = 60, *, rule: float | None = 50, looked_at: datetime | None = None
) -> Hub:
    """No server was seen at `since`, and none at `looked_at`."""
    return a_hub(minutes, rule=rule, no_server_since=since, looked_at=looked_at or since)


def somebody(idle_minutes: float | None = 2, *, user: str = "ada", pending: bool = False) -> Server:
    return Server(user=user, idle_s=None if idle_minutes is None else 60 * idle_minutes, pending=pending)


def look(hub: Hub, activity: Activity | None, now: datetime = NOON) -> Verdict:
    return judge(hub, activity, now, warning=WARNING)


def after(hub: Hub, verdict: Verdict) -> Hub:
    return replace(hub, life=replace(hub.life, idle=verdict.idle))


# ------------------------------------------------------------------ somebody is there


@pytest.mark.parametrize(
    "servers",
    [
        (somebody(0),),
        (somebody(49),),
        (somebody(10_000),),
        (somebody(None),),
        (somebody(2, pending=True),),
        (somebody(None, pending=True),),
        (somebody(10_000, pending=True),),
        (somebody(40), somebody(3, user="bob")),
    ],
    ids=["now", "a while ago", "long ago", "never active", "pending", "pending, new", "pending, old", "two people"],
)
def test_any_server_keeps_the_hub(servers: tuple[Server, ...]):
    for hub in (a_hub(), quiet_since(NOON - 60 * MINUTE)):
        verdict = look(hub, Activity(servers=servers))
        assert not verdict.stop
        assert verdict.idle.no_server_since is None
        assert verdict.idle.looked_at == NOON


def test_the_next_look_comes_when_the_machine_may_have_ended_the_last_server():
    found = look(a_hub(), Activity(servers=(somebody(20), somebody(48, user="bob"))))
    assert found.idle.look_again_at == NOON + 30 * MINUTE


def test_the_next_look_comes_not_sooner_than_after_a_pause():
    assert look(a_hub(), Activity(servers=(somebody(49),))).idle.look_again_at == NOON + 5 * MINUTE


@pytest.mark.parametrize(
    ("hub", "server"),
    [(a_hub(), somebody(2, pending=True)), (a_hub(), somebody(None)), (a_hub(rule=None), somebody(2))],
    ids=["it is stopping or starting", "nobody knows since when it is idle", "the machine has no rule"],
)
def test_a_server_of_which_the_end_is_not_known_is_looked_at_soon(hub: Hub, server: Server):
    assert look(hub, Activity(servers=(server,))).idle.look_again_at == NOON + 5 * MINUTE


def test_an_activity_in_the_future_is_looked_at_later_and_not_never():
    """JupyterHub takes reports of activity up to an hour ahead of its clock, and counts from there too."""
    found = look(a_hub(), Activity(servers=(somebody(-59),))).idle.look_again_at
    assert found == NOON + 109 * MINUTE


@pytest.mark.parametrize(
    ("minutes", "pause"), [(15, timedelta(seconds=75)), (60, 5 * MINUTE), (1440, 5 * MINUTE), (1, timedelta(seconds=5))]
)
def test_looks_are_a_twelfth_of_the_idle_time_apart_within_limits(minutes: int, pause: timedelta):
    found = look(a_hub(minutes), Activity(servers=(somebody(None),)))
    assert found.idle.look_again_at == NOON + pause


# ------------------------------------------------------------------ nobody is there


def test_the_first_look_without_servers_begins_the_grace_time():
    verdict = look(a_hub(), NOBODY)
    assert not verdict.stop
    assert verdict.idle.no_server_since == NOON


def test_the_hub_stops_when_no_server_was_there_for_the_grace_time_and_not_a_second_before():
    hub = quiet_since(NOON - 10 * MINUTE, looked_at=NOON - 5 * MINUTE)
    assert not look(hub, NOBODY, NOON - timedelta(seconds=1)).stop
    assert look(hub, NOBODY).stop


def test_the_grace_time_is_counted_from_the_first_look_without_servers():
    verdict = look(quiet_since(NOON - 4 * MINUTE), NOBODY)
    assert verdict.idle.no_server_since == NOON - 4 * MINUTE


def test_somebody_who_comes_back_ends_the_grace_time():
    hub = quiet_since(NOON - 5 * MINUTE)
    hub = after(hub, look(hub, Activity(servers=(somebody(None),))))
    again = look(hub, NOBODY, NOON + 6 * MINUTE)
    assert not again.stop
    assert again.idle.no_server_since == NOON + 6 * MINUTE


@pytest.mark.parametrize(("minutes", "expected"), [(60, [5, 10]), (63, [5, 10, 13]), (15, [1.25, 2.5, 3.75, 5])])
def test_within_the_grace_time_the_hub_is_looked_at_and_at_its_end(minutes: int, expected: list[float]):
    """Who comes and goes between two looks must not be missed for long."""
    hub, now, looks = a_hub(minutes), NOON, []
    while True:
        verdict = look(hub, NOBODY, now)
        if verdict.stop:
            break
        hub = after(hub, verdict)
        assert verdict.idle.look_again_at is not None
        now = verdict.idle.look_again_at
        looks.append(now - NOON)
    assert looks == [minute * MINUTE for minute in expected]


def test_a_server_that_came_and_went_within_a_long_grace_time_is_seen():
    """The owner asks for two hours where the machine's rule is 50 minutes, so the grace time is 70 minutes. It began at
    noon; Ada works from 12:03 to 12:13, and her server ends itself at 13:03. The hub may stop two hours after 12:13."""
    came, worked_until, gone = NOON + 3 * MINUTE, NOON + 13 * MINUTE, NOON + 63 * MINUTE
    hub, now = a_hub(120), NOON
    while True:
        there = came <= now < gone
        age = max((now - worked_until).total_seconds(), 0.0)
        verdict = look(hub, Activity(servers=(Server(user="ada", idle_s=age),)) if there else NOBODY, now)
        if verdict.stop:
            break
        hub = after(hub, verdict)
        assert verdict.idle.look_again_at is not None
        now = verdict.idle.look_again_at
    assert now >= worked_until + 120 * MINUTE


def test_a_look_that_comes_long_after_it_was_due_begins_the_grace_time_anew():
    """Nobody looked for hours (the app was down), so nobody knows that no server ran, and nobody was warned."""
    verdict = look(quiet_since(NOON - 180 * MINUTE, looked_at=NOON - 178 * MINUTE), NOBODY)
    assert not verdict.stop
    assert verdict.idle.no_server_since == NOON


def test_a_look_that_comes_a_little_late_does_not():
    assert look(quiet_since(NOON - 14 * MINUTE), NOBODY).stop


# ------------------------------------------------------------------ nobody knows


def test_a_look_that_failed_counts_as_activity():
    for hub in (a_hub(), quiet_since(NOON - 60 * MINUTE)):
        verdict = look(hub, UNREADABLE)
        assert not verdict.stop
        assert (verdict.idle.no_server_since, verdict.idle.misses) == (None, 1)


def test_a_look_that_failed_at_the_very_end_of_the_grace_time_keeps_the_hub_for_another():
    hub = quiet_since(NOON - 10 * MINUTE)
    hub = after(hub, look(hub, UNREADABLE))
    assert not look(hub, NOBODY, NOON + 5 * MINUTE).stop
    hub = after(hub, look(hub, NOBODY, NOON + 5 * MINUTE))
    assert look(hub, NOBODY, NOON + 15 * MINUTE).stop


def test_misses_grow_and_so_do_the_pauses_up_to_five_minutes():
    hub, now, pauses = a_hub(15, rule=10), NOON, []
    for number in range(1, 7):
        verdict = look(hub, UNREADABLE, now)
        assert verdict.idle.misses == number
        assert verdict.idle.look_again_at is not None
        pauses.append((verdict.idle.look_again_at - now).total_seconds())
        hub, now = after(hub, verdict), verdict.idle.look_again_at
    assert pauses == [75, 150, 225, 300, 300, 300]


@pytest.mark.parametrize("activity", [NOBODY, Activity(servers=(somebody(),))], ids=["nobody", "somebody"])
def test_a_look_that_succeeds_forgets_the_misses(activity: Activity):
    assert look(a_hub(misses=7), activity).idle.misses == 0


# ------------------------------------------------------------------ the words and the numbers


@pytest.mark.parametrize(
    ("hub", "activity", "numbers"),
    [
        (a_hub(), Activity(servers=(somebody(12), somebody(40, user="bob"))), ["2", "12", "60"]),
        (a_hub(), Activity(servers=(somebody(12), somebody(40))), ["1", "12", "60"]),
        (a_hub(), Activity(servers=(somebody(None), somebody(40, user="bob"))), ["2", "40", "60"]),
        (a_hub(90), Activity(servers=(somebody(None),)), ["1", "90"]),
        (a_hub(misses=4), UNREADABLE, ["5", "60"]),
        (quiet_since(NOON - 4 * MINUTE), NOBODY, ["4", "60", "6"]),
        (quiet_since(NOON - 10 * MINUTE), NOBODY, ["10", "60"]),
    ],
)
def test_every_decision_says_the_numbers_used(hub: Hub, activity: Activity | None, numbers: list[str]):
    assert re.findall(r"\d+", look(hub, activity).message) == numbers


def test_a_decision_says_what_it_decided():
    assert look(a_hub(), Activity(servers=(somebody(),))).message.endswith("stays.")
    assert look(a_hub(), UNREADABLE).message.endswith("stays.")
    assert "stops in" in look(a_hub(), NOBODY).message
    assert look(quiet_since(NOON - 10 * MINUTE), NOBODY).message.endswith("stops.")


def test_a_server_that_was_never_active_is_said_to_be_so():
    assert "not active yet" in look(a_hub(), Activity(servers=(somebody(None),))).message


# ------------------------------------------------------------------ the grace time and the machine's rule


@pytest.mark.parametrize(
    ("minutes", "warning", "rule"),
    [(60, 10, 50), (30, 10, 20), (15, 10, 10), (24 * 60, 10, 1430), (60, 45, 40), (None, 10, 50)],
)
def test_the_machines_rule_and_the_warning_are_the_idle_time_together(minutes: int | None, warning: float, rule: float):
    assert rule_minutes(minutes, warning) == rule


@pytest.mark.parametrize(
    ("minutes", "rule", "grace"),
    [
        (60, 50, 10),
        (15, 10, 5),
        (120, 50, 70),  # PATCHed above the machine's rule: the rest is waited for here
        (61, 50, 11),
        (30, 50, 10),  # PATCHed below it: never less than the shortest warning
        (15, 50, 5),
        (60, None, 10),  # a machine without a rule
    ],
)
def test_the_grace_time_is_what_the_machines_rule_leaves_and_never_less_than_a_warning(
    minutes: int, rule: float | None, grace: float
):
    assert idle.grace(a_hub(minutes, rule=rule), WARNING) == grace * MINUTE


@given(minutes=st.integers(1, 3000), warning=st.integers(1, 600))
def test_a_hub_as_it_was_made_stops_after_exactly_its_idle_time(minutes: int, warning: int):
    rule = rule_minutes(minutes, warning)
    hub = a_hub(minutes, rule=rule)
    total = timedelta(minutes=rule) + idle.grace(hub, warning * MINUTE)
    assert abs(total - minutes * MINUTE) < timedelta(milliseconds=1)


# ------------------------------------------------------------------ people over some hours


@st.composite
def visits(draw: st.DrawFn) -> list[tuple[int, int]]:
    """When somebody was active: minutes from noon on, begin and end."""
    moment, active = 0, []
    for pause, length in draw(st.lists(st.tuples(st.integers(1, 200), st.integers(0, 60)), max_size=5)):
        active.append((moment + pause, moment + pause + length))
        moment += pause + length
    return active


@settings(max_examples=examples(300))
@given(
    minutes=st.sampled_from([15, 30, 60, 120, 240]),
    rule=st.sampled_from([10, 20, 50, 110]),
    active=visits(),
    failing=st.lists(st.booleans(), max_size=20),
)
def test_a_hub_never_stops_sooner_after_the_last_activity_than_its_idle_time(
    minutes: int, rule: int, active: list[tuple[int, int]], failing: list[bool]
):
    """Servers end by the machine's rule alone, and some looks fail."""
    hub, now, fails = a_hub(minutes, rule=rule), NOON, iter(failing)
    while True:
        moment = (now - NOON) / MINUTE
        ages = [60 * max(moment - end, 0.0) for begin, end in active if begin <= moment < end + rule]
        servers = tuple(Server(user=f"user{number}", idle_s=age) for number, age in enumerate(ages))
        verdict = look(hub, UNREADABLE if next(fails, False) else Activity(servers=servers), now)
        if verdict.stop:
            break
        hub = after(hub, verdict)
        assert verdict.idle.look_again_at is not None
        assert now < verdict.idle.look_again_at
        now = verdict.idle.look_again_at
    for begin, end in active:
        assert begin > moment or moment >= end + minutes
