"""Days of a hub with an idle stop, in virtual time: who works, who comes back, and looks that see nothing."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.errors import RetryableError, UserError
from shared.hubs import steer
from shared.hubs.idle import MISSES_SHOWN
from shared.hubs.model import Hub
from shared.hubs.states import HubState
from tests.component.lifecycle.days import (
    HOUR,
    MINUTE,
    a_ready_world,
    be_down,
    conditions,
    in_window,
    lose_wake_ups,
    power,
    resting,
    run_to,
    state,
    told,
    utc,
)
from tests.support.builders import a_schedule, some_settings
from tests.support.world import World

MONDAY = utc("2026-03-02 08:00")
UNREADABLE = RetryableError("HubAnswerMalformed", "The hub's answer is not a list of users.")


async def a_hub(**spec: Any) -> World:
    """Ready at 08:05, stops after an hour of idleness: its machine ends what did nothing for 50 minutes."""
    return await a_ready_world(MONDAY, **{"idle_minutes": 60, **spec})


async def someone_works(
    world: World, until: str | datetime, *, user: str = "ada", every: timedelta = 5 * MINUTE
) -> None:
    """The person does something now and then, up to that time."""
    end = utc(until) if isinstance(until, str) else until
    world.people.start_server(user)
    while world.clock.now() < end:
        world.people.active(user)
        await run_to(world, min(end, world.clock.now() + every))


async def jupyter_ends_it(world: World, *, user: str = "ada") -> None:
    """Fifty minutes after the person's last activity."""
    await run_to(world, world.clock.now() + 50 * MINUTE)
    world.people.stop_server(user)


async def change(world: World, **changes: object) -> Hub:
    return (await steer.change_hub(world.app, world.hub, world.asking(), changes)).hub


async def extend(world: World, hours: float) -> Hub:
    return (await steer.extend_hub(world.app, world.hub, world.asking(), hours)).hub


# ------------------------------------------------------------------ the usual day


async def test_a_hub_stops_a_grace_time_after_its_last_server_has_ended():
    world = await a_hub()
    await someone_works(world, "2026-03-02 12:00")
    assert told(world, "stopping-soon") == []
    world.people.start_server("grace")
    await jupyter_ends_it(world)
    assert state(world) is HubState.READY  # grace is there
    world.people.stop_server("grace")
    ended = world.clock.now()
    await run_to(world, ended + 16 * MINUTE)
    assert state(world) is HubState.STOPPED
    (stopping,) = [move for move in resting(world) if move.endswith("stopping")]
    assert in_window(stopping, ended + 10 * MINUTE, ended + 15 * MINUTE)
    assert power(world) == "deallocated"
    (notice,) = world.told.of("stopped")
    assert notice.data == {"why": "idle"}


async def test_people_are_warned_ten_minutes_before_an_idle_stop_with_its_time():
    world = await a_hub()
    await run_to(world, "2026-03-02 10:00")
    (warning,), (stopped,) = world.told.of("stopping-soon"), world.told.of("stopped")
    deadline = datetime.fromisoformat(warning.data["deadline"])
    assert warning.data["why"] == "idle"
    assert deadline - warning.at == 10 * MINUTE
    assert timedelta() <= stopped.at - deadline < 2 * MINUTE


@pytest.mark.parametrize(("setting", "minutes"), [("5", 5), ("10", 10), ("15", 15), ("40", 20)])
async def test_how_early_people_are_warned_can_be_set_up_to_a_third_of_the_idle_time(setting: str, minutes: int):
    settings = some_settings(HUBLET_IDLE_WARNING_MINUTES=setting)
    world = await a_ready_world(MONDAY, world=World(settings=settings, start=MONDAY), idle_minutes=60)
    ready_at = world.clock.now()
    await run_to(world, "2026-03-02 10:00")
    (warning,) = world.told.of("stopping-soon")
    assert datetime.fromisoformat(warning.data["deadline"]) - warning.at == minutes * MINUTE
    (stopping,) = [move for move in resting(world) if move.endswith("stopping")]
    assert in_window(stopping, ready_at + HOUR, ready_at + HOUR)


