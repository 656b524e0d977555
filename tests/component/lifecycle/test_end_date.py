"""The end date of a hub, in virtual time: told a week and a day before, stopped, kept for a while, deleted."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.errors import UserError
from shared.hubs import steer
from shared.hubs.model import Hub
from shared.hubs.states import Goal, HubState
from tests.component.lifecycle.days import (
    HOUR,
    MINUTE,
    a_ready_world,
    be_down,
    lose_wake_ups,
    power,
    power_writes,
    resting,
    run_to,
    state,
    told,
    utc,
)
from tests.support.builders import a_schedule, some_settings
from tests.support.world import World

pytestmark = pytest.mark.slow

MONDAY = utc("2026-03-02 06:00")
ENDS = utc("2026-03-12 12:00")
DELETED = ENDS + timedelta(days=7)


async def until_the_end(**spec: Any) -> World:
    return await a_ready_world(MONDAY, **{"expires_at": ENDS, **spec})


async def change(world: World, **changes: object) -> Hub:
    return (await steer.change_hub(world.app, world.hub, world.asking(), changes)).hub


async def refused(world: World) -> str:
    with pytest.raises(UserError) as refusal:
        await world.start()
    return refusal.value.code


def gone(world: World) -> bool:
    return not world.storage.hubs.hubs


# ------------------------------------------------------------------ as planned


async def test_a_hub_is_told_of_its_end_twice_then_stopped_then_deleted():
    world = await until_the_end()
    await run_to(world, ENDS - MINUTE)
    assert told(world, "ending-soon") == ["05 12:00", "11 12:00"]
    assert state(world) is HubState.READY
    await run_to(world, ENDS + 2 * MINUTE)
    assert resting(world)[-1] == "12 12:00 stopping"
    assert state(world) is HubState.STOPPED
    assert power(world) == "deallocated"
    assert world.hub.life.stop_why == "expires"
    await run_to(world, DELETED - MINUTE)
    assert state(world) is HubState.STOPPED
    await run_to(world, DELETED + 10 * MINUTE)
    assert gone(world)
    assert world.cloud.groups == {}
    assert told(world, "ending-soon") == ["05 12:00", "11 12:00"]
    assert told(world, "stopping-soon") == []
    assert [one.data["why"] for one in world.told.of("stopped")] == ["expires"]
    assert len(told(world, "deleted")) == 1


async def test_the_warning_names_the_end_and_the_deletion():
    world = await until_the_end()
    await run_to(world, "2026-03-06 00:00")
    (notice,) = world.told.of("ending-soon")
    assert "2026-03-12 12:00 UTC" in notice.message
    assert "2026-03-19 12:00 UTC" in notice.message
    assert notice.data == {"deadline": ENDS.isoformat(), "why": "expires"}


async def test_after_its_end_a_hub_is_not_started_by_its_owner_nor_by_its_schedule():
    world = await until_the_end(schedule=a_schedule())
    await run_to(world, ENDS + HOUR)
    assert await refused(world) == "HubHasExpired"
    since = world.clock.now()
    await run_to(world, DELETED - HOUR)
    assert resting(world, since) == []
    assert power_writes(world, since) == []


async def test_a_scheduled_stop_on_the_last_day_and_the_end_are_told_apart():
    world = await until_the_end(schedule=a_schedule(stop="12:00"))  # 11:00 UTC, an hour before the end
    await run_to(world, ENDS + HOUR)
    assert resting(world)[-1] == "12 11:00 stopping"
    assert told(world, "stopping-soon")[-1] == "12 10:30"
    assert world.hub.life.stop_why == "schedule"


async def test_a_stop_after_the_end_is_not_told():
    world = await until_the_end(schedule=a_schedule(stop="13:20"))  # 12:20 UTC
    await run_to(world, ENDS + HOUR)
    assert resting(world)[-1] == "12 12:00 stopping"
    assert told(world, "stopping-soon")[-1] == "11 11:50"


async def test_a_stopped_hub_is_told_of_its_end_and_deleted_too():
    world = await until_the_end()
    await world.stop()
    await run_to(world, DELETED + 10 * MINUTE)
    assert told(world, "ending-soon") == ["05 12:00", "11 12:00"]
    assert gone(world)
    assert len(told(world, "stopped")) == 1


async def test_how_long_an_ended_hub_is_kept_can_be_set():
    settings = some_settings(HUBLET_EXPIRED_KEEP_DAYS="2")
    world = await a_ready_world(MONDAY, world=World(settings=settings, start=MONDAY), expires_at=ENDS)
    await run_to(world, ENDS + timedelta(days=2) + 10 * MINUTE)
    assert gone(world)


async def test_a_hub_that_is_not_kept_at_all_is_stopped_and_deleted_at_its_end():
    settings = some_settings(HUBLET_EXPIRED_KEEP_DAYS="0")
    world = await a_ready_world(MONDAY, world=World(settings=settings, start=MONDAY), expires_at=ENDS)
    await run_to(world, ENDS + 10 * MINUTE)
    assert gone(world)


async def test_a_hub_with_less_than_a_day_is_told_once_and_at_once():
    world = await a_ready_world(MONDAY, expires_at=utc("2026-03-02 18:00"))
    await run_to(world, "2026-03-02 19:00")
    assert told(world, "ending-soon") == ["02 06:05"]
    assert state(world) is HubState.STOPPED


async def test_an_end_date_cannot_be_extended():
    world = await a_ready_world(MONDAY, expires_at=utc("2026-03-02 16:00"), schedule=a_schedule())
    await run_to(world, "2026-03-02 12:00")
    with pytest.raises(UserError) as refusal:
        await steer.extend_hub(world.app, world.hub, world.asking(), 1)
    assert refusal.value.code == "NothingToExtend"


async def test_an_extension_past_the_end_does_not_move_it():
    world = await a_ready_world(MONDAY, expires_at=utc("2026-03-02 19:00"), schedule=a_schedule())
    await run_to(world, "2026-03-02 12:00")
    await steer.extend_hub(world.app, world.hub, world.asking(), 4)
    await run_to(world, "2026-03-02 19:01")
    assert resting(world)[-1] == "02 19:00 stopping"


# ------------------------------------------------------------------ while something goes on


async def test_an_end_that_comes_while_the_hub_is_made_stops_it_as_soon_as_it_is_ready():
    world = World(start=MONDAY)
    await world.create(expires_at=MONDAY + 3 * MINUTE)
    await world.run_to_rest(HubState.STOPPED)
    assert [move.split()[-1] for move in resting(world)] == ["ready", "stopping"]
    assert power(world) == "deallocated"
    assert await refused(world) == "HubHasExpired"
    await run_to(world, MONDAY + timedelta(days=7, minutes=10))
    assert gone(world)


async def test_an_end_that_comes_while_the_hub_is_started_stops_it_again():
    world = await until_the_end()
    await world.stop()
    await run_to(world, ENDS - timedelta(seconds=20))
    await world.start()
    await run_to(world, ENDS + 5 * MINUTE)
    assert state(world) is HubState.STOPPED
    assert power(world) == "deallocated"


async def test_an_end_that_comes_while_azure_has_no_room_ends_the_start():
    world = await until_the_end()
    await world.stop()
    await run_to(world, ENDS - 5 * MINUTE)
    world.cloud.no_room.add("standard_d2s_v3")
    await world.start()
    await run_to(world, ENDS + HOUR)
    assert state(world) is HubState.STOPPED
    assert world.hub.goal is Goal.STOPPED


async def test_an_idle_hub_that_stopped_before_stays_off_over_its_end():
    world = await until_the_end(idle_minutes=60)
    await run_to(world, ENDS + HOUR)
    assert [move for move in resting(world) if move.endswith("stopping")] == ["02 07:05 stopping"]
    assert told(world, "ending-soon") == ["05 12:00", "11 12:00"]


async def test_a_hub_whose_machine_is_gone_is_deleted_at_its_time():
    world = await until_the_end()
    world.cloud.lose_vm(world.hub.group_name, world.hub.vm_name)
    await run_to(world, DELETED + 10 * MINUTE)
    assert gone(world)
    assert world.cloud.groups == {}


async def test_a_hub_that_somebody_deletes_before_its_end_leaves_nothing_to_be_told():
    world = await until_the_end()
    await run_to(world, "2026-03-04 12:00")
    await world.delete(world.hub)
    await run_to(world, DELETED + HOUR)
    assert told(world, "ending-soon") == []


# ------------------------------------------------------------------ another end date


@pytest.mark.parametrize("later", [ENDS + timedelta(days=30), None], ids=["a later one", "none"])
async def test_an_ended_hub_with_a_new_end_date_can_be_started_and_is_not_deleted(later: datetime | None):
    world = await until_the_end()
    await run_to(world, DELETED - 5 * MINUTE)
    await change(world, expires_at=later)
    await run_to(world, DELETED + HOUR)
    assert state(world) is HubState.STOPPED
    await world.start()
    await world.run_to_rest(HubState.READY)
    await run_to(world, ENDS + timedelta(days=20))
    assert state(world) is HubState.READY


async def test_an_ended_hub_with_a_new_end_date_starts_with_its_schedule():
    world = await until_the_end(schedule=a_schedule())
    await run_to(world, "2026-03-12 20:00")
    await change(world, expires_at=ENDS + timedelta(days=30))
    await run_to(world, "2026-03-13 07:31")
    assert resting(world)[-1] == "13 07:30 ready"


async def test_a_new_end_date_is_told_anew():
    world = await until_the_end()
    await run_to(world, "2026-03-06 00:00")
    await change(world, expires_at=ENDS + timedelta(days=10))
    await run_to(world, ENDS + timedelta(days=10) + HOUR)
    assert told(world, "ending-soon") == ["05 12:00", "15 12:00", "21 12:00"]
    assert resting(world)[-1] == "22 12:00 stopping"


async def test_a_nearer_end_date_holds_at_once():
    world = await until_the_end()
    await run_to(world, "2026-03-03 12:00")
    await change(world, expires_at=utc("2026-03-03 12:30"))
    await run_to(world, "2026-03-03 12:31")
    assert told(world, "ending-soon") == ["03 12:00"]
    assert resting(world)[-1] == "03 12:30 stopping"


async def test_no_end_date_any_more_means_no_end():
    world = await until_the_end()
    await run_to(world, ENDS - HOUR)
    await change(world, expires_at=None)
    await run_to(world, DELETED + HOUR)
    assert state(world) is HubState.READY
    assert world.hub.next_look_at is None


async def test_a_deletion_that_has_begun_is_not_taken_back():
    world = await until_the_end()
    await run_to(world, DELETED + timedelta(seconds=20))
    assert state(world) is HubState.DELETING
    with pytest.raises(UserError) as refusal:
        await change(world, expires_at=None)
    assert refusal.value.code == "HubIsBeingDeleted"


# ------------------------------------------------------------------ outages


async def test_an_end_date_that_comes_while_the_app_is_down_is_guarded_by_azures_shutdown():
    world = await until_the_end()
    await run_to(world, ENDS - HOUR)
    await be_down(world, ENDS + 10 * HOUR)
    assert [fired.at for fired in world.cloud.fired] == [ENDS + 30 * MINUTE]
    assert power(world) == "deallocated"
    await run_to(world, ENDS + 10 * HOUR + 5 * MINUTE)
    assert state(world) is HubState.STOPPED
    assert world.hub.life.stop_why == "expires"
    await run_to(world, DELETED + 10 * MINUTE)
    assert gone(world)


async def test_a_deletion_that_was_due_while_the_app_was_down_is_done_when_it_is_back():
    world = await until_the_end()
    await run_to(world, ENDS + HOUR)
    await be_down(world, DELETED + timedelta(days=3))
    await run_to(world, DELETED + timedelta(days=3, minutes=10))
    assert gone(world)


async def test_a_hub_that_ended_and_was_due_for_deletion_in_one_outage_is_told_and_deleted():
    world = await until_the_end()
    await run_to(world, ENDS - HOUR)
    await be_down(world, DELETED + timedelta(days=1))
    await run_to(world, DELETED + timedelta(days=1, minutes=15))
    assert gone(world)
    assert len(told(world, "deleted")) == 1


async def test_an_outage_over_both_warnings_gives_the_nearer_one():
    world = await until_the_end()
    await run_to(world, "2026-03-04 12:00")
    await be_down(world, ENDS - 5 * HOUR)
    await run_to(world, ENDS)
    assert told(world, "ending-soon") == ["12 07:00"]


async def test_by_the_timer_alone_everything_comes_within_a_minute():
    world = await until_the_end()
    lose_wake_ups(world)
    await run_to(world, ENDS + 3 * MINUTE)
    assert [text[:7] for text in told(world, "ending-soon")] == ["05 12:0", "11 12:0"]
    assert resting(world)[-1] in ("12 12:00 stopping", "12 12:01 stopping")
    await run_to(world, DELETED + 10 * MINUTE)
    assert gone(world)
