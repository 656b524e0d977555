"""`WorkQueue` and `DueTable`: what is to be done next."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.contract.storage.worlds import World
from tests.support.builders import OWNER, a_due_row, a_message

# ------------------------------------------------------------------ queue


async def test_a_message_arrives_as_it_was_put(world: World):
    message = a_message(owner="jürgen o'hara", pass_number=7)
    await world.queue.put(message)
    assert await world.received() == [message]


async def test_a_delayed_message_is_hidden_at_first(world: World):
    await world.queue.put(a_message(), delay_s=3600)
    assert await world.received() == []


async def test_a_delay_beyond_what_storage_allows_is_shortened_not_refused(world: World):
    await world.queue.put(a_message(), delay_s=30 * 24 * 3600)
    await world.queue.put(a_message(pass_number=2), delay_s=-1)
    assert await world.received() == [a_message(pass_number=2)]


# ------------------------------------------------------------------ due


async def names_due(world: World, now: datetime | None = None) -> list[str]:
    return [row.name for row in await world.due.due(now or world.clock.now())]


async def test_a_row_is_due_at_its_time_and_not_before(world: World):
    row = a_due_row(at=world.clock.now() + timedelta(seconds=90, microseconds=1))
    await world.due.put(row)
    assert await names_due(world) == []
    world.clock.advance(90)
    assert await names_due(world) == []
    world.clock.advance(timedelta(microseconds=1))
    assert await world.due.due(world.clock.now()) == [row]


async def test_due_rows_come_oldest_first_across_hours(world: World):
    now = world.clock.now()
    for minutes in (10, 200, 70):
        await world.due.put(a_due_row(name=f"m{minutes}", at=now - timedelta(minutes=minutes)))
    await world.due.put(a_due_row(name="later", at=now + timedelta(minutes=5)))
    await world.due.put(a_due_row(name="tomorrow", at=now + timedelta(days=1)))
    assert await names_due(world) == ["m200", "m70", "m10"]


async def test_forgotten_rows_are_gone_and_forgetting_again_is_fine(world: World):
    now = world.clock.now()
    rows = [a_due_row(hub_id=f"h{n}-ab2cd3", name=f"h{n}", at=now - timedelta(minutes=n)) for n in range(60)]
    for row in rows:
        await world.due.put(row)
    await world.due.forget(rows[:1])
    await world.due.forget(rows[:59])
    assert await names_due(world) == ["h59"]
    await world.due.forget([rows[59], rows[59]])
    await world.due.forget([])
    assert await names_due(world) == []


@pytest.mark.parametrize(
    "change",
    [{"kind": "expire"}, {"generation": 2}, {"pass_number": 2}, {"hub_id": "physics-zzzzzz"}],
    ids=lambda change: next(iter(change)),
)
async def test_rows_about_different_things_live_side_by_side(world: World, change: dict[str, object]):
    first = a_due_row()
    second = a_due_row(**change)
    await world.due.put(first)
    await world.due.put(second)
    await world.due.forget([first])
    assert await world.due.due(world.clock.now()) == [second]


async def test_the_same_thing_in_the_same_minute_is_one_row(world: World):
    later = a_due_row(at=a_due_row().at + timedelta(seconds=20))
    await world.due.put(a_due_row())
    await world.due.put(later)
    assert await names_due(world) == []
    world.clock.advance(20)
    assert await world.due.due(world.clock.now()) == [later]


async def test_a_tick_after_an_outage_finds_what_became_due_meanwhile(world: World):
    await world.due.advance_watermark(world.clock.now())
    await world.due.put(a_due_row(at=world.clock.now() + timedelta(minutes=20)))
    world.clock.advance(timedelta(days=6))
    assert await names_due(world) == [a_due_row().name]


async def test_a_row_written_late_into_the_bucket_before_the_watermark_is_found(world: World):
    late = a_due_row(at=world.clock.now() - timedelta(minutes=45))
    await world.due.advance_watermark(world.clock.now())
    await world.due.put(late)
    assert await world.due.due(world.clock.now()) == [late]


async def test_buckets_behind_the_watermark_are_not_read_again(world: World):
    await world.due.put(a_due_row(at=world.clock.now() - timedelta(hours=3)))
    await world.due.advance_watermark(world.clock.now())
    assert await names_due(world) == []


async def test_without_a_watermark_two_days_are_read(world: World):
    now = world.clock.now()
    await world.due.put(a_due_row(name="yesterday", at=now - timedelta(hours=47)))
    await world.due.put(a_due_row(name="long-ago", at=now - timedelta(hours=50)))
    assert await names_due(world) == ["yesterday"]


async def test_a_clock_set_back_skips_nothing(world: World):
    now = world.clock.now()
    await world.due.advance_watermark(now + timedelta(days=2))
    await world.due.put(a_due_row(at=now - timedelta(seconds=5)))
    assert await names_due(world) == [a_due_row().name]


async def test_a_due_row_keeps_every_field(world: World):
    row = replace(a_due_row(), owner=OWNER + "/ü", kind="a!b/c", generation=2_000_000_000, pass_number=999_999)
    await world.due.put(row)
    assert await world.due.due(world.clock.now()) == [row]
    await world.due.forget([row])
    assert await world.due.due(world.clock.now()) == []