async def test_a_hub_nobody_ever_logged_in_to_stops_an_idle_time_after_it_was_ready():
    world = await a_hub()
    ready_at = world.clock.now()
    await run_to(world, "2026-03-02 10:00")
    assert resting(world)[-1] == f"{ready_at + HOUR:%d %H:%M} stopping"


async def test_someone_who_comes_back_in_the_grace_time_keeps_the_hub_and_the_next_warning_is_a_new_one():
    world = await a_hub()
    await run_to(world, "2026-03-02 08:58")
    assert len(told(world, "stopping-soon")) == 1
    await someone_works(world, "2026-03-02 11:00")
    assert state(world) is HubState.READY
    assert len(told(world, "stopping-soon")) == 1
    await jupyter_ends_it(world)
    await run_to(world, "2026-03-02 12:30")
    assert state(world) is HubState.STOPPED
    assert len(told(world, "stopping-soon")) == 2


@pytest.mark.parametrize("seconds", [1, 30, 299, 599])
async def test_someone_who_comes_in_the_last_seconds_of_the_grace_time_is_in_time(seconds: int):
    world = await a_hub()
    await world.run(lambda: world.hub.life.idle.no_server_since is not None, limit_s=2 * 3600)
    await run_to(world, world.clock.now() + timedelta(seconds=600 - seconds))
    world.people.start_server("ada", pending=True)
    await run_to(world, world.clock.now() + 30 * MINUTE)
    assert state(world) is HubState.READY


async def test_a_server_that_is_starting_for_hours_counts_as_work():
    world = await a_hub()
    world.people.start_server("ada", pending=True)
    await run_to(world, "2026-03-02 20:00")
    assert state(world) is HubState.READY


async def test_a_server_that_stays_although_it_does_nothing_counts_as_work():
    """Jupyter alone decides what idle is: a computation for hours, with nobody at the screen."""
    world = await a_hub()
    world.people.start_server("ada")
    await run_to(world, "2026-03-03 08:00")
    assert state(world) is HubState.READY


async def test_every_decision_is_an_event_with_its_numbers():
    world = await a_hub()
    world.people.start_server("ada")
    await run_to(world, "2026-03-02 08:56")
    world.people.stop_server("ada")
    await run_to(world, "2026-03-02 10:00")
    assert world.said("idle") == [
        "1 person, last activity 50 min ago, limit 60 min: stays.",
        "No server runs since 0 min, limit 60 min: stops in 10 min.",
        "No server runs since 5 min, limit 60 min: stops in 5 min.",
        "No server has run for 10 min, limit 60 min: stops.",
    ]
    assert len(world.said("idle")) == len(world.people.asked)


async def test_a_hub_without_tls_is_asked_through_its_tunnel_and_never_at_its_address():
    world = await a_hub()
    await run_to(world, "2026-03-02 09:30")
    assert world.people.asked
    assert all(access.tunnel is not None for access in world.people.asked)


# ------------------------------------------------------------------ how often it looks


async def test_a_hub_that_is_used_all_day_is_looked_at_some_thirty_times():
    """Looks come when the machine's rule can have ended the last server at the earliest."""
    world = await a_hub()
    await run_to(world, "2026-03-02 08:30")
    before = len(world.people.asked)
    await someone_works(world, "2026-03-03 08:30")
    assert 24 <= len(world.people.asked) - before <= 32
    assert state(world) is HubState.READY


async def test_even_the_worst_day_is_a_look_every_five_minutes():
    world = await a_hub()
    world.people.start_server("ada", pending=True)
    await run_to(world, "2026-03-02 09:00")
    before = len(world.people.asked)
    await run_to(world, "2026-03-03 09:00")
    assert len(world.people.asked) - before <= 288


