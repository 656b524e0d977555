"""A notice is delivered again on request, to the one target that asks."""

import asyncio
from datetime import timedelta

import pytest

from shared.errors import ConcurrentUpdate, RetryableError
from shared.hubs.deliveries import RETRY_AFTER_S
from shared.hubs.model import Notice
from shared.hubs.notify import deliver, redeliver
from shared.hubs.ports import Delivery, Pending
from shared.hubs.visit import NOTICE_DELAY_S
from tests.support.builders import a_notice
from tests.support.fake_sink import FakeSink
from tests.support.fake_storage import FakeOutbox
from tests.support.notices import DAY, ID, NOT_NOW, Deployment, a_deployment, watched


async def test_what_was_removed_can_be_delivered_again_to_one_target():
    here = await a_deployment(FakeSink("console"), FakeSink("hook", targets=("a", "b")))
    await deliver(here.app, here.ref)
    here.clock.advance(20 * DAY)
    await redeliver(here.app, a_notice(), "hook:a")
    assert here.storage.tape.writes[-2:] == ["notices.put", "outbox.put"], "message first"
    assert await here.work() == 1
    assert here.sinks[1].told == [("a", ID), ("b", ID), ("a", ID)]
    assert len(here.told[0]) == 1
    assert here.storage.outbox.rows == {}


async def test_a_redelivery_has_three_days_of_its_own():
    here = await a_deployment()
    sink = watched(here)
    await deliver(here.app, here.ref)
    here.clock.advance(20 * DAY)
    asked_at = here.clock.now()
    sink.asked.clear()
    sink.tape.fail("sink.deliver", NOT_NOW, times=10_000)
    await redeliver(here.app, a_notice(), "fake")
    await here.work(10 * DAY)
    assert len(sink.asked) == 1 + len(RETRY_AFTER_S)
    assert sink.asked[-1] - asked_at <= 3 * DAY
    assert sink.given_up == [("", ID, "SinkUnavailable")]


async def test_a_redelivery_while_it_is_pending_asks_at_once_and_begins_anew():
    here = await a_deployment(FakeSink("console"), FakeSink("hook", targets=("a", "b")))
    here.sinks[1].tape.fail("sink.deliver:a", NOT_NOW, times=5)
    await deliver(here.app, here.ref)
    await here.work(timedelta(minutes=30))
    assert here.states["hook:a"].tries == 4
    await redeliver(here.app, a_notice(), "hook:a")
    now = here.clock.now()
    assert here.states["hook:a"] == Delivery(next_at=now, since=now)
    await here.work(timedelta(seconds=2))
    assert here.states["hook:a"].tries == 1
    await here.work()
    assert here.sinks[1].told == [("b", ID), ("a", ID)]
    assert here.storage.outbox.rows == {}
    assert here.storage.notices.waiting == []


async def test_two_requests_for_the_same_deliver_it_at_most_twice():
    here = await a_deployment()
    await deliver(here.app, here.ref)
    await asyncio.gather(*(redeliver(here.app, a_notice(), "fake") for _ in range(2)))
    await here.work()
    assert 2 <= len(here.told[0]) <= 3
    assert {notice.id for notice in here.told[0]} == {ID}
    assert here.storage.outbox.rows == {}


async def test_a_redelivery_of_what_nobody_has_looked_at_yet_leaves_nobody_out():
    here = await a_deployment(FakeSink("console"), FakeSink("hook", targets=("a", "b")))
    await redeliver(here.app, a_notice(), "hook:a")
    await here.work()
    assert sorted(here.sinks[1].told) == [("a", ID), ("b", ID)]
    assert len(here.told[0]) == 1


class Interrupted(FakeSink):
    """While it is asked, somebody asks for the notice to be delivered again."""

    here: Deployment
    asked = False

    async def deliver(self, notice: Notice, target: str) -> None:
        await super().deliver(notice, target)
        if not self.asked:
            self.asked = True
            await redeliver(self.here.app, notice, "hook")


async def test_a_redelivery_in_the_middle_of_a_visit_is_not_lost_and_nobody_else_hears_again():
    sink = Interrupted("hook")
    here = await a_deployment(sink, FakeSink("console"))
    sink.here = here
    await deliver(here.app, here.ref)
    await here.work()
    assert sink.told == [("", ID), ("", ID)]
    assert len(here.told[1]) == 1
    assert here.storage.outbox.rows == {}


async def test_a_row_that_changes_all_the_time_is_busy():
    here = await a_deployment()
    here.storage.tape.fail("outbox.save", ConcurrentUpdate("Notice"), times=4)
    with pytest.raises(RetryableError, match="Busy") as caught:
        await redeliver(here.app, a_notice(), "fake")
    assert caught.value.retry_after_s == 5
    assert here.storage.tape.count("outbox.save") == 0
    here.storage.tape.fail("outbox.save", ConcurrentUpdate("Notice"), times=3)
    await redeliver(here.app, a_notice(), "fake")  # the fourth try counts


class Blinking(FakeOutbox):
    """Does not see the row at the first look: somebody puts it in right after."""

    looked = False

    async def get(self, owner: str, hub_id: str, seq: int) -> Pending | None:
        found = await super().get(owner, hub_id, seq)
        first, self.looked = not self.looked, True
        return None if first else found


async def test_a_row_that_somebody_else_puts_in_at_the_same_moment_is_changed():
    here = await a_deployment(FakeSink("hook", targets=("a", "b")))
    app = here.app_with(here.sinks, outbox=Blinking(here.storage.hubs, here.storage.tape))
    await redeliver(app, a_notice(), "hook:a")
    assert set(here.states) == {"hook:*", "hook:a"}


async def test_the_message_of_a_redelivery_waits_for_its_row_as_every_other():
    here = await a_deployment()
    await redeliver(here.app, a_notice(), "fake")
    assert here.pauses == [NOTICE_DELAY_S]


async def test_a_row_that_is_removed_and_comes_back_is_found_in_the_end():
    here = await a_deployment()
    (pending,) = here.storage.outbox.rows.values()
    here.storage.tape.fail("outbox.save", ConcurrentUpdate("Notice"))
    await redeliver(here.app, a_notice(), "fake")
    (again,) = here.storage.outbox.rows.values()
    assert again.etag != pending.etag
    assert isinstance(again, Pending)
