"""Faults of queue messages and of two workers at once: F05 to F08, F11 (docs/faults.md). F12 has a real peer:
tests/contract/host/test_faults.py."""

import asyncio
import random
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.errors import RetryableError
from shared.hubs.dispatch import work_message
from shared.hubs.lifecycle import advance
from shared.hubs.messages import DueBatch
from shared.hubs.model import Hub, Message
from shared.hubs.states import HubState
from shared.steps import STEPS
from tests.support.world import CrashPlan, World


def machines(world: World) -> int:
    return world.cloud.count("vm")


# ---- F05


async def test_f05_a_save_that_lost_the_race_is_given_up_and_what_the_rival_wrote_stands():
    world = World()
    await world.create()
    await world.run(lambda: world.hub.state is HubState.INSTALLING, limit_s=900)
    commit, rivals = world.storage.hubs.commit, 1

    async def overtaken(change):
        nonlocal rivals
        if rivals:
            rivals -= 1
            await world.delete(world.hub)
        return await commit(change)

    world.storage.hubs.commit = overtaken  # type: ignore[method-assign]
    await world.run(lambda: not rivals, limit_s=300)
    assert world.hub.state is HubState.DELETING, "the newer row was not written over"
    await world.run_until_gone()
    assert world.cloud.groups == {}


# ---- F06


@pytest.mark.parametrize("state", [HubState.ACCEPTED, HubState.PROVISIONING, HubState.INSTALLING])
async def test_f06_two_workers_with_the_same_message_have_one_effect_and_the_loser_acknowledges(state: HubState):
    world = World()
    await world.create()
    await world.run(lambda: world.hub.state is state, limit_s=900)
    message = work_message(world.hub, world.clock.now())
    await asyncio.gather(advance(world.app, STEPS, message), advance(world.app, STEPS, message))
    assert (await world.run_to_rest()).state is HubState.READY
    assert machines(world) == 1
    history = world.storage.hubs.history[world.hub.owner, world.hub.id].values()
    moves = [event.to_state for event in history if event.to_state]
    assert moves == ["accepted", "provisioning", "installing", "verifying", "ready"]


# ---- F07


@pytest.mark.parametrize("seed", range(6))
async def test_f07_copies_late_and_in_any_order_end_as_one_flow(seed: int):
    world, rng = World(), random.Random(seed)
    deliver, seen = world.deliver, list[Message]()

    async def with_copies(message: Message | DueBatch) -> None:
        if isinstance(message, Message):
            seen.append(message)
            for _ in range(rng.randrange(3)):
                late = rng.choice(seen)
                await world.app.queue.put(late, delay_s=rng.choice([0, 1, 30, 3600]))
        if len(seen) < 400:
            await deliver(message)

    world.deliver = with_copies  # type: ignore[method-assign]
    await world.create()
    hub = await world.run_to_rest()
    assert (hub.state, machines(world)) == (HubState.READY, 1), hub.reason
    world.deliver = deliver  # type: ignore[method-assign]
    writes, row = len(world.cloud.writes), hub.etag
    await world.run(lambda: not world.storage.queue.waiting, limit_s=7200)
    assert (len(world.cloud.writes), world.hub.etag) == (writes, row), "stale copies changed nothing"


async def test_f07_a_message_of_an_older_generation_with_the_present_pass_causes_no_write():
    world = World()
    hub = await world.create()
    await world.run_to_rest()
    await world.stop()
    stale = replace(work_message(world.hub, world.clock.now()), generation=hub.generation)
    before, written, called = world.hub, len(world.storage.tape.writes), len(world.cloud.writes)
    await advance(world.app, STEPS, stale)
    assert (world.hub, len(world.storage.tape.writes), len(world.cloud.writes)) == (before, written, called)


# ---- F08


@pytest.mark.parametrize("state", [HubState.ACCEPTED, HubState.PROVISIONING, HubState.INSTALLING])
async def test_f08_a_message_that_was_lost_is_put_again_by_its_due_row_within_90_seconds(state: HubState):
    world = World()
    await world.create()
    await world.run(lambda: world.hub.state is state, limit_s=900)
    world.storage.queue.waiting.clear()
    planned = max(world.hub.next_look_at or world.clock.now(), world.clock.now())
    passes = world.hub.pass_number
    await world.run(lambda: world.hub.pass_number > passes, limit_s=900)
    assert world.clock.now() - planned <= timedelta(seconds=91)
    assert (await world.run_to_rest()).state is HubState.READY


# ---- F11


async def test_f11_a_host_that_dies_mid_step_is_replaced_within_90_seconds_and_its_message_comes_too_late():
    counted = CrashPlan()
    world = World(crash=counted)
    await world.create()
    await world.run_to_rest()
    tried = 0
    for at in range(20, counted.points, counted.points // 15):
        world = World(crash=CrashPlan(at), lease_s=600)
        await world.create()
        await world.run(lambda: bool(world.crashes), limit_s=1800)  # noqa: B023
        died, delivered = world.clock.now(), world.delivered
        if not _hidden(world):
            continue  # a timer died, not a worker
        tried += 1
        await world.run(lambda: world.delivered > delivered, limit_s=900)  # noqa: B023
        assert world.clock.now() - died <= timedelta(seconds=91), world.crashes
        hub = await world.run_to_rest()
        assert (hub.state, machines(world)) == (HubState.READY, 1), world.crashes
        await _late_copy_does_nothing(world, hub)
    assert tried >= 8


def _hidden(world: World) -> bool:
    return any(queued.visible_at > world.clock.now() + timedelta(seconds=500) for queued in world.storage.queue.waiting)


async def _late_copy_does_nothing(world: World, hub: Hub) -> None:
    writes = len(world.cloud.writes)
    await world.run(lambda: not world.storage.queue.waiting, limit_s=1200)
    assert len(world.cloud.writes) == writes, world.crashes
    assert _told(world.hub) == _told(hub), world.crashes


def _told(hub: Hub) -> Hub:
    """All but what a look that finds nothing to do leaves behind."""
    return replace(hub, etag=None, pass_number=0, updated_at=hub.created_at)


async def test_f08_messages_do_not_multiply_while_storage_takes_no_visit():
    """The due row brings a copy every minute or two; copies that put themselves again beside it would pile up."""
    world = World()
    await world.create()
    world.storage.tape.fail("index.put", RetryableError("StorageUnavailable", "no"), times=10_000)
    await world.run(limit_s=3600)
    assert len(world.storage.queue.waiting) <= 4
    assert world.delivered < 400
    world.storage.tape.forgive("index.put")
    assert (await world.run_to_rest()).state is HubState.READY