async def test_a_stopped_hub_and_one_without_the_rule_are_never_looked_at():
    world = await a_hub()
    await world.stop()
    await run_to(world, "2026-03-02 20:00")
    assert world.people.asked == []
    world = await a_hub(idle_minutes=None)
    await run_to(world, "2026-03-02 20:00")
    assert world.people.asked == []


# ------------------------------------------------------------------ looks that see nothing


async def test_a_hub_that_cannot_be_read_for_hours_never_stops_and_says_so():
    world = await a_hub()
    world.people.fail_next(UNREADABLE, times=10_000)
    await run_to(world, "2026-03-02 20:00")
    assert state(world) is HubState.READY
    (condition,) = [one for one in world.hub.conditions if one.type == "IdleStopNotWorking"]
    assert UNREADABLE.message in condition.message
    assert told(world, "stopping-soon") == []
    assert len(world.said("condition")) == 1
    assert len(world.said("idle")) == 2  # the first, and the one that shows it


async def test_the_condition_appears_after_three_looks_and_goes_with_the_first_good_one():
    world = await a_hub()
    world.people.fail_next(UNREADABLE, times=MISSES_SHOWN)
    await world.run(lambda: len(world.people.asked) == MISSES_SHOWN - 1, limit_s=2 * 3600)
    assert conditions(world) == []
    await world.run(lambda: len(world.people.asked) == MISSES_SHOWN, limit_s=3600)
    assert conditions(world) == ["IdleStopNotWorking"]
    await world.run(lambda: len(world.people.asked) == MISSES_SHOWN + 1, limit_s=3600)
    assert conditions(world) == []
    assert world.said("condition")[-1] == "IdleStopNotWorking is over."


async def test_a_look_that_fails_in_the_grace_time_begins_it_anew():
    world = await a_hub()
    await world.run(lambda: world.hub.life.idle.no_server_since is not None, limit_s=2 * 3600)
    first = world.clock.now()
    world.people.fail_next(UNREADABLE)
    await run_to(world, first + 14 * MINUTE)
    assert state(world) is HubState.READY
    await run_to(world, first + 30 * MINUTE)
    assert state(world) is HubState.STOPPED
    assert len(told(world, "stopping-soon")) == 2


async def test_a_hub_that_can_be_read_every_other_time_only_never_stops():
    world = await a_hub()
    look = world.people.activity

    async def flaky(access: Any) -> Any:
        if len(world.people.asked) % 2:
            world.people.fail_next(UNREADABLE)
        return await look(access)

    world.people.activity = flaky  # type: ignore[method-assign]
    await run_to(world, "2026-03-02 20:00")
    assert state(world) is HubState.READY


@pytest.mark.parametrize("turn_it_off", ["the rule", "the hub"])
async def test_what_idle_stop_cannot_do_is_no_longer_shown_when_there_is_none(turn_it_off: str):
    world = await a_hub()
    world.people.fail_next(UNREADABLE, times=10_000)
    await run_to(world, "2026-03-02 12:00")
    assert conditions(world) == ["IdleStopNotWorking"]
    if turn_it_off == "the rule":
        await change(world, idle_minutes=None)
    else:
        await world.stop()
    await run_to(world, "2026-03-02 13:00")
    assert conditions(world) == []


async def test_a_secret_that_cannot_be_read_counts_as_work():
    world = await a_hub()
    world.storage.tape.fail("secrets.get", RetryableError("StorageUnavailable", "no"), times=3)
    await run_to(world, "2026-03-02 09:20")
    assert state(world) is HubState.READY


# ------------------------------------------------------------------ with schedules, PATCH and extend


async def test_idle_stop_can_be_turned_off_in_the_grace_time():
    world = await a_hub()
    await world.run(lambda: world.hub.life.idle.no_server_since is not None, limit_s=2 * 3600)
    asked = len(world.people.asked)
    await change(world, idle_minutes=None)
    await run_to(world, "2026-03-03 08:00")
    assert state(world) is HubState.READY
    assert len(world.people.asked) == asked
    assert world.hub.next_look_at is None


