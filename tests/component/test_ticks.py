"""The timer and the workers behind it: what is due is driven, whoever dies in between, and what is of the past goes."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from shared.app import App
from shared.errors import FatalError, RetryableError
from shared.hubs.handout import ERASE, HAND_OUT_WINDOW
from shared.hubs.messages import DueBatch
from shared.hubs.model import Hub, Message
from shared.hubs.ports import DueRow
from shared.hubs.ticks import HANDED_OVER_AGAIN, UNREADABLE_AGAIN, drive, tick
from tests.support.builders import HUB_ID, HUB_NAME, OWNER, a_hub, a_ready_hub, some_secrets
from tests.support.clock import MONDAY_MORNING, FakeClock
from tests.support.fake_storage import FakeStorage, fake_storage
from tests.support.tape import Crash, Tape

NO_ANSWER = RetryableError("StorageUnavailable", "The storage account did not answer.")


class Deployment:
    """The timer, and workers that take what is on the queue."""

    def __init__(self, *, tape: Tape | None = None, now: datetime = MONDAY_MORNING) -> None:
        self.clock = FakeClock(now)
        self.storage: FakeStorage = fake_storage(self.clock, tape)
        self.app = cast(App, SimpleNamespace(clock=self.clock, **self.storage.ports()))

    def seed(self, name: str = HUB_NAME, **changes: Any) -> Hub:
        return self.storage.hubs.seed(a_ready_hub(name=name, **changes))

    async def plan(self, hub: Hub, at: datetime | None = None, **changes: Any) -> DueRow:
        """A due row for the hub's present pass."""
        row = DueRow(
            at=at or self.clock.now(),
            hub_id=hub.id,
            owner=hub.owner,
            name=hub.name,
            kind="pass",
            generation=hub.generation,
            pass_number=hub.pass_number,
        )
        row = replace(row, **changes)
        await self.storage.due.put(row)
        return row

    async def work(self) -> list[Message]:
        """Workers drive every batch on the queue; returns the messages for hubs, which nobody acts on here."""
        found: list[Message] = []
        while (message := self.storage.queue.take()) is not None:
            if isinstance(message, DueBatch):
                await drive(self.app, message.rows)
            else:
                found.append(message)
        return found

    @property
    def rows(self) -> Sequence[DueRow]:
        return list(self.storage.due.rows.values())


@pytest.fixture
def here() -> Deployment:
    return Deployment()


# ------------------------------------------------------------------ the whole way


async def test_a_hub_whose_message_was_lost_is_driven_when_its_row_is_due(here: Deployment):
    hub = here.seed()
    await here.plan(hub)
    assert await tick(here.app) == 1
    (message,) = await here.work()
    assert (message.owner, message.name, message.hub_id) == (OWNER, HUB_NAME, HUB_ID)
    assert (message.generation, message.pass_number) == (hub.generation, hub.pass_number)


async def test_a_driven_hubs_row_stays_as_the_safety_net_of_its_message(here: Deployment):
    row = await here.plan(here.seed())
    await tick(here.app)
    assert len(await here.work()) == 1
    assert here.rows == [replace(row, at=row.at + HANDED_OVER_AGAIN)]
    here.clock.advance(HANDED_OVER_AGAIN)
    await tick(here.app)
    assert len(await here.work()) == 1


async def test_a_hub_whose_row_was_not_saved_is_driven_in_the_pass_that_was_lost(here: Deployment):
    hub = here.seed()
    await here.plan(hub, pass_number=hub.pass_number + 1)
    await tick(here.app)
    (message,) = await here.work()
    assert message.pass_number == hub.pass_number + 1


@pytest.mark.parametrize(
    "change",
    [{"pass_number": 23}, {"pass_number": 26}, {"generation": 2}, {"hub_id": "physics-zzzzzz"}, {"name": "unknown"}],
    ids=["pass before", "pass ahead", "generation", "other hub", "no hub"],
)
async def test_a_row_that_matches_nothing_is_forgotten(here: Deployment, change: dict[str, Any]):
    await here.plan(here.seed(), **change)
    await tick(here.app)
    assert await here.work() == []
    assert here.rows == []


async def test_what_is_not_due_is_left_alone(here: Deployment):
    row = await here.plan(here.seed(), at=here.clock.now() + timedelta(seconds=1))
    assert await tick(here.app) == 0
    assert await here.work() == []
    assert here.rows == [row]


