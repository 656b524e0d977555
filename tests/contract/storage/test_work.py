"""`WorkQueue` and `DueTable`: what is to be done next."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared.hubs.messages import DueBatch
from shared.hubs.ports import DueRow, NoticeRef
from tests.contract.storage.worlds import World
from tests.support.builders import HUB_ID, OWNER, a_due_row, a_message

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


async def test_due_rows_travel_in_one_message(world: World):
    rows = tuple(a_due_row(hub_id=f"h{number}-ab2cd3", name=f"h{number}", pass_number=number) for number in range(200))
    await world.queue.put_due(rows)
    assert await world.received() == [DueBatch(rows)]


async def test_more_due_rows_than_a_message_holds_travel_in_several(world: World):
    rows = [a_due_row(hub_id=f"h{number}-ab2cd3", name=f"h{number}") for number in range(900)]
    await world.queue.put_due(rows)
    batches = [batch for batch in await world.received() if isinstance(batch, DueBatch)]
    assert len(batches) > 1
    assert sorted((row for batch in batches for row in batch.rows), key=rows.index) == rows


async def test_no_due_row_is_no_message(world: World):
    await world.queue.put(a_message())
    await world.queue.put_due([])
    assert await world.received() == [a_message()]


async def test_a_notices_message_arrives_as_it_was_put_and_when_it_should(world: World):
    ref = NoticeRef(owner="jürgen o'hara", hub_id=HUB_ID, seq=12, first_seen=world.clock.now())
    await world.notices.put(ref)
    await world.notices.put(replace(ref, seq=13), delay_s=3600)
    assert await world.told() == [ref]


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


async def test_the_same_thing_in_the_same_second_is_one_row(world: World):
    later = a_due_row(at=a_due_row().at + timedelta(milliseconds=20))
    await world.due.put(a_due_row())
    await world.due.put(later)
    assert await names_due(world) == []
    world.clock.advance(0.02)
    assert await world.due.due(world.clock.now()) == [later]


async def test_a_tick_after_an_outage_finds_what_became_due_meanwhile(world: World):
    await world.due.advance_watermark(world.clock.now())
    await world.due.put(a_due_row(at=world.clock.now() + timedelta(minutes=20)))
    world.clock.advance(timedelta(days=6))
    assert await names_due(world) == [a_due_row().name]


async def test_a_row_of_the_hour_before_may_be_written_until_minutes_after_the_hour(world: World):
    late = a_due_row(at=world.clock.now() + timedelta(minutes=29))
    world.clock.advance(timedelta(minutes=30))
    await world.due.advance_watermark(world.clock.now())
    await world.due.put(late)
    world.clock.advance(timedelta(minutes=4))
    assert await world.due.due(world.clock.now()) == [late]


async def test_a_row_of_the_present_hour_may_be_written_at_any_time(world: World):
    late = a_due_row(at=world.clock.now() - timedelta(minutes=25))
    await world.due.advance_watermark(world.clock.now())
    await world.due.put(late)
    assert await world.due.due(world.clock.now()) == [late]


async def test_a_tick_that_missed_the_first_minutes_of_an_hour_still_reads_the_hour_before(world: World):
    await world.due.advance_watermark(world.clock.now())
    await world.due.put(a_due_row(at=world.clock.now() + timedelta(minutes=20)))
    world.clock.advance(timedelta(minutes=59))
    assert await names_due(world) == [a_due_row().name]


async def test_each_row_is_due_once_over_hours_of_ticks(world: World):
    begin = world.clock.now()
    rows = [
        a_due_row(
            name=f"m{minute}", hub_id=f"m{minute}-ab2cd3", at=begin + timedelta(minutes=minute, seconds=minute % 60)
        )
        for minute in range(0, 150, 7)
    ]
    for row in rows:
        await world.due.put(row)
    seen: list[DueRow] = []
    for _ in range(160):
        now = world.clock.now()
        found = await world.due.due(now)
        assert all(now - timedelta(seconds=60) < row.at <= now for row in found)
        await world.due.forget(found)
        await world.due.advance_watermark(now)
        seen += found
        world.clock.advance(60)
    assert seen == rows


async def test_buckets_behind_the_watermark_are_not_read_again(world: World):
    await world.due.put(a_due_row(at=world.clock.now() - timedelta(hours=3)))
    await world.due.advance_watermark(world.clock.now())
    assert await names_due(world) == []


async def test_without_a_watermark_two_days_are_read(world: World):
    now = world.clock.now()
    await world.due.put(a_due_row(name="yesterday", at=now - timedelta(hours=47)))
    await world.due.put(a_due_row(name="long-ago", at=now - timedelta(hours=50)))
    assert await names_due(world) == ["yesterday"]


async def test_a_clock_set_back_while_it_ticks_skips_no_row_of_the_hours_that_come_twice(world: World):
    now = world.clock.now()
    await world.due.due(now)
    await world.due.advance_watermark(now)
    world.clock.advance(timedelta(hours=-3))
    earlier = world.clock.now()
    await world.due.due(earlier)
    await world.due.advance_watermark(earlier)
    row = a_due_row(at=earlier + timedelta(minutes=25))
    await world.due.put(row)
    world.clock.advance(timedelta(hours=2))
    assert await world.due.due(world.clock.now()) == [row]


async def test_a_clock_set_back_to_a_young_hour_still_reads_the_hour_before(world: World):
    now = world.clock.now()
    await world.due.due(now)
    await world.due.advance_watermark(now)
    world.clock.advance(timedelta(hours=-1, minutes=-28))
    row = a_due_row(at=world.clock.now() - timedelta(minutes=3))
    await world.due.put(row)
    assert await world.due.due(world.clock.now()) == [row]


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


# ------------------------------------------------------------------ moving


@pytest.mark.parametrize("minutes", [2, 31, 300], ids=["in the hour", "to the next hour", "far"])
async def test_moved_rows_are_due_at_their_new_time_and_no_longer_at_the_old_one(world: World, minutes: int):
    now = world.clock.now()
    rows = [
        a_due_row(hub_id=f"h{number}-ab2cd3", name=f"h{number}", at=now - timedelta(seconds=90 * number))
        for number in range(60)
    ]
    for row in rows:
        await world.due.put(row)
    later = now + timedelta(minutes=minutes)
    await world.due.move(rows, later)
    assert await world.due.due(now) == []
    world.clock.advance_to(later)
    found = await world.due.due(later)
    assert sorted(found, key=lambda row: row.name) == sorted(
        (replace(row, at=later) for row in rows), key=lambda row: row.name
    )


async def test_moving_twice_and_moving_what_is_gone_leaves_one_row(world: World):
    now = world.clock.now()
    row, gone = a_due_row(at=now), a_due_row(at=now, name="gone", hub_id="gone-ab2cd3")
    await world.due.put(row)
    later = now + timedelta(seconds=90)
    await world.due.move([row, gone], later)
    await world.due.move([row, gone], later)
    world.clock.advance_to(later)
    assert sorted(await names_due(world)) == ["gone", row.name]


async def test_rows_about_the_same_thing_become_one(world: World):
    """Their keys meet: one of them even stands where the others go."""
    now = world.clock.now()
    rows = [a_due_row(at=now - timedelta(minutes=1)), a_due_row(at=now), a_due_row(at=now + timedelta(seconds=90))]
    for row in rows:
        await world.due.put(row)
    later = now + timedelta(seconds=90)
    await world.due.move(rows, later)
    world.clock.advance(timedelta(minutes=5))
    assert await world.due.due(world.clock.now()) == [replace(rows[0], at=later)]


async def test_a_row_moved_within_its_second_stays_one_row(world: World):
    row = a_due_row(at=world.clock.now())
    await world.due.put(row)
    later = row.at + timedelta(seconds=0.3)
    await world.due.move([row], later)
    world.clock.advance(60)
    assert await world.due.due(world.clock.now()) == [replace(row, at=later)]


async def test_moving_nothing_does_nothing(world: World):
    await world.due.move([], world.clock.now())
    assert await names_due(world) == []


async def test_a_moved_row_is_forgotten_where_it_stands_now(world: World):
    row = a_due_row(at=world.clock.now())
    later = row.at + timedelta(seconds=90)
    await world.due.put(row)
    await world.due.move([row], later)
    await world.due.forget([replace(row, at=later)])
    world.clock.advance(600)
    assert await names_due(world) == []


async def test_rows_that_the_ticks_have_passed_by_are_found_by_the_audit_and_no_others(world: World):
    now = world.clock.now()
    old, older = a_due_row(at=now - timedelta(hours=2)), a_due_row(at=now - timedelta(days=3), kind="erase")
    await world.due.put(old)
    await world.due.put(older)
    await world.due.put(a_due_row(at=now - timedelta(minutes=1), kind="present"))
    await world.due.put(a_due_row(at=now + timedelta(hours=5), kind="ahead"))
    assert list(await world.due.overlooked(now)) == [older, old]
    await world.due.move([old, older], now + timedelta(seconds=90))
    assert list(await world.due.overlooked(now)) == []
    assert {row.kind for row in await world.due.due(now + timedelta(minutes=2))} == {"advance", "erase", "present"}
