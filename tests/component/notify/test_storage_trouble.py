"""Outbox or queue give no answer: nothing is lost, and nobody is told again and again."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.errors import ConcurrentUpdate, RetryableError
from shared.hubs.notify import deliver
from shared.hubs.ports import Delivery
from tests.support.builders import a_notice
from tests.support.fake_sink import FakeSink
from tests.support.notices import NOT_NOW, STORAGE_DOWN, Deployment, a_deployment, an_audit


@pytest.mark.parametrize(("age_s", "again"), [(0.0, [5.0]), (300.0, [300.0]), (3599.0, [3599.0]), (3600.0, [])])
async def test_a_row_that_cannot_be_read_is_looked_at_ever_more_seldom_and_after_an_hour_by_the_audit(
    age_s: float, again: list[float]
):
    here = await a_deployment()
    here.storage.tape.fail("outbox.get", STORAGE_DOWN)
    here.clock.advance(age_s)
    await deliver(here.app, here.ref)
    assert here.pauses == again


async def test_storage_may_wish_for_a_longer_pause():
    here = await a_deployment()
    here.storage.tape.fail("outbox.get", RetryableError("StorageBusy", "Busy.", retry_after_s=90))
    await deliver(here.app, here.ref)
    assert here.pauses == [90.0]


async def all_done(here: Deployment) -> None:
    """A row that says so, and is still there: its worker died before it removed it."""
    (pending,) = here.storage.outbox.rows.values()
    await here.storage.outbox.save(replace(pending, deliveries={"fake": Delivery(next_at=None)}))


async def test_a_row_that_is_done_with_and_cannot_be_removed_is_removed_later():
    here = await a_deployment()
    await all_done(here)
    here.storage.tape.fail("outbox.done", STORAGE_DOWN, times=2)
    await deliver(here.app, here.ref)
    assert here.pauses == [5.0]
    await here.work()
    assert here.storage.outbox.rows == {}
    assert here.told == [[]]


async def test_a_row_that_is_done_with_and_was_put_in_again_meanwhile_is_left_to_whoever_did():
    here = await a_deployment()
    await all_done(here)
    here.storage.tape.fail("outbox.done", ConcurrentUpdate("Notice"))
    await deliver(here.app, here.ref)
    assert len(here.storage.outbox.rows) == 1
    assert here.pauses == []


async def test_while_storage_takes_no_writes_nobody_is_told_again_and_again():
    """For twelve hours, with an audit every hour; the others hear it some twenty times and not 8,640."""
    here = await a_deployment(FakeSink("chat"), FakeSink("console"))
    here.sinks[0].tape.fail("sink.deliver", NOT_NOW, times=10_000)
    here.storage.tape.fail("outbox.save", STORAGE_DOWN, times=10_000)
    await deliver(here.app, here.ref)
    most = 0
    for _ in range(12):
        end = here.clock.now() + timedelta(hours=1)
        await here.work(timedelta(hours=1))
        here.clock.advance_to(max(end, here.clock.now()))
        most = max(most, len(here.storage.notices.waiting))
        await an_audit(here)
    assert len(here.told[1]) < 30
    assert most <= 2
    here.storage.tape.forgive("outbox.save")
    here.sinks[0].tape.forgive("sink.deliver")
    await here.work()
    assert len(here.told[0]) == 1
    assert here.storage.outbox.rows == {}


async def test_a_save_whose_answer_was_lost_tells_nobody_again():
    here = await a_deployment(FakeSink("chat"), FakeSink("console"))
    here.sinks[0].tape.fail("sink.deliver", NOT_NOW)
    here.storage.tape.lose_answer("outbox.save", STORAGE_DOWN)
    await deliver(here.app, here.ref)
    await here.work()
    assert here.told == [[a_notice()], [a_notice()]]


async def test_when_the_queue_takes_no_message_the_row_is_saved_and_the_message_tried_again():
    here = await a_deployment(FakeSink("chat"), FakeSink("console"))
    here.sinks[0].tape.fail("sink.deliver", NOT_NOW)
    here.storage.tape.fail("notices.put", STORAGE_DOWN)
    await deliver(here.app, here.ref)
    assert here.pauses == [5.0]
    await here.work()
    assert here.told == [[a_notice()], [a_notice()]]


async def test_when_the_queue_takes_no_message_at_all_the_host_keeps_this_one_and_nobody_is_told_again():
    here = await a_deployment(FakeSink("chat"), FakeSink("console"))
    here.sinks[0].tape.fail("sink.deliver", NOT_NOW)
    here.storage.tape.fail("notices.put", STORAGE_DOWN, times=3)
    with pytest.raises(RetryableError):
        await deliver(here.app, here.ref)
    here.clock.advance(30)
    await deliver(here.app, here.ref)  # the host brings it after 30 s
    assert here.told == [[a_notice()], [a_notice()]]
    assert here.storage.outbox.rows == {}


async def test_storage_that_cannot_remove_it_is_asked_again():
    here = await a_deployment()
    here.storage.tape.fail("outbox.done", STORAGE_DOWN, times=2)
    await deliver(here.app, here.ref)
    assert here.pauses == [5.0]
    await here.work()
    assert here.storage.outbox.rows == {}
