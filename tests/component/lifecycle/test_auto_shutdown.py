"""Azure's own daily shutdown: in step with the hub's next stop, so that the stop comes although the app is down."""

import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.errors import FatalError, RetryableError, UserError
from shared.hubs import steer
from shared.hubs.model import Block, Hub
from shared.hubs.ports import DailyShutdown
from shared.hubs.states import HubState
from tests.component.lifecycle.days import (
    HOUR,
    a_ready_world,
    be_down,
    conditions,
    power,
    resting,
    run_to,
    state,
    utc,
)
from tests.support.builders import a_schedule, some_settings
from tests.support.world import World

pytestmark = pytest.mark.slow

MONDAY = utc("2026-03-02 06:00")
NO_PROVIDER = UserError("MissingSubscriptionRegistration", "The subscription does not have Microsoft.DevTestLab.")


async def a_class(start: datetime = MONDAY, *, world: World | None = None, **spec: Any) -> World:
    return await a_ready_world(start, world=world, **{"schedule": a_schedule(), **spec})


async def extend(world: World, hours: float) -> Hub:
    return (await steer.extend_hub(world.app, world.hub, world.asking(), hours)).hub


async def skip(world: World) -> Hub:
    return (await steer.skip_next_stop(world.app, world.hub, world.asking())).hub


async def change(world: World, **changes: object) -> Hub:
    return (await steer.change_hub(world.app, world.hub, world.asking(), changes)).hub


def armed(world: World) -> str | None:
    """The hour Azure would act at, in UTC; None when it is off or was never there."""
    shutdown = world.cloud.shutdown(world.hub.group_name, world.hub.vm_name)
    return shutdown.time if shutdown is not None and shutdown.enabled else None


def writes(world: World) -> list[str]:
    return [f"{call.at:%d %H:%M}" for call in world.cloud.writes if call.verb == "shutdown"]


def fired(world: World) -> list[str]:
    return [f"{call.at:%d %H:%M}" for call in world.cloud.fired]


# ------------------------------------------------------------------ in step


async def test_it_is_written_once_for_a_daily_class_and_not_each_day():
    world = await a_class()
    await run_to(world, "2026-03-02 06:10")
    assert armed(world) == "1830"
    await run_to(world, "2026-03-17 12:00")
    assert writes(world) == ["02 06:05"]
    assert fired(world) == []


async def test_it_carries_our_tags_and_lies_where_the_machine_lies():
    world = await a_class()
    await run_to(world, "2026-03-02 06:10")
    shutdown = world.cloud.shutdown(world.hub.group_name, world.hub.vm_name)
    assert shutdown is not None
    assert (shutdown.group, shutdown.vm_name, shutdown.region) == (world.hub.group_name, world.hub.vm_name, "eastus")
    assert shutdown.tags["hublet-hub"] == world.hub.id


async def test_it_moves_when_the_clock_there_does():
    world = await a_class(utc("2026-03-27 06:00"))
    await run_to(world, "2026-03-30 12:00")
    assert armed(world) == "1730"
    assert writes(world) == ["27 06:05", "30 06:30"]
    await run_to(world, "2026-04-10 12:00")
    assert len(writes(world)) == 2
    assert fired(world) == []


async def test_it_is_off_for_a_hub_that_somebody_needs_on_the_weekend():
    world = await a_class(utc("2026-03-06 06:00"))
    await run_to(world, "2026-03-07 09:00")
    await world.start()
    await run_to(world, "2026-03-07 09:05")
    assert armed(world) is None
    await run_to(world, "2026-03-09 12:00")
    assert state(world) is HubState.READY
    assert armed(world) == "1830"
    assert fired(world) == []


async def test_a_start_by_hand_right_before_yesterdays_hour_is_not_hit_by_it():
    world = await a_class(utc("2026-03-06 06:00"))
    await run_to(world, "2026-03-07 18:29:45")
    await world.start()
    await run_to(world, "2026-03-07 18:40")
    assert state(world) is HubState.READY
    assert power(world) == "running"
    assert fired(world) == []


async def test_an_extension_moves_it():
    world = await a_class()
    await run_to(world, "2026-03-02 17:45")
    await extend(world, 2)
    await run_to(world, "2026-03-02 17:46")
    assert armed(world) == "2030"
    await run_to(world, "2026-03-03 12:00")
    assert armed(world) == "1830"
    assert len(writes(world)) == 3
    assert fired(world) == []


