"""Faults around the acceptance of a hub: F01 to F04, F44 (docs/faults.md)."""

from typing import Any

import pytest

from shared.errors import RetryableError
from shared.hubs import commands
from shared.hubs.commands import IdempotencyRequest
from shared.hubs.states import HubState
from tests.component.api.client import ADMIN_TOKEN, Api
from tests.support.builders import a_spec, some_settings
from tests.support.tape import Crash
from tests.support.world import OWNER, World

UNAVAILABLE = RetryableError("StorageUnavailable", "The storage account did not answer as it should.", retry_after_s=7)


async def create(world: World, key: str = "k", body: str = "b1") -> commands.Created:
    return await commands.create_hub(
        world.app, OWNER, a_spec(), name="demo", idempotency=IdempotencyRequest(key, body), request_id="r"
    )


def an_api() -> tuple[World, Api]:
    world = World(settings=some_settings(HUBLET_ADMIN_TOKEN=ADMIN_TOKEN, HUBLET_EGRESS_CIDRS="198.51.100.7/32"))
    return world, Api(world)


# ---- F01


@pytest.mark.parametrize("write", [1, 2], ids=["after the first of message and due row", "after both"])
async def test_f01_a_message_without_its_row_is_dropped_after_a_minute_and_makes_nothing(write: int):
    world = World()
    world.storage.tape.crash_after = write
    with pytest.raises(Crash):
        await create(world)
    began = world.clock.now()
    await world.run(lambda: not world.storage.queue.waiting and not world.storage.due.rows, limit_s=600)
    assert (world.clock.now() - began).total_seconds() <= 180
    assert (world.storage.hubs.hubs, world.storage.index.entries, world.cloud.writes) == ({}, {}, [])


async def test_f01_a_row_without_its_message_is_driven_by_its_due_row_and_by_the_repeated_request():
    world = World()
    world.storage.tape.crash_after = 3  # message, due row, row: the process dies before it can answer
    with pytest.raises(Crash):
        await create(world)
    world.storage.queue.waiting.clear()
    again = await create(world)
    assert again.replayed
    hub = await world.run_to_rest()
    assert (hub.state, hub.id, world.cloud.count("vm")) == (HubState.READY, again.hub.id, 1)


async def test_f01_what_dies_between_message_and_row_leaves_the_repeated_request_one_flow():
    world = World()
    world.storage.tape.crash_after = 2
    with pytest.raises(Crash):
        await create(world)
    await create(world)
    assert (await world.run_to_rest()).state is HubState.READY
    assert world.cloud.count("vm") == 1
    assert len(world.storage.hubs.hubs) == 1


# ---- F02, F03


async def test_f02_a_repeated_request_whose_202_was_lost_gets_the_same_body_and_no_second_machine():
    world, api = an_api()
    first = await api.post("/api/hubs", {"name": "demo"}, headers={"Idempotency-Key": "k"})
    second = await api.post("/api/hubs", {"name": "demo"}, headers={"Idempotency-Key": "k"})
    assert (first.status, second.status) == (202, 202)
    assert second.json == first.json
    assert second.headers["operation-location"] == first.headers["operation-location"]
    await world.run_to_rest()
    late = await api.post("/api/hubs", {"name": "demo"}, headers={"Idempotency-Key": "k"})
    assert (late.status, late.json["id"]) == (202, first.json["id"])
    await world.run(lambda: False, limit_s=600)
    assert world.cloud.count("vm") == 1


async def test_f03_the_same_key_with_another_body_is_422_and_changes_nothing():
    world, api = an_api()
    await api.post("/api/hubs", {"name": "demo"}, headers={"Idempotency-Key": "k"})
    writes, hub = list(world.storage.tape.writes), world.hub
    answer = await api.post("/api/hubs", {"name": "other"}, headers={"Idempotency-Key": "k"})
    assert (answer.status, answer.code) == (422, "IdempotencyKeyReused")
    assert (world.storage.tape.writes, world.hub) == (writes, hub)


# ---- F04


@pytest.mark.parametrize("number", range(8))
async def test_f04_a_save_whose_answer_was_lost_is_read_back_and_made_once(number: int):
    world = World()
    await world.create()
    await world.run(lambda: world.storage.tape.count("hubs.commit") >= number, limit_s=900)
    world.storage.tape.lose_answer("hubs.commit", UNAVAILABLE)
    hub = await world.run_to_rest()
    assert hub.state is HubState.READY, hub.reason
    assert world.cloud.count("vm") == 1
    told = [event.message for event in world.storage.hubs.history[hub.owner, hub.id].values()]
    assert len([line for line in told if line.startswith("'group' is done")]) == 1


# ---- F44


@pytest.mark.parametrize(
    "call", ["hubs.admission", "queue.put", "due.put", "hubs.create"], ids=lambda call: f"no answer from {call}"
)
async def test_f44_without_a_durable_row_there_is_503_with_retry_after_and_never_202(call: str):
    world, api = an_api()
    world.storage.tape.fail(call, UNAVAILABLE)
    answer = await api.post("/api/hubs", {"name": "demo"})
    assert (answer.status, answer.code) == (503, "TemporarilyUnavailable")
    assert int(answer.headers["retry-after"]) >= 7
    assert world.storage.hubs.hubs == {}
    await world.run(lambda: False, limit_s=300)
    assert world.cloud.writes == []
    assert (await api.post("/api/hubs", {"name": "demo"})).status == 202


async def test_f44_hubs_under_way_wait_for_storage_and_none_is_failed():
    world = World()
    await world.create()
    await world.run(lambda: world.hub.state is HubState.INSTALLING, limit_s=900)
    outage: dict[str, Any] = dict.fromkeys(("hubs.get", "hubs.commit", "index.put"), 40)
    for call, times in outage.items():
        world.storage.tape.fail(call, UNAVAILABLE, times=times)
    hub = await world.run_to_rest()
    assert hub.state is HubState.READY, hub.reason
    assert world.cloud.count("vm") == 1