async def test_a_message_older_than_its_hubs_change_forgets_the_row_where_it_stands_now(here: Deployment):
    """The batch was taken a while later; its row moved with the tick, and the hub has gone on meanwhile."""
    hub = here.seed()
    await here.plan(hub)
    await tick(here.app)
    here.storage.hubs.seed(replace(hub, pass_number=hub.pass_number + 5))
    here.clock.advance(600)
    await here.work()
    assert here.rows == []


async def test_many_hubs_due_at_the_same_second_are_all_driven(here: Deployment):
    hubs = [here.seed(f"h{number}") for number in range(500)]
    for hub in hubs:
        await here.plan(hub)
    assert await tick(here.app) == 500
    assert Counter(message.name for message in await here.work()) == Counter(hub.name for hub in hubs)


# ------------------------------------------------------------------ handed-out secrets


async def handed_out(here: Deployment) -> DueRow:
    hub = here.seed()
    secrets = some_secrets(handed_out={"admin-password": here.clock.now()})
    await here.storage.secrets.create(OWNER, HUB_ID, secrets)
    return await here.plan(hub, at=here.clock.now() + HAND_OUT_WINDOW, kind=ERASE)


async def test_a_secret_that_was_handed_out_is_erased_when_its_row_is_due(here: Deployment):
    await handed_out(here)
    here.clock.advance(HAND_OUT_WINDOW)
    await tick(here.app)
    assert await here.work() == []
    secrets = await here.storage.secrets.get(OWNER, HUB_ID)
    assert secrets is not None
    assert secrets.admin_password is None
    assert here.rows == []


async def test_a_worker_whose_clock_is_behind_leaves_the_erasing_to_a_later_one(here: Deployment):
    await handed_out(here)
    here.clock.advance(HAND_OUT_WINDOW)
    await tick(here.app)
    batch = here.storage.queue.take()
    assert isinstance(batch, DueBatch)
    here.clock.advance(timedelta(seconds=-30))
    await drive(here.app, batch.rows)
    assert len(here.rows) == 1
    here.clock.advance(timedelta(seconds=30) + HANDED_OVER_AGAIN)
    await tick(here.app)
    await here.work()
    secrets = await here.storage.secrets.get(OWNER, HUB_ID)
    assert secrets is not None
    assert secrets.admin_password is None
    assert here.rows == []


# ------------------------------------------------------------------ trouble with one hub


@pytest.mark.parametrize("call", ["hubs.get", "queue.put"])
async def test_no_answer_about_one_hub_leaves_its_row_and_drives_the_others(here: Deployment, call: str):
    rows = [await here.plan(here.seed(f"h{number}")) for number in range(3)]
    await tick(here.app)
    here.storage.tape.fail(call, NO_ANSWER)
    assert len(await here.work()) == 2
    assert len(here.rows) == 3
    here.clock.advance(HANDED_OVER_AGAIN)
    await tick(here.app)
    assert {message.name for message in await here.work()} == {row.name for row in rows}


async def test_a_row_that_cannot_be_read_is_put_off_and_the_others_are_driven(here: Deployment):
    broken, well = here.seed("broken"), here.seed("well")
    for hub in (broken, well):
        await here.plan(hub)
    here.storage.hubs.unreadable[OWNER, "broken"] = "RowTooNew"
    await tick(here.app)
    assert [message.name for message in await here.work()] == ["well"]
    kept = {row.name: row.at for row in here.rows}
    assert kept == {
        "broken": here.clock.now() + UNREADABLE_AGAIN,
        "well": here.clock.now() + HANDED_OVER_AGAIN,
    }


async def test_a_bug_with_one_hub_stops_no_other(here: Deployment):
    for name in ("odd", "well"):
        await here.plan(here.seed(name))
    await tick(here.app)
    here.storage.tape.fail("hubs.get", ValueError("a bug"))
    assert len(await here.work()) == 1
    assert len(here.rows) == 2


async def test_rows_that_could_not_be_forgotten_come_again_and_are_forgotten_then(here: Deployment):
    await here.plan(here.seed(), generation=9)
    await tick(here.app)
    here.storage.tape.fail("due.forget", NO_ANSWER)
    assert await here.work() == []
    assert len(here.rows) == 1
    here.clock.advance(HANDED_OVER_AGAIN)
    await tick(here.app)
    await here.work()
    assert here.rows == []


# ------------------------------------------------------------------ trouble with the timer