async def test_idle_stop_can_be_turned_on_later_and_the_machines_usual_rule_holds():
    """The machine ends what did nothing for its usual time, which is then all that is left of the idle time."""
    world = await a_hub(idle_minutes=None)
    await run_to(world, "2026-03-02 12:00")
    await change(world, idle_minutes=30)
    await run_to(world, "2026-03-02 13:00")
    assert state(world) is HubState.STOPPED
    assert len(told(world, "stopping-soon")) == 1


async def test_a_longer_idle_time_holds_at_once():
    world = await a_hub()
    await world.run(lambda: world.hub.life.idle.no_server_since is not None, limit_s=2 * 3600)
    changed = world.clock.now()
    await change(world, idle_minutes=180)
    await run_to(world, changed + HOUR)
    assert state(world) is HubState.READY
    await run_to(world, changed + 3 * HOUR + 5 * MINUTE)
    assert state(world) is HubState.STOPPED


async def test_an_extension_in_the_grace_time_holds_the_stop_off_and_people_are_warned_again():
    world = await a_hub()
    await world.run(lambda: world.hub.life.idle.no_server_since is not None, limit_s=2 * 3600)
    deadline = world.clock.now() + 10 * MINUTE
    await extend(world, 2)
    await run_to(world, deadline + 2 * HOUR - MINUTE)
    assert state(world) is HubState.READY
    await run_to(world, deadline + 2 * HOUR + 15 * MINUTE)
    assert state(world) is HubState.STOPPED
    assert len(told(world, "stopping-soon")) == 2


async def test_an_extension_of_a_scheduled_stop_holds_the_idle_stop_off_as_well():
    world = await a_hub(schedule=a_schedule())
    await someone_works(world, "2026-03-02 17:00")
    await extend(world, 3)
    world.people.stop_all()
    await run_to(world, "2026-03-02 20:59")
    assert state(world) is HubState.READY
    await run_to(world, "2026-03-02 21:01")
    assert resting(world)[-1] == "02 21:00 stopping"
    assert told(world, "stopping-soon") == ["02 20:30"]


async def test_nothing_to_extend_while_somebody_works():
    world = await a_hub()
    await someone_works(world, "2026-03-02 10:00")
    with pytest.raises(UserError) as refusal:
        await extend(world, 1)
    assert refusal.value.code == "NothingToExtend"


async def test_of_an_idle_stop_and_a_scheduled_one_the_first_comes_and_alone_is_told():
    world = await a_hub(schedule=a_schedule(stop="10:10", start="06:00"))  # 09:10 UTC
    await run_to(world, "2026-03-02 09:30")
    assert [one.data["why"] for one in world.told.of("stopping-soon")] == ["schedule", "idle"]
    assert world.hub.life.stop_why == "idle"


async def test_an_idle_hub_starts_again_with_its_schedule():
    world = await a_hub(schedule=a_schedule())
    await run_to(world, "2026-03-03 07:32")
    assert resting(world)[-2:] == ["02 09:05 stopping", "03 07:30 ready"]
    await run_to(world, "2026-03-03 08:31")
    assert resting(world)[-1] == "03 08:30 stopping"


async def test_a_restart_begins_the_idle_time_anew():
    world = await a_hub()
    await world.run(lambda: world.hub.life.idle.no_server_since is not None, limit_s=2 * 3600)
    await steer.restart_hub(world.app, world.hub, world.asking())
    since = world.clock.now()
    await run_to(world, since + 50 * MINUTE)
    assert state(world) is HubState.READY
    await run_to(world, since + 64 * MINUTE)
    assert state(world) is HubState.STOPPED


# ------------------------------------------------------------------ outages


