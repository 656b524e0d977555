"""Hubs that somebody follows in a chat: who is told how far it is, from the first visit on."""

from dataclasses import replace
from typing import Any

import pytest

from shared.errors import RetryableError
from shared.hubs import commands, steer
from shared.hubs.model import HubSpec, Notify
from shared.hubs.states import HubState
from tests.support.builders import a_schedule, a_spec
from tests.support.tape import Crash
from tests.support.world import OWNER, CrashPlan, World

THREAD = "slack.T1.C1.42"


async def asked(world: World, *, thread: str | None = THREAD, spec: HubSpec | None = None) -> None:
    await commands.create_hub(
        world.app,
        OWNER,
        spec or a_spec(),
        name="demo",
        idempotency=None,
        request_id="r1",
        price=None,
        thread=thread,
    )


def waiting(world: World) -> list[tuple[int, str, str]]:
    """Number, type and text of what is in the outbox."""
    rows = sorted(world.storage.outbox.rows.items())
    return [(key[2], one.notice.type.split(".")[3], one.notice.message) for key, one in rows]


def told(world: World) -> list[str]:
    return [notice.message for notice in world.told.of("progress")]


def in_thread(world: World, thread: str | None) -> steer.Request:
    return replace(world.asking(), thread=thread)


# ---- create


@pytest.mark.parametrize("thread", [None, THREAD])
async def test_a_create_makes_the_same_requests_whether_it_is_followed_or_not(thread: str | None):
    world = World()
    await asked(world, thread=thread)
    assert sorted(world.storage.tape.writes) == ["due.put", "hubs.create", "queue.put"]
    assert (world.hub.thread, world.hub.event_seq, waiting(world)) == (thread, 1, [])
    assert world.storage.notices.waiting == []


async def test_a_create_that_is_not_stored_tells_nobody():
    world = World()
    world.storage.tape.fail("hubs.create", RetryableError("StorageUnavailable", "No answer."), times=10)
    with pytest.raises(RetryableError):
        await asked(world)
    await world.run(limit_s=120)
    assert world.told.notices == []
    assert world.storage.notices.waiting == []


async def test_a_create_that_dies_anywhere_tells_of_a_hub_that_is_there_or_of_none():
    counted = CrashPlan()
    await asked(World(crash=counted))
    assert counted.points >= 6
    for point in range(counted.points):
        world = World(crash=CrashPlan(point))
        with pytest.raises(Crash):
            await asked(world)
        await world.run(limit_s=120)
        there = bool(world.storage.hubs.hubs)
        assert bool(told(world)) is there, point
        assert told(world)[:1] == (["The hub is being made."] if there else []), point


# ---- on its way


async def test_a_hub_that_is_followed_tells_of_every_step_until_it_is_ready():
    world = World()
    await asked(world)
    await world.run_to_rest(HubState.READY)
    await world.run(limit_s=30)
    steps = ("group", "network", "machine", "address", "boot", "install", "configure", "expose")
    assert told(world)[: 1 + len(steps)] == [
        "The hub is being made.",
        *(f"'{step}' is done." for step in steps),
    ]
    assert len(world.told.of("ready")) == 1
    assert world.storage.outbox.rows == {}


@pytest.mark.parametrize(("notify", "followed"), [(Notify(), False), (Notify(slack_channel="C123"), True)])
async def test_a_hub_is_followed_without_a_conversation_only_when_a_channel_is_named(notify: Notify, followed: bool):
    world = World()
    await asked(world, thread=None, spec=a_spec(notify=notify))
    await world.run_to_rest(HubState.READY)
    await world.run(limit_s=30)
    assert bool(told(world)) is followed
    assert len(world.told.of("ready")) == 1


# ---- steering


async def a_ready_world(thread: str | None = None) -> World:
    world = World()
    await asked(world, thread=thread)
    await world.run_to_rest(HubState.READY)
    await world.run(lambda: not world.storage.outbox.rows, limit_s=60)
    world.told.notices.clear()
    return world


async def test_a_command_in_a_chat_moves_the_hub_into_that_conversation():
    world = await a_ready_world(THREAD)
    await steer.stop_hub(world.app, world.hub, in_thread(world, "teams.t.c.1"))
    assert world.hub.thread == "teams.t.c.1"
    await world.run_to_rest(HubState.STOPPED)
    await world.run(limit_s=30)
    assert told(world)[0] == f"{OWNER.owner} asked for it."


async def test_who_follows_a_hub_hears_that_its_next_stop_was_moved():
    world = World()
    await asked(world, thread=THREAD, spec=a_spec(schedule=a_schedule()))
    await world.run_to_rest(HubState.READY)
    await world.run(lambda: not world.storage.outbox.rows, limit_s=60)
    world.told.notices.clear()
    await steer.extend_hub(world.app, world.hub, world.asking(), 1.0)
    await world.run(limit_s=30)
    assert told(world) == [f"{OWNER.owner} asked for it."]


async def test_a_command_by_the_api_leaves_the_conversation_as_it_is():
    world = await a_ready_world(THREAD)
    await world.stop()
    assert world.hub.thread == THREAD


async def test_a_command_that_changes_nothing_moves_nothing():
    world = await a_ready_world()
    before: Any = world.hub
    await steer.start_hub(world.app, before, in_thread(world, THREAD))
    assert world.hub == before
    assert waiting(world) == []


async def test_a_command_by_the_api_on_a_hub_that_nobody_follows_is_no_progress():
    world = await a_ready_world()
    await world.stop()
    await world.run_to_rest(HubState.STOPPED)
    await world.run(limit_s=30)
    assert told(world) == []
    assert len(world.told.of("stopped")) == 1