async def test_it_is_off_while_the_next_stop_is_called_off():
    world = await a_class()
    await run_to(world, "2026-03-02 12:00")
    await skip(world)
    await run_to(world, "2026-03-02 12:01")
    assert armed(world) is None
    await run_to(world, "2026-03-03 05:59")
    assert armed(world) is None
    await run_to(world, "2026-03-03 06:02")
    assert armed(world) == "1830"
    assert fired(world) == []


async def test_it_is_off_when_the_hub_has_no_schedule_any_more():
    world = await a_class()
    await run_to(world, "2026-03-02 12:00")
    await change(world, schedule=None)
    await run_to(world, "2026-03-02 12:01")
    assert armed(world) is None
    await run_to(world, "2026-03-05 12:00")
    assert state(world) is HubState.READY
    assert fired(world) == []


async def test_a_new_schedule_moves_it():
    world = await a_class()
    await run_to(world, "2026-03-02 12:00")
    await change(world, schedule=a_schedule(stop="16:15"))
    await run_to(world, "2026-03-02 12:01")
    assert armed(world) == "1545"


async def test_a_hub_without_schedule_and_end_date_never_has_one():
    world = await a_class(schedule=None, idle_minutes=60)
    world.people.start_server("ada")
    await run_to(world, "2026-03-03 12:00")
    assert writes(world) == []


async def test_one_that_was_turned_off_in_the_settings_is_never_written():
    settings = some_settings(HUBLET_DEAD_MANS_SWITCH="off")
    world = await a_class(world=World(settings=settings, start=MONDAY))
    await run_to(world, "2026-03-04 12:00")
    assert writes(world) == []


async def test_turning_it_off_in_the_settings_turns_off_those_that_are_there():
    world = await a_class()
    await run_to(world, "2026-03-02 12:00")
    object.__setattr__(world.app, "settings", some_settings(HUBLET_DEAD_MANS_SWITCH="off"))
    await run_to(world, "2026-03-03 12:00")
    assert armed(world) is None


async def test_it_goes_with_its_hub():
    world = await a_class()
    await run_to(world, "2026-03-02 12:00")
    await world.delete(world.hub)
    await world.run_until_gone()
    assert world.cloud.groups == {}


# ------------------------------------------------------------------ refused


@pytest.mark.parametrize("error", [NO_PROVIDER, FatalError("RequestDisallowedByPolicy", "A policy is against it.")])
async def test_a_subscription_that_refuses_it_is_shown_and_asked_again_the_next_day(error: Any):
    world = World(start=MONDAY)
    world.cloud.fail_begin("shutdown", error)
    await a_class(world=world)
    await run_to(world, "2026-03-02 17:00")
    assert writes(world) == ["02 06:05"]
    assert armed(world) is None
    (condition,) = [one for one in world.hub.conditions if one.type == "AutoShutdownNotSet"]
    assert error.message in condition.message
    await run_to(world, "2026-03-02 18:02")
    assert state(world) is HubState.STOPPED
    await run_to(world, "2026-03-03 08:00")
    assert armed(world) == "1830"
    assert conditions(world) == []
    assert len(writes(world)) == 2


async def test_a_subscription_that_always_refuses_it_is_asked_once_a_day():
    world = World(start=MONDAY)
    world.cloud.fail_begin("shutdown", NO_PROVIDER, times=1000)
    await a_class(world=world)
    await run_to(world, "2026-03-16 12:00")
    assert len(writes(world)) <= 14
    assert conditions(world) == ["AutoShutdownNotSet"]
    assert state(world) is HubState.READY
    assert len([move for move in resting(world) if move.endswith("stopping")]) == 10


async def test_trouble_that_passes_is_tried_again_and_not_shown():
    world = World(start=MONDAY)
    world.cloud.fail_begin("shutdown", RetryableError("AzureUnreachable", "No answer."), times=3)
    await a_class(world=world)
    await run_to(world, "2026-03-02 06:30")
    assert writes(world) == ["02 06:05", "02 06:06", "02 06:07", "02 06:08"]
    assert armed(world) == "1830"
    assert "AutoShutdownNotSet" not in [text.partition(":")[0] for text in world.said("condition")]