async def test_after_an_outage_in_the_grace_time_people_are_warned_again_before_the_stop():
    world = await a_hub()
    await world.run(lambda: world.hub.life.idle.no_server_since is not None, limit_s=2 * 3600)
    await be_down(world, world.clock.now() + 2 * HOUR)
    back = world.clock.now()
    await run_to(world, back + 9 * MINUTE)
    assert state(world) is HubState.READY
    assert len(told(world, "stopping-soon", back)) == 1
    await run_to(world, back + 14 * MINUTE)
    assert state(world) is HubState.STOPPED


async def test_after_an_outage_in_which_everybody_left_the_hub_gets_its_whole_grace_time():
    world = await a_hub()
    await someone_works(world, "2026-03-02 10:00")
    world.down = True
    await jupyter_ends_it(world)
    await be_down(world, "2026-03-02 15:00")
    await run_to(world, "2026-03-02 15:09")
    assert state(world) is HubState.READY
    await run_to(world, "2026-03-02 15:15")
    assert state(world) is HubState.STOPPED


async def test_by_the_timer_alone_an_idle_hub_stops_all_the_same():
    world = await a_hub()
    lose_wake_ups(world)
    ready_at = world.clock.now()
    await run_to(world, ready_at + HOUR + 5 * MINUTE)
    assert state(world) is HubState.STOPPED


# ------------------------------------------------------------------ any week


@pytest.mark.parametrize("seed", range(4))
async def test_nobodys_work_is_ever_stopped_and_an_empty_hub_stops_in_time(seed: int):
    """People come and go; some looks fail. A hub stops only after a grace time without servers, as seen from outside,
    and is off soon after (unless looks failed)."""
    rng = random.Random(seed)
    minutes = rng.choice((15, 30, 60, 240))
    world = await a_hub(idle_minutes=minutes)
    grace = min(10.0, minutes / 3) * MINUTE
    rule = minutes * MINUTE - grace
    there: dict[str, datetime] = {}  # who -> their last activity
    empty_since: datetime | None = world.clock.now()
    failed_at = world.clock.now() - HOUR
    since = world.clock.now()
    while world.clock.now() < since + timedelta(days=1):
        now = world.clock.now()
        if state(world) is HubState.READY:
            for user in [user for user, last in there.items() if now - last >= rule]:
                del there[user]
                world.people.stop_server(user)
            user = rng.choice("abc")
            if rng.random() < 0.08:
                there[user] = now
                world.people.start_server(user)
            elif user in there and rng.random() < 0.3:
                there[user] = now
                world.people.active(user)
            if rng.random() < 0.01:
                failed_at = now
                world.people.fail_next(UNREADABLE, times=rng.randint(1, 3))
            if there:
                empty_since = None
            elif empty_since is None:
                empty_since = now
        if state(world) in (HubState.STOPPING, HubState.STOPPED):
            assert not there, f"{there} at {now}"
            assert empty_since is not None
            assert world.hub.state_since - empty_since >= grace - MINUTE
            if state(world) is HubState.STOPPED:
                await world.start()
                await world.run_to_rest(HubState.READY)
                empty_since = world.clock.now()
            continue_at = world.clock.now() + MINUTE
        else:
            looks = timedelta(minutes=max(5.0, minutes / 12))
            if empty_since is not None and failed_at < now - 3 * HOUR:
                assert now - max(empty_since, world.hub.state_since) <= minutes * MINUTE + grace + 3 * looks
            continue_at = now + MINUTE
        await run_to(world, continue_at)


# ------------------------------------------------------------------ many looks


@pytest.mark.parametrize("look", [lambda world: world.people.stop_all(), lambda world: None], ids=["empty", "full"])
async def test_looks_in_one_hour_make_no_more_rows_than_one(look: Callable[[World], None]):
    world = await a_hub()
    world.people.start_server("ada")
    look(world)
    await run_to(world, "2026-03-02 10:00")
    assert len(world.storage.due.rows) <= 3
    assert len(world.storage.queue.waiting) <= 2