@pytest.mark.parametrize("call", ["due.due", "queue.put_due", "due.move", "due.advance_watermark"])
async def test_a_tick_that_storage_cut_short_is_made_up_by_the_next(here: Deployment, call: str):
    await here.plan(here.seed())
    here.storage.tape.fail(call, NO_ANSWER)
    with pytest.raises(RetryableError):
        await tick(here.app)
    here.clock.advance(60)
    await tick(here.app)
    assert await here.work()
    assert len(here.rows) == 1


@pytest.mark.parametrize("write", [1, 2, 3])
async def test_a_timer_that_dies_after_any_write_loses_no_row(write: int):
    here = Deployment(tape=Tape())
    await here.plan(here.seed())
    here.storage.tape.crash_after = len(here.storage.tape.writes) + write
    with pytest.raises(Crash):
        await tick(here.app)
    driven = await here.work()
    for _ in range(3):
        here.clock.advance(60)
        await tick(here.app)
        driven += await here.work()
    assert driven
    assert {message.pass_number for message in driven} == {24}


async def test_a_batch_that_gets_lost_comes_again(here: Deployment):
    await here.plan(here.seed())
    await tick(here.app)
    here.storage.queue.waiting.clear()
    for _ in range(2):
        here.clock.advance(60)
        await tick(here.app)
    assert len(await here.work()) == 1


async def test_two_timers_at_once_leave_one_row_and_messages_that_the_fences_tell_apart(here: Deployment):
    hub = here.seed()
    row = await here.plan(hub)
    rows = [row]

    async def both_read_the_same(now: datetime) -> Sequence[DueRow]:
        return rows

    here.storage.due.due = both_read_the_same  # type: ignore[method-assign]
    await tick(here.app)
    await tick(here.app)
    messages = await here.work()
    assert len(messages) == 2
    assert messages[0] == messages[1]
    assert here.rows == [replace(row, at=row.at + HANDED_OVER_AGAIN)]


async def test_a_batch_delivered_twice_changes_nothing_the_second_time(here: Deployment):
    hub = here.seed()
    await here.plan(hub)
    await here.plan(hub, generation=9)
    await tick(here.app)
    batch = here.storage.queue.waiting[0].message
    assert isinstance(batch, DueBatch)
    first = await drive(here.app, batch.rows)
    rows = here.rows
    assert await drive(here.app, batch.rows) == first == 1
    assert here.rows == rows


async def test_after_three_hours_without_a_timer_each_hub_is_driven_once(here: Deployment):
    begin = here.clock.now()
    hubs = [here.seed(f"h{number}") for number in range(40)]
    await tick(here.app)
    for number, hub in enumerate(hubs):
        await here.plan(hub, at=begin + timedelta(minutes=5 * number - 10))
    here.clock.advance(timedelta(hours=3, minutes=1))
    await tick(here.app)
    assert Counter(message.name for message in await here.work()) == Counter(hub.name for hub in hubs[:39])


# ------------------------------------------------------------------ punctuality


async def test_by_the_timer_alone_everything_is_driven_within_a_minute_of_its_time():
    """P8, over a day of virtual time that crosses hours and the day's end."""
    here = Deployment()
    rng = random.Random(7)
    begin = here.clock.now()
    due: dict[str, datetime] = {}
    for number in range(600):
        at = begin + timedelta(seconds=rng.uniform(1, 24 * 3600))
        due[f"h{number}"] = at
        await here.plan(here.seed(f"h{number}"), at=at)
    late: dict[str, timedelta] = {}
    for _ in range(24 * 60 + 1):
        here.clock.advance(60)
        await tick(here.app)
        for message in await here.work():
            late.setdefault(message.name, here.clock.now() - due[message.name])
            hub = here.storage.hubs.hubs[OWNER, message.name]
            here.storage.hubs.hubs[OWNER, message.name] = replace(hub, pass_number=hub.pass_number + 2)
    assert late.keys() == due.keys()
    assert all(timedelta(0) <= by <= timedelta(seconds=61) for by in late.values())
    assert here.rows == []


async def test_a_row_too_damaged_for_a_worker_is_no_bug_of_the_timers(here: Deployment):
    here.storage.hubs.seed(a_hub(name="music"))
    here.storage.tape.fail("secrets.get", FatalError("SealBroken", "The secrets cannot be opened."))
    hub = here.storage.hubs.hubs[OWNER, "music"]
    await here.plan(hub, kind=ERASE)
    await tick(here.app)
    assert await here.work() == []
    assert [row.at for row in here.rows] == [here.clock.now() + UNREADABLE_AGAIN]
