"""The fakes can crash, fail and lose answers on request."""

import pytest

from shared.errors import RetryableError
from shared.hubs.ports import IndexEntry
from tests.support.builders import a_hub, a_message
from tests.support.clock import FakeClock
from tests.support.fake_storage import FakeStorage, fake_storage
from tests.support.tape import Crash, Tape

ENTRY = IndexEntry(hub_id="a-ab2cd3", owner="o", name="a", state="accepted")


def storage(tape: Tape | None = None) -> FakeStorage:
    return fake_storage(FakeClock(), tape)


async def test_a_crash_comes_after_the_chosen_write_took_effect_and_only_once():
    world = storage(Tape(crash_after=2))
    await world.queue.put(a_message())
    with pytest.raises(Crash):
        await world.index.put(ENTRY)
    assert await world.index.find(ENTRY.hub_id) == ENTRY
    await world.index.put(ENTRY)
    assert world.tape.writes == ["queue.put", "index.put", "index.put"]


async def test_a_failure_comes_before_anything_happens():
    world = storage()
    world.tape.fail("index.put", RetryableError("StorageUnavailable", "no"), times=2)
    for _ in range(2):
        with pytest.raises(RetryableError):
            await world.index.put(ENTRY)
    assert await world.index.find(ENTRY.hub_id) is None
    await world.index.put(ENTRY)


async def test_a_lost_answer_comes_after_the_write():
    world = storage()
    world.tape.lose_answer("index.put", RetryableError("StorageUnavailable", "no"))
    with pytest.raises(RetryableError):
        await world.index.put(ENTRY)
    assert await world.index.find(ENTRY.hub_id) == ENTRY


async def test_messages_wait_for_virtual_time():
    clock = FakeClock()
    queue = fake_storage(clock).queue
    await queue.put(a_message(pass_number=2), delay_s=30)
    await queue.put(a_message(), delay_s=2)
    assert queue.take() is None
    next_look = queue.next_visible_at()
    assert next_look is not None
    clock.advance_to(next_look)
    assert queue.take() == a_message()
    assert queue.take() is None
    clock.advance(28)
    assert queue.take() == a_message(pass_number=2)
    assert queue.next_visible_at() is None


def test_a_seeded_hub_is_in_its_owners_quota():
    world = storage()
    hub = world.hubs.seed(a_hub())
    assert world.hubs.only_hub() == hub
    assert world.hubs.quotas[hub.owner].hubs == {hub.name: hub.id}