async def test_a_write_whose_answer_got_lost_is_put_right_before_it_can_hit_an_extended_class():
    world = World(start=MONDAY)
    real, lost = world.app.shutdowns.put, [True]

    async def put(plan: DailyShutdown) -> None:
        await real(plan)
        if lost[0]:
            raise RetryableError("AzureUnreachable", "No answer in time.")

    object.__setattr__(world.app.shutdowns, "put", put)
    await a_class(world=world)
    await run_to(world, "2026-03-02 12:00")
    await skip(world)
    lost[0] = False
    await run_to(world, "2026-03-02 20:00")
    assert armed(world) is None
    assert fired(world) == []


# ------------------------------------------------------------------ it must not hit


@pytest.mark.parametrize("seed", range(6))
async def test_while_the_app_is_up_it_never_fires_whatever_people_do(seed: int):
    rng = random.Random(seed)
    world = await a_class(utc("2026-03-23 06:00"))  # over the change of the clock
    end = world.clock.now() + timedelta(days=14)
    while world.clock.now() < end:
        await run_to(world, world.clock.now() + rng.uniform(0.05, 14) * HOUR)
        try:
            match rng.randrange(7):
                case 0 | 1:
                    await extend(world, rng.choice((0.5, 1, 4, 10, 15)))
                case 2:
                    await skip(world)
                case 3:
                    await world.start()
                case 4:
                    await world.stop()
                case 5:
                    stop = f"{rng.randint(10, 23):02}:{rng.randrange(60):02}"
                    await change(world, schedule=a_schedule(stop=stop))
                case _:
                    await change(world, schedule=rng.choice((None, a_schedule(start=None, days=("wed", "sun")))))
        except UserError:
            pass  # nothing to extend, over the limit
    assert fired(world) == []
    assert world.told.of("stopped") != []


async def test_two_hours_a_week_are_two_writes_a_week():
    blocks = (
        Block(days=("mon", "tue", "wed", "thu"), start="08:30", stop="19:00"),
        Block(days=("fri",), start="08:30", stop="14:00"),
    )
    world = await a_class(schedule=a_schedule(start=None, stop=None, days=(), blocks=blocks))
    await run_to(world, "2026-03-14 12:00")
    assert len(writes(world)) == 2 * 2
    assert fired(world) == []


# ------------------------------------------------------------------ it must


async def test_while_the_app_is_down_it_stops_the_machine_half_an_hour_after_the_stop():
    world = await a_class()
    await run_to(world, "2026-03-02 12:00")
    await be_down(world, "2026-03-02 21:00")
    assert fired(world) == ["02 18:30"]
    assert power(world) == "deallocated"
    await run_to(world, "2026-03-02 21:10")
    assert state(world) is HubState.STOPPED
    assert world.hub.life.stop_why == "schedule"
    await run_to(world, "2026-03-03 08:00")
    assert resting(world)[-1] == "03 07:30 ready"


async def test_an_app_that_goes_down_during_an_extension_leaves_the_class_alone_until_its_end():
    world = await a_class()
    await run_to(world, "2026-03-02 17:45")
    await extend(world, 3)
    await run_to(world, "2026-03-02 17:46")
    await be_down(world, "2026-03-02 21:29")
    assert fired(world) == []
    assert power(world) == "running"
    await be_down(world, "2026-03-03 02:00")
    assert fired(world) == ["02 21:30"]


async def test_an_app_that_goes_down_after_a_skip_leaves_the_class_alone_that_night():
    world = await a_class()
    await run_to(world, "2026-03-02 17:45")
    await skip(world)
    await run_to(world, "2026-03-02 17:46")
    await be_down(world, "2026-03-03 05:00")
    assert fired(world) == []
    assert power(world) == "running"


async def test_however_long_the_app_is_down_it_stops_the_machine_in_the_first_evening():
    world = await a_class()
    await run_to(world, "2026-03-03 12:00")
    await be_down(world, "2026-03-09 12:00")
    assert fired(world) == ["03 18:30"]


async def test_a_stop_more_than_twelve_hours_away_is_not_guarded_yet():
    """The price of never hitting a class: an app that went down on Thursday does not stop Friday's only stop."""
    world = await a_class(schedule=a_schedule(start=None, days=("fri",)))
    await run_to(world, "2026-03-05 12:00")
    await be_down(world, "2026-03-07 12:00")
    assert fired(world) == []
    await run_to(world, "2026-03-07 12:05")
    assert state(world) is HubState.STOPPED
